"""What an attack is, and the kit that each one may import."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from sandbox.records import FailureKind, Limits, Tier

QUICK = Limits(wall_s=0.3, memory_bytes=256 << 20)
"""For attacks that end by the clock."""
PATIENT = Limits(wall_s=5.0, memory_bytes=256 << 20)
"""For those that must fail in another way, also where the machine is busy."""


def limits_for(fails: Collection[str]) -> Limits:
    """What an attack gets that may end in one of these ways."""
    return QUICK if FailureKind.TIMEOUT in fails else PATIENT


class Group(StrEnum):
    """What an attack is after."""

    READ = "read"
    FORGE = "forge"
    ESCAPE = "escape"
    STARVE = "starve"
    PERSIST = "persist"


def nothing(value: object) -> bool:
    """The usual judgement: the attack says that it got nothing."""
    return not value


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One hostile program.

    Attributes:
        name: What it tries, as a few words.
        source: Defines `attack(world)`.
        held: Whether a value it returned shows that the property holds.
        fails: The ways it may fail that also show it.
        calls: How often `attack` is called.
        before: A program that is run, as `attack(world)`, in the same sandbox first.
        needs: Distributions it imports.
        open_in: Tiers that are known not to stop it.
        harmless: It may be run with no layer at all, and gets through then.
    """

    name: str
    group: Group
    source: str
    held: Callable[[object], bool] = nothing
    fails: frozenset[FailureKind] = frozenset()
    limits: Limits = PATIENT
    calls: int = 1
    before: str = ""
    needs: tuple[str, ...] = ()
    open_in: frozenset[Tier] = frozenset()
    harmless: bool = False


KIT = '''
import ctypes, os, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
REQUESTS, ANSWERS, LENDING = 3, 4, 5

def syscall(*arguments):
    """The result, or minus the error number."""
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(*plain)
    return result if result >= 0 else -ctypes.get_errno()

def contents(*paths):
    """What of these files or folders can be read."""
    found = []
    for path in paths:
        try:
            if os.path.isdir(path):
                found += os.listdir(path)
            else:
                with open(path, "rb") as file:
                    found.append(file.read(100) or b"empty")
        except OSError:
            pass
    return found

def strangers(*folders):
    """Names in these folders that do not lead to the interpreter or a package."""
    ways = [path + "/" for path in (os.path.dirname(os.__file__), *sys.path)]
    return [
        name
        for folder in folders
        for name in contents(folder)
        if not any(way.startswith(os.path.join(folder, str(name)) + "/") for way in ways)
    ]

def worked(function, *arguments):
    """Whether a call ended without an exception of the system."""
    try:
        function(*arguments)
    except (OSError, RuntimeError):
        return False
    return True

def frames():
    frame = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back

def loop():
    """The frame of the function that answers calls, and the nonce of this call."""
    for frame in frames():
        if "nonce" in frame.f_locals:
            return frame, frame.f_locals["nonce"]

def send(nonce, status, payload, length=None):
    length = 1 + len(payload) if length is None else length
    os.write(ANSWERS, struct.pack("<QI", nonce, length) + status + payload)

def want(nonce, size):
    """Asks for memory to put an answer into; whether there is some."""
    send(nonce, b"W", struct.pack("<Q", size))
    return os.read(REQUESTS, 13)[12:] == b"Y"

def take():
    """The descriptor of what was lent."""
    import socket
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, LENDING)
    try:
        return socket.recv_fds(end, 1, 1)[1][0]
    finally:
        end.detach()
'''
