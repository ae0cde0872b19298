"""The kernel's corners: rarer calls, arguments built to slip past a filter, memory of its own."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.attacks.attack import Attack, Group, nothing
from sandbox.records import FailureKind, Limits, Tier

_SMALL = Limits(wall_s=4.0, memory_bytes=128 << 20)


def _attack(
    name: str,
    body: str,
    *fails: str,
    group: Group = Group.ESCAPE,
    held: Callable[[object], bool] = nothing,
    harmless: bool = False,
    open_in: str = "",
) -> Attack:
    return Attack(
        name=name,
        group=group,
        source="from kit import *\n" + body,
        held=held,
        fails=frozenset(FailureKind(kind) for kind in fails),
        limits=_SMALL,
        harmless=harmless,
        open_in=frozenset({Tier(open_in)} if open_in else ()),
    )


def _call(name: str, arguments: str, *fails: str) -> Attack:
    """A system call with these arguments must not succeed."""
    body = f"def attack(world):\n    return syscall({arguments}) >= 0\n"
    return _attack(name, body, *fails)


def _starve(name: str, body: str, *fails: str, most: int = 0) -> Attack:
    def held(value: object) -> bool:
        return isinstance(value, int) and value <= most

    return _attack(name, body, *fails, group=Group.STARVE, held=held)


ATTACKS = (
    _call("writing into another process", "311, world['worker_pid'], 0, 0, 0, 0, 0", "violation"),
    _call("a descriptor for its parent", "434, os.getppid() or 1, 0"),
    _call("a signal by a descriptor for a process", "424, 0, 9, 0, 0"),
    _call("advice on the memory of another process", "440, 0, 0, 0, 4, 0"),
    _call("taking the memory of a dying process", "448, 0, 0"),
    _call("a filter with a listener", "317, 1, 8, bytes(16)"),
    _call("a new ruleset", "444, struct.pack('Q', 1), 8, 0"),
    _call("secret memory", "447, 0"),
    _call("pages given into a pipe", "278, os.pipe()[1], struct.pack('QQ', 0, 0), 1, 8"),
    _call("a splice", "275, 0, 0, os.pipe()[1], 0, 10, 0"),
    _call("old asynchronous input", "206, 8, bytes(8)"),
    _call("entering a ring", "426, 0, 1, 0, 0, 0", "violation"),
    _call("a program by a descriptor", "322, os.open(os.__file__, 0), b'', 0, 0, 0x1000"),
    _call("a file by openat2", "437, -100, world['secret_file'].encode(), bytes(24), 24"),
    _call("a device by mknodat", "259, -100, b'device', 0o20666, 0x103"),
    _call(
        "a timer that signals another thread", "222, 1, struct.pack('QiiQ', 0, 9, 4, 1), bytes(8)"
    ),
    _call("a session of its own", "112"),
    _call("a process group of its own", "109, 0, 0"),
    _call(
        "a queued signal to a thread",
        "297, world['worker_pid'], world['worker_pid'], 9, bytes(128)",
    ),
    _call("a pinned processor", "203, 0, 8, struct.pack('Q', 1)"),
    _call("a scheduler of its choice", "314, 0, struct.pack('IIQiI', 48, 1, 0, 0, 1), 0"),
    _call("the priority of its input", "251, 1, 0, 0x2000"),
    _call("pages of another process", "279, world['worker_pid'], 0, 0, 0, 0, 0"),
    _call("the clock by a small step", "159, struct.pack('I', 0x8001) + bytes(204)"),
    _call("the time of day", "164, struct.pack('qq', 0, 0), 0"),
    _call(
        "a poisoned page",
        "28, ctypes.addressof(ctypes.create_string_buffer(8192)) & -4096, 4096, 100",
    ),
    _call("a terminal hung up", "153"),
    _call("the domain's name", "171, b'x', 1"),
    _call("who is at the other end", "55, LENDING, 1, 17, bytes(12), struct.pack('I', 12)"),
    _call("a message taken from the channel with descriptors", "47, LENDING, bytes(56), 0x40"),
    _call("a peeked request", "45, LENDING, bytes(100), 100, 0x42, 0, 0"),
    _call("a signal by the owner of the channel", "16, LENDING, 0x8901, struct.pack('i', 1)"),
    _call("a signal of its choice on input", "72, LENDING, 10, 9"),
    _call("a lease on a module", "72, os.open(os.__file__, 0), 1024, 0"),
    _call(
        "news of a folder", "72, os.open(os.path.dirname(os.__file__), 0x200000), 1026, 0x80000001"
    ),
    _call("entropy", "16, os.open('/dev/urandom', 0), 0x5201, struct.pack('i', -1)"),
    _call("a lock on a file of the host", "73, os.open(os.__file__, 0), 6"),
    _call(
        "a record lock on a file of the host",
        "72, os.open(os.__file__, 0), 6, struct.pack('hhqqi', 0, 0, 0, 1, 0)",
    ),
    *(
        _call(f"prctl: {name}", f"157, {option}, 1, 0, 0, 0")
        for name, option in (
            ("orphans are its own", 36),
            ("its memory map", 35),
            ("a filter of old", 22),
            ("dispatch of system calls", 59),
            ("speculation", 53),
            ("timer slack", 29),
            ("keep capabilities", 8),
            ("a core scheduling cookie", 62),
            ("garbage above the option", "(7 << 32) | 1"),
        )
    ),
    _call("fork with garbage above the flags", "56, (1 << 32) | 17, 0, 0, 0, 0"),
    _call("a sibling", "56, 0x8011, 0, 0, 0, 0"),
    _call("fork that shares all but is no thread", "56, 0x4111, 0, 0, 0, 0"),
    _call("a thread in a new namespace", "56, 0x10010f00, 0, 0, 0, 0"),
    _attack(
        "its own code rewritten through /proc",
        "def attack(world): return worked(open, '/proc/self/mem', 'rb+')\n",
        harmless=True,
    ),
    _attack(
        "any limit raised",
        """
import resource
def attack(world):
    raised = []
    for which in range(16):
        soft, hard = resource.getrlimit(which)
        if hard >= 0 and worked(lambda: resource.setrlimit(which, (hard + 1, hard + 1))):
            raised.append(which)
    return raised
""",
        "crash",
    ),
    _attack(
        "numbers of processes",
        "def attack(world): return os.getpid() != 1 or os.getppid() != 0\n",
        harmless=True,
        open_in="B",
    ),
    _attack(
        "a core dump",
        """
import resource
def attack(world):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
    except ValueError:
        pass
    os.abort()
""",
        "crash",
        held=lambda value: False,
    ),
    _attack(
        "shared memory by name",
        """
def attack(world):
    from multiprocessing import shared_memory
    return worked(lambda: shared_memory.SharedMemory("mark", create=True, size=4096))
""",
    ),
    _attack(
        "a stop of the first process",
        """
import signal
def attack(world):
    for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGKILL):
        for pid in (1, os.getppid(), -1, 0):
            if pid != os.getpid() and worked(os.kill, pid, number):
                return True
""",
    ),
    _attack(
        "folders climbed through a descriptor",
        """
def attack(world):
    here = os.open(".", 0x200000)  # O_PATH, which no rule can refuse
    way = "../" * 40 + world["secret_file"].lstrip("/")
    return worked(lambda: os.open(way, os.O_RDONLY, dir_fd=here))
""",
        "crash",
    ),
    _starve(
        "a sparse file",
        """
def attack(world):
    try:
        file = os.open("sparse", os.O_CREAT | os.O_RDWR)
        os.ftruncate(file, 1 << 40)
        return os.fstat(file).st_size
    except OSError:
        return 0
""",
        "crash",
    ),
    _starve(
        "space taken beforehand",
        """
def attack(world):
    total = 0
    for number in range(200):
        try:
            file = os.open(str(number), os.O_CREAT | os.O_RDWR)
            os.posix_fallocate(file, 0, 8 << 20)
            total += 8 << 20
        except OSError:
            break
    return total
""",
        most=17 << 20,
    ),
    _starve(
        "names for one file",
        """
def attack(world):
    made = 0
    try:
        open("0", "w").close()
        for made in range(1, 100000):
            os.link("0", str(made))
    except OSError:
        pass
    return made
""",
        most=2000,
    ),
    _starve(
        "folders in folders",
        """
def attack(world):
    made = 0
    try:
        for made in range(100000):
            os.mkdir("x" * 200)
            os.chdir("x" * 200)
    except OSError:
        pass
    return made
""",
        most=2000,
    ),
    _starve(
        "locks in the kernel's memory",
        """
import fcntl, time
def attack(world):
    made, end = 0, time.monotonic() + 1
    try:
        file = os.open("locked", os.O_CREAT | os.O_RDWR)
        while time.monotonic() < end:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * made)
            made += 1
    except OSError:
        pass
    return made
""",
    ),
    _starve(
        "areas of memory",
        """
import mmap
def attack(world):
    pages = mmap.mmap(-1, 64 << 20)
    start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    made = 0
    for made in range(16384):
        if syscall(10, start + 4096 * made, 4096, made % 2) < 0:
            break
    return made
""",
        "memory",
        most=1 << 16,
    ),
    _starve(
        "a table of pages for each page",
        """
def attack(world):
    made = 0
    for made in range(100000):
        where = (1 << 40) + (made << 30)
        if syscall(9, where, 4096, 3, 0x100022, -1, 0) < 0:
            break
        ctypes.memset(where, 1, 1)
    return made
""",
        "memory",
        "timeout",
        most=40000,
    ),
    _starve(
        "notes of waiting for everything",
        """
import select
def attack(world):
    made = 0
    try:
        polls = []
        while True:
            polls.append(select.epoll())
            for other in polls[:-1]:
                polls[-1].register(other.fileno())
                made += 1
    except OSError:
        return made
""",
        most=4096,
    ),
    _starve(
        "a signal every microsecond",
        """
import signal, time
def attack(world):
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)
    end = time.monotonic() + 0.3
    while time.monotonic() < end: pass
    return 0
""",
        "timeout",
    ),
    _starve(
        "threads that come and go",
        """
import threading, time
def attack(world):
    end, made = time.monotonic() + 0.5, 0
    while time.monotonic() < end:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    return 0
""",
    ),
    _starve(
        "output by many threads, after the answer too",
        """
import threading
def attack(world):
    def shout():
        while True: os.write(1, b"x" * 65536)
    threading.stack_size(65536)
    for _ in range(20):
        threading.Thread(target=shout, daemon=True).start()
    return 0
""",
        "timeout",
    ),
    _starve(
        "addresses that are only reserved",
        """
def attack(world):
    made = 0
    while made < 1000 and syscall(9, 0, 1 << 30, 0, 0x4022, -1, 0) >= 0:
        made += 1
    return made
""",
        "memory",
        most=2,
    ),
)
