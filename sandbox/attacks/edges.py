"""At the edges of calls that are allowed: their rarer arguments, the end of memory, odd deaths."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.attacks.attack import QUICK, Attack, Group, nothing
from sandbox.records import FailureKind, Limits, Tier

_LIMITS = Limits(wall_s=5.0, memory_bytes=128 << 20)
_SMALL = Limits(wall_s=5.0, memory_bytes=48 << 20)
_LARGE = 1 << 20
_VALUE = "struct.pack('<I', 11) + b'[6,1048561]' + b'x' * 1048561"


def _attack(
    group: Group,
    name: str,
    body: str,
    *fails: str,
    held: Callable[[object], bool] = nothing,
    before: str = "",
    limits: Limits = _LIMITS,
    needs: tuple[str, ...] = (),
    open_in: frozenset[Tier] = frozenset(),
) -> Attack:
    head = "from kit import *\n"
    return Attack(
        name=name,
        group=group,
        source=head + body,
        held=held,
        fails=frozenset(FailureKind(kind) for kind in fails),
        before=before and head + before,
        limits=QUICK if "timeout" in fails else limits,
        needs=needs,
        open_in=open_in,
    )


def _never(value: object) -> bool:
    return False


def _is_whole(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == _LARGE - 15


_HOARD = """
kept = []
def hoard():
    size = 1 << 22
    while size >= 16:
        try:
            while True: kept.append(bytearray(size))
        except MemoryError:
            size //= 2
"""
_LEND = f"""
import mmap, time
def attack(world):
    nonce = loop()[1]
    want(nonce, {_LARGE})
    memory = take()
"""
_COLLIDING = """
def attack(world):
    prime, nodes, blobs = (1 << 61) - 1, [], bytearray()
    for _ in range(16):
        keys = []
        for k in range(60):
            whole = (k * prime).to_bytes(9, "little", signed=True)
            keys.append("[1," + "[10,1,1]," * 200 + "[7,9]],0")
            blobs += bytes([1, 1]) * 200 + whole
        nodes.append("[2," + ",".join(keys) + "]")
    skeleton = ("[0," + ",".join(nodes) + "]").encode()
    content = struct.pack("<I", len(skeleton)) + skeleton + blobs
    frame = memoryview(struct.pack("<QIB", loop()[1], 1 + len(content), 82) + content)
    while frame: frame = frame[os.write(ANSWERS, frame):]
    os.read(REQUESTS, 1)
"""
_NEWER = (*range(443, 462), *range(463, 471), *range(424, 441), 206, 216, 275, 276, 278, 303, 329)

ATTACKS = (
    _attack(
        Group.READ,
        "what the scheduler knows of the worker",
        "def attack(world):\n    room = ctypes.create_string_buffer(128)\n"
        "    pid = world['worker_pid']\n"
        "    calls = ((121, pid), (124, pid), (143, pid, room), (145, pid),\n"
        "             (204, pid, 128, room), (315, pid, room, 128, 0))\n"
        "    return [call[0] for call in calls if syscall(*call) >= 0]\n",
    ),
    _attack(
        Group.READ,
        "the processor time of the worker",
        "import time\ndef attack(world):\n    for kind in (2, 6):\n"
        "        clock = (~world['worker_pid'] << 3) | kind\n"
        "        if worked(time.clock_gettime, clock) or worked(time.clock_getres, clock):\n"
        "            return clock\n",
    ),
    _attack(
        Group.READ,
        "a wait until the worker has worked",
        "def attack(world):\n"
        "    clock = (~world['worker_pid'] << 3) | 2\n"
        "    return syscall(230, clock, 0, struct.pack('qq', 0, 1), 0) == 0\n",
    ),
    _attack(
        Group.READ,
        "a file by a descriptor of its path",
        """
def attack(world):
    try:
        path = os.open(world["secret_file"], os.O_PATH)
    except OSError:
        return 0
    here = [f"/proc/self/fd/{path}", f"/dev/fd/{path}"]
    ways = contents(*here)
    ways += [1] if worked(os.read, path, 1) else []
    ways += [2] if syscall(257, path, b"", 0, 0) >= 0 else []
    ways += [3] if syscall(40, 1, path, 0, 10) > 0 else []
    return ways
""",
    ),
    _attack(
        Group.READ,
        "a file below a descriptor of its folder",
        """
def attack(world):
    folder, name = os.path.split(world["secret_file"])
    try:
        path = os.open(folder, os.O_PATH)
        os.fchdir(path)
    except OSError:
        return 0
    found = contents(".", name)
    return found or worked(lambda: os.open(name, 0, dir_fd=path)) or worked(os.listdir, path)
""",
    ),
    _attack(
        Group.READ,
        "where a symbolic link leads",
        "def attack(world): return worked(os.readlink, '/proc/self/exe')\n",
        open_in=frozenset({Tier.B}),
    ),
    _attack(
        Group.FORGE,
        "a real-time signal to itself",
        "def attack(world):\n    syscall(234, os.getpid(), os.getpid(), 40)\n",
        "crash",
    ),
    _attack(
        Group.FORGE,
        "its own end, as if by the kernel",
        "def attack(world):\n    syscall(234, os.getpid(), os.getpid(), 9)\n",
    ),
    _attack(
        Group.FORGE,
        "an endless list of locks to be given back at the end",
        "def attack(world):\n    head = ctypes.create_string_buffer(24)\n"
        "    at = ctypes.addressof(head)\n    struct.pack_into('qqq', head, 0, at, 0, 0)\n"
        "    syscall(273, head, 24)\n    os._exit(0)\n",
        "crash",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "half an answer, and then the end",
        "def attack(world):\n    send(loop()[1], b'R', b'1234', 100)\n    os._exit(0)\n",
        "crash",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "half an answer, and then a closed pipe",
        "import time\ndef attack(world):\n    send(loop()[1], b'R', b'1234', 100)\n"
        "    os.close(ANSWERS)\n    time.sleep(60)\n",
        "violation",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "an answer by an exit handler of C's",
        "def attack(world):\n    nonce = loop()[1]\n"
        "    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)\n"
        "    last = kind(lambda _: send(nonce + 1, b'R', b'1'))\n"
        "    libc.__cxa_atexit(last, None, None)\n    libc.exit(0)\n",
        "violation",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "a report of faults, to the worker",
        "import faulthandler\ndef attack(world):\n    faulthandler.enable(file=ANSWERS)\n"
        "    ctypes.string_at(8)\n",
        "violation",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "a collector of garbage that writes",
        "import gc\ndef attack(world):\n"
        "    gc.callbacks.append(lambda *_: os.write(ANSWERS, b'z'))\n"
        "    gc.set_threshold(1)\n    return [[] for _ in range(1000)]\n",
        "violation",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "a signal in the middle of an answer",
        "import signal\ndef attack(world):\n"
        "    signal.signal(14, lambda *_: os.write(ANSWERS, b'q' * 7))\n"
        "    signal.setitimer(0, 0.0003, 0.0003)\n    return ['x' * 30] * 40000\n",
        "violation",
        held=lambda value: value == ["x" * 30] * 40000,
    ),
    _attack(
        Group.FORGE,
        "pages of lent memory on their way through a pipe",
        _LEND + f"    os.write(memory, {_VALUE})\n    out = os.pipe()[1]\n"
        "    syscall(40, out, memory, ctypes.byref(ctypes.c_long(0)), 65536)\n"
        "    send(nonce, b'S', b'')\n    time.sleep(60)\n",
        "violation",
        held=_is_whole,
    ),
    _attack(
        Group.FORGE,
        "lent memory mapped twice by one mapping",
        _LEND + f"    at = syscall(9, 0, {_LARGE}, 3, 1, memory, 0)\n"
        f"    ctypes.memmove(at, {_VALUE}, {_LARGE})\n"
        f"    twin = syscall(25, at, 0, {_LARGE}, 1)\n    syscall(11, at, {_LARGE})\n"
        "    send(nonce, b'S', b'')\n    while True: ctypes.memset(twin + 5000, 121, 8)\n",
        "violation",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "a file read into lent memory past the processor",
        _LEND + f"    area = mmap.mmap(memory, {_LARGE})\n    area[:] = {_VALUE}\n"
        "    at = ctypes.addressof(ctypes.c_char.from_buffer(area))\n"
        "    for flags in (os.O_DIRECT, 0):\n        try:\n"
        "            file = os.open(os.__file__, flags)\n            break\n"
        "        except OSError:\n            pass\n"
        "    import threading\n    def fill():\n"
        "        while syscall(17, file, at + 65536, 16384, 0) > 0: pass\n"
        "    threading.Thread(target=fill, daemon=True).start()\n"
        f"    syscall(11, at, {_LARGE})\n    send(nonce, b'S', b'')\n    time.sleep(60)\n",
        "violation",
        "crash",
        held=_is_whole,
    ),
    _attack(
        Group.FORGE,
        "a list with nothing where an object belongs",
        "def attack(world):\n    made = [1, 2, 3]\n"
        "    ctypes.memset(ctypes.c_void_p.from_address(id(made) + 24).value, 0, 8)\n"
        "    return made\n",
        "crash",
        held=_never,
    ),
    _attack(
        Group.FORGE,
        "bytes whose length was overwritten",
        "def attack(world):\n    made = bytes(300)\n"
        "    ctypes.c_long.from_address(id(made) + 16).value = 1 << 40\n    return made\n",
        "violation",
        "crash",
        "memory",
        held=_never,
    ),
    _attack(
        Group.ESCAPE,
        "newer and rarer system calls, by number",
        "def attack(world):\n    return [\n"
        f"        number for number in {_NEWER}\n"
        "        if number not in (425, 426, 427, 428, 429, 430, 431, 432, 438, 435, 436, 439)\n"
        "        and syscall(number, -1, 0, 0, 0, 0, 0) != -1\n"
        "        and number not in (442, 441)\n    ]\n",
    ),
    _attack(
        Group.ESCAPE,
        "code of 32 bits by a far return",
        "def attack(world):\n    at = syscall(9, 0, 4096, 7, 0x62, -1, 0)\n"
        "    there = bytes.fromhex('6a2368') + struct.pack('<I', at + 16) + b'\\x48\\xcb'\n"
        "    ctypes.memmove(at, there, len(there))\n"
        "    ctypes.memmove(at + 16, bytes.fromhex('b802000000cd80f4'), 8)\n"
        "    return ctypes.CFUNCTYPE(ctypes.c_int)(at)() > 0\n",
        "violation",
        "crash",
        held=_never,
    ),
    _attack(
        Group.ESCAPE,
        "a device made by moving a file",
        "def attack(world):\n    worked(lambda: open('a', 'w').close())\n"
        "    return syscall(316, -100, b'a', -100, b'b', 4) == 0 and worked(os.open, 'a', 0)\n",
    ),
    _attack(
        Group.STARVE,
        "keys in many dicts that are slow to tell apart",
        _COLLIDING,
        "violation",
        held=_never,
    ),
    _attack(
        Group.STARVE,
        "memory hoarded to the last piece, and then an answer",
        _HOARD + "def attack(world):\n    hoard()\n    return 1\n",
        "memory",
        held=lambda value: value == 1,
        limits=_SMALL,
    ),
    _attack(
        Group.STARVE,
        "memory hoarded to the last piece, and then an error",
        _HOARD + "def attack(world):\n    hoard()\n    raise ValueError('x' * 3)\n",
        "memory",
        "crash",
        held=_never,
        limits=_SMALL,
    ),
    _attack(
        Group.STARVE,
        "addresses hoarded to the last page, and then an error",
        """
import mmap
kept = []
def attack(world):
    size = 1 << 26
    while size >= 4096:
        try:
            while True: kept.append(mmap.mmap(-1, size))
        except (OSError, MemoryError):
            size //= 2
    raise ValueError("x" * (1 << 20))
""",
        "memory",
        "crash",
        held=_never,
    ),
    _attack(
        Group.STARVE,
        "barriers for every processor, by many threads",
        "import threading\ndef attack(world):\n    def storm():\n"
        "        while True: syscall(324, 1, 0, 0)\n    threading.stack_size(65536)\n"
        "    for _ in range(20): threading.Thread(target=storm, daemon=True).start()\n"
        "    storm()\n",
        "timeout",
        held=_never,
    ),
    _attack(
        Group.STARVE,
        "links to long names",
        "def attack(world):\n    made = 0\n    try:\n        while True:\n"
        "            os.symlink('x' * 4000, f'{made}' + 'y' * 200)\n            made += 1\n"
        "    except OSError:\n        return made > 1024\n",
    ),
    _attack(
        Group.PERSIST,
        "marks on the standard input",
        "import fcntl\ndef attack(world): return fcntl.fcntl(0, fcntl.F_GETFL) & 0o6000\n",
        before="import fcntl\ndef attack(world): fcntl.fcntl(0, fcntl.F_SETFL, 0o6000)\n",
    ),
    _attack(
        Group.PERSIST,
        "a standard input that does not wait",
        "def attack(world): return not os.get_blocking(0)\n",
        before="def attack(world): os.set_blocking(0, False)\n",
    ),
)
