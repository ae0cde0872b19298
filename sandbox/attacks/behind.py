"""Behind calls that are allowed: rarer operations, marks on the machine, code that writes answers.

What a futex, a read or a thread can also be; what reading leaves on a disk; an encoder and its
objects changed while they work.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.attacks.attack import QUICK, Attack, Group, nothing
from sandbox.records import FailureKind, Limits, Tier

_LIMITS = Limits(wall_s=5.0, memory_bytes=128 << 20)
_LARGE = 1 << 20
_VALUE = "struct.pack('<I', 11) + b'[6,1048561]' + b'x' * 1048561"


def _attack(
    group: Group,
    name: str,
    body: str,
    *fails: str,
    held: Callable[[object], bool] = nothing,
    before: str = "",
    calls: int = 1,
    limits: Limits = _LIMITS,
    needs: tuple[str, ...] = (),
    open_in: frozenset[Tier] = frozenset(),
) -> Attack:
    head = "from kit import *\nimport time\n"
    return Attack(
        group=group,
        name=name,
        source=head + body,
        before=before and head + before,
        held=held,
        fails=frozenset(FailureKind(kind) for kind in fails),
        calls=calls,
        limits=QUICK if "timeout" in fails else limits,
        needs=needs,
        open_in=open_in,
    )


def _never(value: object) -> bool:
    return False


def _refused(name: str, arguments: str, *, setup: str = "") -> Attack:
    """A call that must be refused before the kernel looks at what it is asked for."""
    lines = "".join(f"    {line}\n" for line in setup.splitlines())
    body = f"def attack(world):\n{lines}    return syscall({arguments}) != -1\n"
    return _attack(Group.ESCAPE, name, body)


def _forges(name: str, body: str, *fails: str, **more: object) -> Attack:
    return _attack(Group.FORGE, name, body, *fails, **more)  # type: ignore[arg-type]


_WORD = "word = ctypes.create_string_buffer(struct.pack('I', world['worker_pid']), 8)"
_TIME = "struct.pack('qq', 0, 1)"
_MODULE = "file = os.open(os.__file__, os.O_RDONLY)\nroom = ctypes.create_string_buffer(4096)\n"
_MODULE += "vector = struct.pack('QQ', ctypes.addressof(room), 4096)"
_THREAD = """
def thread(flags, child):
    # clone(flags, stack, address, 0, 0), and in the child this code
    code = bytes.fromhex("b8380000000f05" "4885c0" "7401" "c3" + child)
    at = syscall(9, 0, 4096, 7, 0x22, -1, 0)
    ctypes.memmove(at, code, len(code))
    stack = syscall(9, 0, 65536, 3, 0x22, -1, 0)
    made = ctypes.c_int(-1)
    start = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 5)(at)
    start(0x10f00 | flags, stack + 65000 & -16, ctypes.addressof(made), 0, 0)
    return made.value
"""

ATTACKS = (
    _refused("a call whose number has a second half", "(1 << 32) | 57"),
    # the owner of such a word is looked up among all threads that the kernel shows
    _refused("a priority lent to the worker", f"202, word, 0x86, 0, {_TIME}, 0, 0", setup=_WORD),
    _refused("a priority lent, if that is possible", "202, word, 0x88, 0, 0, 0, 0", setup=_WORD),
    _refused("waiters handed on with a priority", "202, word, 12, 1, 1, word, 0", setup=_WORD),
    _refused("a barrier for every processor", "324, 1, 0, 0"),
    _refused("what of a library others have read", "327, file, vector, 1, 0, 0, 8", setup=_MODULE),
    _refused("a library read and forgotten", "327, file, vector, 1, 0, 0, 128", setup=_MODULE),
    _refused("a library read by polling", "327, file, vector, 1, 0, 0, 1", setup=_MODULE),
    _refused("output that waits for a disk", "328, 1, vector, 1, -1, -1, 4", setup=_MODULE),
    _attack(
        Group.ESCAPE,
        "a descriptor for a thread of its own",
        _THREAD + "def attack(world):\n"
        '    made = thread(0x1000, "31ffb83c0000000f05")\n'
        "    ways = ((424, made, 0, 0, 0), (16, made, 0xff09, 0), (16, made, 0xff01, 0))\n"
        "    return [way[0] for way in ways if syscall(*way) >= 0]\n",
    ),
    _attack(
        Group.STARVE,
        "a wait for a thread that never gives its memory back",
        _THREAD + 'def attack(world): thread(0x4000, "ebfe")\n',
        "timeout",
        held=_never,
    ),
    _attack(
        Group.STARVE,
        "a stack that grows without end",
        "def attack(world):\n"
        "    code = bytes.fromhex('4881ec00001000' '48c7042400000000' 'ebef')\n"
        "    at = syscall(9, 0, 4096, 7, 0x22, -1, 0)\n"
        "    ctypes.memmove(at, code, len(code))\n"
        "    ctypes.CFUNCTYPE(None)(at)()\n",
        "crash",
        held=_never,
    ),
    _attack(
        Group.STARVE,
        "files without a name",
        """
def attack(world):
    total, kept = 0, []
    try:
        while True:
            kept.append(os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600))
            try:
                while True: total += os.write(kept[-1], bytes(1 << 16))
            except OSError:
                pass
    except OSError:
        return total > 16 << 20
""",
    ),
    _attack(
        Group.STARVE,
        "signals that wait",
        """
import signal
def attack(world):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    waiting = 0
    while waiting < 10000 and syscall(234, os.getpid(), syscall(186), 40) == 0: waiting += 1
    return waiting > 64
""",
    ),
    _attack(
        Group.STARVE,
        "threads that wake each other",
        """
import threading
def attack(world):
    word = ctypes.create_string_buffer(8)
    def storm():
        while True:
            syscall(202, word, 1, 1 << 30, 0, 0, 0)
            syscall(202, word, 0, 0, struct.pack("qq", 0, 1000), 0, 0)
    threading.stack_size(65536)
    for _ in range(50): threading.Thread(target=storm, daemon=True).start()
    storm()
""",
        "timeout",
        held=_never,
    ),
    _attack(
        Group.STARVE,
        "links that lead to links",
        """
def attack(world):
    try:
        for at in range(38): os.symlink("/".join([f"l{at + 1}"] * 400), f"l{at}")
        os.symlink(".", "l38")
    except OSError:
        pass
    while True: os.path.exists("l0/l1/l2")
""",
        "timeout",
        held=_never,
    ),
    _forges(
        "two answers in one piece",
        "def attack(world):\n"
        "    answer = struct.pack('<QIB', loop()[1], 6, 82) + struct.pack('<I', 1) + b'7'\n"
        "    os.write(ANSWERS, answer * 2)\n    time.sleep(60)\n",
        "violation",
        held=_never,
    ),
    _forges(
        "lent memory for one answer given back for the next",
        "def attack(world):\n    nonce = loop()[1]\n"
        f"    want(nonce, {_LARGE})\n    os.write(take(), {_VALUE})\n"
        "    send(nonce, b'S', b'')\n"
        "    nonce, size = struct.unpack('<QI', os.read(REQUESTS, 12))\n"
        "    os.read(REQUESTS, size)\n    send(nonce, b'S', b'')\n    time.sleep(60)\n",
        "violation",
        held=_never,
        calls=2,
    ),
    _forges(
        "a status that a trace function changes",
        """
def attack(world):
    def change(frame, event, argument):
        if "kind" in frame.f_locals: os.write(ANSWERS, b"R" * 40)
        return change
    sys.settrace(change)
    frame = sys._getframe()
    while frame: frame.f_trace, frame = change, frame.f_back
    return 5
""",
        "violation",
        held=_never,
        calls=2,
    ),
    _forges(
        "an interruption in the middle of an answer",
        """
import signal
def attack(world):
    def interrupt(*_): raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    return ["x" * 30] * 40000
""",
        "crash",
        "violation",
        held=lambda value: value == ["x" * 30] * 40000,
    ),
    _forges(
        "an end that a watchdog brings",
        "import faulthandler\ndef attack(world):\n"
        "    faulthandler.dump_traceback_later(0.05, exit=True, file=ANSWERS)\n"
        "    time.sleep(60)\n",
        "violation",
        "crash",
        held=_never,
    ),
    _forges(
        "a fraction whose parts were exchanged",
        "from fractions import Fraction\ndef attack(world):\n    made = Fraction(1, 2)\n"
        "    made._numerator, made._denominator = 1, 0\n    return made\n",
        "violation",
        held=_never,
    ),
    _forges(
        "a number of numpy's that says what it is",
        "import numpy\nclass Lie(numpy.float64):\n    def item(self): return [open, self]\n"
        "def attack(world): return Lie(1.5)\n",
        "violation",
        held=_never,
        needs=("numpy",),
    ),
    _forges(
        "an array that numpy was told to make up",
        """
import numpy
class Lie:
    dtype, nbytes, shape = numpy.dtype("f8"), 8, (1 << 40,)
    def astype(self, *_, **__): return self
    def reshape(self, *_): return self
    def view(self, *_): return b"12345678"
def attack(world):
    numpy.asarray = lambda _: Lie()
    return numpy.zeros(3)
""",
        "violation",
        held=_never,
        needs=("numpy",),
    ),
    _forges(
        "an array whose memory goes while it is written",
        """
import mmap, numpy, threading
def attack(world):
    area = mmap.mmap(-1, 8 << 20)
    made = numpy.frombuffer(area, "u1")
    def take_away():
        time.sleep(0.0005)
        syscall(11, made.ctypes.data, 8 << 20)
    threading.Thread(target=take_away, daemon=True).start()
    return made
""",
        "crash",
        "violation",
        held=lambda value: getattr(value, "size", 0) == 8 << 20,
        needs=("numpy",),
    ),
    _attack(
        Group.PERSIST,
        "a mark on the disk, by reading",
        """
def attack(world):
    folder, marked = os.path.dirname(os.__file__), 0
    for name in contents(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            before = os.stat(path).st_atime_ns
            contents(path)
            marked += os.stat(path).st_atime_ns != before
    return marked
""",
        open_in=frozenset({Tier.B}),
    ),
    _attack(
        Group.PERSIST,
        "a name for the scratch folder",
        "def attack(world): return contents('/candidate/mine', '/candidate/mark')\n",
        before="def attack(world):\n    worked(os.rename, '/candidate/tmp', '/candidate/mine')\n"
        "    worked(os.mkdir, '/candidate/mark')\n    worked(os.rmdir, '/candidate/tmp')\n",
    ),
    _attack(
        Group.PERSIST,
        "a collector of garbage that was turned off",
        "import gc\ndef attack(world): return not gc.isenabled() or gc.get_threshold()[0] == 77\n",
        before="import gc\ndef attack(world):\n    gc.disable()\n    gc.set_threshold(77)\n",
    ),
)
