"""The channels themselves, and the memory lent over one of them for a large answer."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.attacks.attack import QUICK, Attack, Group, nothing
from sandbox.records import FailureKind, Limits

_LIMITS = Limits(wall_s=4.0, memory_bytes=128 << 20)
_LARGE = 1 << 20
_VALUE = "struct.pack('<I', 11) + b'[6,1048561]' + b'x' * 1048561"
"""What encodes as many bytes, and with its head is of that size."""


def _is_value(value: object) -> bool:
    return value == b"x" * (_LARGE - 15)


def _never(value: object) -> bool:
    return False


def _attack(
    name: str,
    body: str,
    *fails: str,
    held: Callable[[object], bool] = _never,
    group: Group = Group.FORGE,
    limits: Limits = _LIMITS,
    calls: int = 1,
) -> Attack:
    return Attack(
        name=name,
        group=group,
        source=f"from kit import *\nimport mmap\nLARGE = {_LARGE}\n{body}",
        held=held,
        fails=frozenset(FailureKind(kind) for kind in fails),
        limits=limits,
        calls=calls,
    )


def _says(name: str, lines: str, *fails: str, held: Callable[[object], bool] = _never) -> Attack:
    """Answers by itself, with these lines, and then waits to be judged."""
    limits = QUICK if "timeout" in fails else _LIMITS
    indented = "".join(f"    {line}\n" for line in lines.splitlines())
    body = f"def attack(world):\n    nonce = loop()[1]\n{indented}    os.read(REQUESTS, 1)\n"
    return _attack(name, body, *fails, held=held, limits=limits)


ATTACKS = (
    _says(
        "a writable mapping that is kept",
        f"want(nonce, LARGE)\nmemory = take()\nview = mmap.mmap(memory, LARGE)\n"
        f"view[:] = {_VALUE}\nsend(nonce, b'S', b'')",
        "violation",
    ),
    _says(
        "a mapping that is kept and was made writable later",
        f"want(nonce, LARGE)\nmemory = take()\nos.write(memory, {_VALUE})\n"
        "at = syscall(9, 0, LARGE, 1, 1, memory, 0)\nsend(nonce, b'S', b'')\n"
        "syscall(10, at, LARGE, 3)",
        "violation",
        held=_is_value,
    ),
    _says(
        "an answer that is written once more after it was given",
        f"want(nonce, LARGE)\nmemory = take()\nos.write(memory, {_VALUE})\n"
        "send(nonce, b'S', b'')\n"
        "while True:\n"
        "    try:\n"
        "        os.pwrite(memory, b'y' * 4096, 8192)\n"
        "    except OSError:\n"
        "        break",
        held=lambda value: isinstance(value, bytes) and len(value) == _LARGE - 15,
    ),
    _says(
        "lent memory made smaller",
        f"want(nonce, LARGE)\nmemory = take()\nos.write(memory, {_VALUE})\n"
        "worked(os.ftruncate, memory, 4096)\nworked(os.ftruncate, memory, 1 << 30)\n"
        "send(nonce, b'S', b'')",
        held=_is_value,
    ),
    _says(
        "lent memory with holes",
        f"want(nonce, LARGE)\nmemory = take()\nos.write(memory, {_VALUE})\n"
        "syscall(285, memory, 3, 65536, LARGE - 65536)\nsend(nonce, b'S', b'')",
        held=lambda value: isinstance(value, bytes) and len(value) == _LARGE - 15,
    ),
    _says(
        "lent memory left empty", "want(nonce, LARGE)\ntake()\nsend(nonce, b'S', b'')", "violation"
    ),
    _says(
        "lent memory with noise",
        "want(nonce, LARGE)\nos.write(take(), os.urandom(LARGE))\nsend(nonce, b'S', b'')",
        "violation",
    ),
    _says(
        "an array in it with sides beyond its end",
        "want(nonce, LARGE)\nhead = b'[11,\"<f8\",1000000000]'\n"
        "os.write(take(), struct.pack('<I', len(head)) + head)\nsend(nonce, b'S', b'')",
        "violation",
    ),
    _says(
        "something hidden before an array",
        "want(nonce, LARGE)\nhead = b'[11,\"|u1\",1048512]'\n"
        "os.write(take(), struct.pack('<I', len(head)) + head + b'y' * 1048512)\n"
        "send(nonce, b'S', b'')",
        "violation",
    ),
    _says("memory given back that was never lent", "send(nonce, b'S', b'')", "violation"),
    _says("memory wanted of no size", "send(nonce, b'W', struct.pack('<Q', 0))", "violation"),
    _says("memory wanted without end", "send(nonce, b'W', b'\\xff' * 8)", "violation"),
    _says("a wish that is cut short", "send(nonce, b'W', b'1234567')", "violation"),
    _says(
        "memory wanted beyond the limit",
        "send(nonce, b'W', struct.pack('<Q', (16 << 20) + 1))",
        "violation",
    ),
    _says(
        "memory wanted twice",
        "want(nonce, LARGE)\nsend(nonce, b'W', struct.pack('<Q', LARGE))",
        "violation",
    ),
    _says("memory that is not taken", "want(nonce, LARGE)\nsend(nonce, b'S', b'')", "violation"),
    _says(
        "memory given back with something said",
        f"want(nonce, LARGE)\nos.write(take(), {_VALUE})\nsend(nonce, b'S', b'more')",
        "violation",
    ),
    _says(
        "memory given back for another call",
        f"want(nonce, LARGE)\nos.write(take(), {_VALUE})\nsend(nonce + 1, b'S', b'')",
        "violation",
    ),
    _says("memory wanted, and then the end", "want(nonce, LARGE)\nos._exit(0)", "crash"),
    _says("memory wanted, and then nothing", "want(nonce, LARGE)\ntake()", "timeout"),
    _attack(
        "another answer than the one memory was wanted for",
        """
def attack(world):
    nonce = loop()[1]
    want(nonce, LARGE)
    take()
    return 5
""",
        held=lambda value: value == 5,
        calls=2,
    ),
    _attack(
        "seals of its own",
        """
def attack(world):
    want(loop()[1], LARGE)
    return worked(__import__("fcntl").fcntl, take(), 1033, 1)
""",
        held=nothing,
    ),
    _attack(
        "lent memory executed as a program",
        """
def attack(world):
    want(loop()[1], LARGE)
    memory = take()
    os.write(memory, b"#!/bin/true")
    return syscall(322, memory, b"", 0, 0, 0x1000) >= 0
""",
        held=nothing,
    ),
    _attack(
        "a descriptor sent to the worker",
        """
import socket
def attack(world):
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, LENDING)
    return worked(socket.send_fds, end, [b"m"], [0]) or worked(end.send, b"m")
""",
        held=nothing,
        group=Group.ESCAPE,
    ),
    _attack(
        "everything lent is kept",
        """
kept = []
def attack(world):
    if want(loop()[1], 16 << 20):
        kept.append(take())
    return sum(os.fstat(memory).st_size for memory in kept)
""",
        held=lambda value: value == 128 << 20,
        group=Group.STARVE,
        calls=12,
    ),
    _attack(
        "the socket for lent memory filled from within",
        """
def attack(world):
    os.set_blocking(LENDING, False)
    total = 0
    try:
        while True: total += os.write(LENDING, bytes(4096))
    except OSError:
        return total
""",
        held=lambda value: isinstance(value, int) and value <= 1 << 20,
        group=Group.STARVE,
    ),
    _attack(
        "answers over the wrong channel",
        "def attack(world):\n    os.dup2(LENDING, ANSWERS)\n    return 0\n",
        "violation",
    ),
    _attack(
        "what is printed, as an answer",
        "def attack(world):\n    os.dup2(ANSWERS, 1)\n    print('x' * 50, flush=True)\n",
        "violation",
    ),
    _attack(
        "an answer that is printed",
        "def attack(world):\n    os.dup2(1, ANSWERS)\n    return 0\n",
        "violation",
    ),
    _attack(
        "a pipe for answers that does not wait",
        "def attack(world):\n    os.set_blocking(ANSWERS, False)\n    return ['x' * 21] * 9000\n",
        "violation",
        "crash",
        held=lambda value: value == ["x" * 21] * 9000,
    ),
    _attack(
        "answers in packets that are cut where they are read",
        """
def attack(world):
    worked(lambda: __import__("fcntl").fcntl(ANSWERS, 4, 0x4001))
    return list(range(5000))
""",
        "violation",
        "timeout",
        held=lambda value: value == list(range(5000)),
    ),
    _attack(
        "an answer one byte at a time",
        """
def attack(world):
    nonce = loop()[1]
    content = struct.pack("<QI", nonce, 8006) + b"R" + struct.pack("<I", 8001) + b"5" + b" " * 8000
    for byte in content: os.write(ANSWERS, bytes([byte]))
    os.read(REQUESTS, 1)
""",
        "violation",
        held=lambda value: value == 5,
    ),
    _attack(
        "its own request put back",
        "def attack(world): return worked(os.write, REQUESTS, b'x' * 50)\n",
        held=nothing,
    ),
    _attack(
        "its own answer taken back",
        "def attack(world): return worked(os.read, ANSWERS, 1)\n",
        held=nothing,
    ),
    _attack(
        "a larger pipe",
        "def attack(world): return syscall(72, ANSWERS, 1031, 1 << 20) >= 0\n",
        held=nothing,
        group=Group.STARVE,
    ),
    _attack(
        "a signal to the owner of a pipe",
        "def attack(world): return syscall(72, REQUESTS, 8, world['worker_pid']) >= 0\n",
        held=nothing,
        group=Group.ESCAPE,
    ),
    _attack(
        "memory of its own that can be executed and handed on",
        "def attack(world): return syscall(319, b'mine', 2) >= 0\n",
        held=nothing,
        group=Group.ESCAPE,
    ),
    _attack(
        "a message received on another channel",
        "def attack(world):\n    other = os.dup(LENDING)\n"
        "    return syscall(47, other, bytes(56), 0x40) != -1\n",
        held=nothing,
        group=Group.ESCAPE,
    ),
)
