"""Taking the machine's time, memory, descriptors and disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sandbox.attacks.attack import QUICK, Attack, Group, nothing
from sandbox.records import FailureKind, Limits

_BIG = Limits(wall_s=5.0, memory_bytes=128 << 20)


def _attack(
    name: str,
    body: str,
    *fails: str,
    held: Callable[[object], bool] = nothing,
    limits: Limits = _BIG,
    needs: tuple[str, ...] = (),
) -> Attack:
    return Attack(
        name=name,
        group=Group.STARVE,
        source="from kit import *\n" + body,
        held=held,
        fails=frozenset(FailureKind(kind) for kind in fails),
        limits=limits,
        needs=needs,
    )


def _hang(name: str, body: str) -> Attack:
    return _attack(name, body, "timeout", held=lambda value: False, limits=QUICK)


def _at_most(most: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and value <= most


ATTACKS = (
    _hang("a loop", "def attack(world):\n    while True: pass\n"),
    _hang("a loop at import", "while True: pass\n"),
    _hang("sleep", "import time\ndef attack(world): time.sleep(60)\n"),
    _hang(
        "a loop that ignores every signal",
        """
import signal
def attack(world):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True: pass
""",
    ),
    _hang(
        "a loop that catches everything",
        """
def attack(world):
    while True:
        try:
            while True: pass
        except BaseException:
            pass
""",
    ),
    _hang(
        "a loop in C that holds the interpreter", "def attack(world): return sum(range(10**13))\n"
    ),
    _hang("arithmetic that does not end", "def attack(world): return (3 ** (1 << 26)) % 7\n"),
    _hang(
        "a pattern that backtracks",
        "import re\ndef attack(world): re.match(r'(a+)+$', 'a' * 60 + 'b')\n",
    ),
    _hang(
        "a deadlock",
        "import threading\ndef attack(world):\n    x = threading.Lock()\n    x.acquire()\n"
        "    x.acquire()\n",
    ),
    _hang(
        "a thread that outlives the answer, in the way of it",
        """
import threading
def attack(world):
    def spin():
        while True: pass
    sys.setswitchinterval(1e9)
    for _ in range(4):
        threading.Thread(target=spin, daemon=True).start()
    while True: pass
""",
    ),
    _hang(
        "a stopped process",
        "def attack(world):\n    while True: syscall(234, os.getpid(), os.getpid(), 19)\n",
    ),
    _hang(
        "a changed clock",
        "import time\ndef attack(world):\n    time.monotonic = time.time = lambda: 0.0\n"
        "    while True: pass\n",
    ),
    _attack(
        "CPU beyond its own limit",
        "def attack(world):\n    while True: pass\n",
        "timeout",
        held=lambda value: False,
        limits=replace(_BIG, cpu_s=1, wall_s=4.0),
    ),
    _attack("memory by bytes", "def attack(world): return len(bytearray(1 << 32))\n", "memory"),
    _attack(
        "memory by a list",
        "def attack(world):\n    x = []\n    while True: x.append(bytes(100000))\n",
        "memory",
    ),
    _attack(
        "memory by a map",
        """
import mmap
def attack(world):
    kept = []
    try:
        while True: kept.append(mmap.mmap(-1, 64 << 20))
    except (OSError, MemoryError):
        return len(kept) * 64 > 256
""",
    ),
    _attack(
        "memory by an array",
        "import numpy\ndef attack(world): return int(numpy.ones(1 << 30).sum())\n",
        "memory",
        needs=("numpy",),
    ),
    _attack(
        "memory by a string of digits", "def attack(world): return len('9' * (1 << 33))\n", "memory"
    ),
    _attack(
        "deep recursion",
        "def attack(world):\n    def deep(): return deep()\n    deep()\n",
        "crash",
        held=lambda value: False,
    ),
    _attack(
        "recursion beyond the stack",
        """
def attack(world):
    sys.setrecursionlimit(10**9)
    class Deep:
        def __repr__(self): return repr(self)
    return repr(Deep())
""",
        "crash",
        "memory",
        "timeout",
        held=lambda value: False,
        limits=replace(_BIG, wall_s=2.0),
    ),
    _attack(
        "a fault in C",
        "def attack(world): return ctypes.string_at(0)\n",
        "crash",
        held=lambda value: False,
    ),
    _attack(
        "threads",
        """
import threading, time
def attack(world):
    threading.stack_size(32768)
    made = 0
    try:
        while made < 5000:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    return made
""",
        "memory",
        held=_at_most(80),
    ),
    _attack(
        "processes",
        """
def attack(world):
    made = 0
    try:
        while made < 100:
            if os.fork() == 0:
                os._exit(0)
            made += 1
    except OSError:
        pass
    return made
""",
    ),
    _attack(
        "descriptors",
        """
def attack(world):
    made = 0
    try:
        while made < 5000:
            os.dup(0)
            made += 1
    except OSError:
        pass
    return made
""",
        held=_at_most(64),
    ),
    _attack(
        "memory in pipes",
        """
import fcntl
def attack(world):
    total = 0
    try:
        while True:
            a, b = os.pipe()
            try:
                fcntl.fcntl(b, 1031, 1 << 20)
            except OSError:
                pass
            os.set_blocking(b, False)
            try:
                while True: total += os.write(b, bytes(65536))
            except BlockingIOError:
                pass
    except OSError:
        return total
""",
        held=_at_most(8 << 20),
    ),
    _attack(
        "disk",
        """
def attack(world):
    total = 0
    for number in range(1000):
        try:
            with open(str(number), "wb") as file:
                while total < 1 << 30:
                    total += file.write(bytes(1 << 16))
                    file.flush()
        except OSError:
            if number > 50:
                return total
    return total
""",
        held=_at_most(20 << 20),
    ),
    _attack(
        "inodes",
        """
def attack(world):
    made = 0
    try:
        while made < 100000:
            open(str(made), "w").close()
            made += 1
    except OSError:
        pass
    return made
""",
        held=_at_most(2000),
    ),
    _attack(
        "output",
        """
import time
def attack(world):
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        os.write(1, b"x" * 65536)
        os.write(2, b"y" * 65536)
    return 0
""",
    ),
    _attack(
        "output through print",
        "def attack(world):\n    for _ in range(200): print('x' * 100000)\n    return 0\n",
    ),
    _attack(
        "an answer just too large",
        "def attack(world): return bytes((16 << 20) + 1)\n",
        "violation",
        held=lambda value: False,
    ),
    _attack(
        "a source that takes the compiler down",
        "def attack(world): return eval('(' * 5000 + ')' * 5000)\n",
        "crash",
        "memory",
        held=lambda value: False,
    ),
    _attack(
        "an expression that is folded at compile time",
        "def attack(world): return len(eval('((((7,)*1000)*1000)*1000)*1000'))\n",
        "memory",
        "timeout",
        held=lambda value: False,
    ),
)
