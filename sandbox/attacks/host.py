"""Through calls that are allowed, at what the whole machine shares; and names for hidden things."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.attacks.attack import QUICK, Attack, Group, nothing
from sandbox.records import FailureKind, Limits, Tier

_SMALL = Limits(wall_s=5.0, memory_bytes=128 << 20)


def _attack(
    group: Group,
    name: str,
    body: str,
    *fails: str,
    held: Callable[[object], bool] = nothing,
    calls: int = 1,
    before: str = "",
    limits: Limits = _SMALL,
    open_in: str = "",
    harmless: bool = False,
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
        open_in=frozenset({Tier(open_in)} if open_in else ()),
        harmless=harmless,
    )


def _never(value: object) -> bool:
    return False


def _refused(name: str, arguments: str, *, setup: str = "") -> Attack:
    """A call that must be refused before the kernel looks at what it is asked for."""
    lines = "".join(f"    {line}\n" for line in setup.splitlines())
    body = f"def attack(world):\n{lines}    return syscall({arguments}) != -1\n"
    return _attack(Group.ESCAPE, name, body)


def _unreadable(name: str, *paths: str, open_in: str = "", harmless: bool = False) -> Attack:
    listed = ", ".join(repr(path) for path in paths)
    body = f"def attack(world): return contents({listed})\n"
    return _attack(Group.READ, name, body, open_in=open_in, harmless=harmless)


_PAGE = "area = ctypes.create_string_buffer(12288)\npage = (ctypes.addressof(area) + 4095) & -4096"
_MODULE = "file = os.open(os.__file__, os.O_RDONLY)"

ATTACKS = (
    # what the machine shares, by calls that honest programs make as well
    _refused("its memory merged with that of others", "28, page, 4096, 12", setup=_PAGE),
    _refused("memory sent to the disk", "28, page, 4096, 21", setup=_PAGE),
    _refused("memory taken offline", "28, page, 4096, 101", setup=_PAGE),
    _refused("huge pages of the machine's reserve", "9, 0, 2 << 20, 3, 0x40022, -1, 0"),
    _refused("gigantic pages of the machine's reserve", "9, 0, 1 << 30, 3, 0x78040022, -1, 0"),
    _refused("a library put out of the machine's memory", "221, file, 0, 0, 4", setup=_MODULE),
    _refused("a library read ahead", "187, file, 0, 1 << 20", setup=_MODULE),
    _refused("the machine's disks flushed", "162"),
    _refused("a file system flushed", "306, file", setup=_MODULE),
    _refused("a range of a file flushed", "277, file, 0, 0, 7", setup=_MODULE),
    _attack(
        Group.STARVE,
        "the disk of the host flushed without end",
        """
def attack(world):
    # a kernel that is asked to flush looks for the descriptor, or the mapping
    made = [syscall(74, 12345), syscall(75, 12345), syscall(26, 4096, 4096, 4)]
    return [result for result in made if result < -1]
""",
    ),
    _attack(
        Group.ESCAPE,
        "scratch files that are flushed, as honest programs do",
        """
def attack(world):
    try:
        file = os.open("mine", os.O_CREAT | os.O_RDWR)
    except OSError:
        return False
    os.write(file, b"x")
    return not worked(os.fsync, file) or not worked(os.fdatasync, file)
""",
    ),
    # what the kernel tells of other processes, mounts and rules
    *(
        _refused(name, f"{number}, world['worker_pid'], 0, 0, 0, 0, 0")
        for name, number in (
            ("the group of the worker", 121),
            ("the session of the worker", 124),
            ("the locks of a thread of the worker", 274),
            ("the priority of the worker's input", 252),
            ("the worker's pages on other nodes", 256),
            ("the worker's turn", 148),
            ("the worker's scheduling", 315),
            ("the worker's parameters", 143),
            ("the worker's capabilities", 125),
        )
    ),
    *(
        _refused(name, arguments)
        for name, arguments in (
            ("a list of mounts", "458, bytes(32), bytes(64), 8, 0"),
            ("the facts of a mount", "457, bytes(32), bytes(512), 512, 0"),
            ("the kernel's security modules", "461, bytes(64), bytes(8), 0"),
            ("its own security label", "459, 100, bytes(64), bytes(8), 0"),
            ("kinds of file systems", "139, 3"),
            ("a file system by its device", "136, 0x803, bytes(64)"),
            ("a name for a file", "303, -100, b'/', bytes(200), bytes(8), 0"),
            ("what of a file is in memory", "451, 0, bytes(16), bytes(64), 0"),
            ("pages of its own in memory", "27, 0x10000, 4096, bytes(8)"),
            ("a rule added to a set", "445, 3, 1, bytes(16), 0"),
            ("memory on a node", "237, 0, 0, 0, 0, 0, 0"),
            ("pages in another order", "216, 0, 0, 0, 0, 0"),
            ("a segment of its own", "205, bytes(16)"),
            ("an address to listen at", "49, LENDING, b'\\x01\\x00\\x00mine', 7"),
            ("the other end's address", "52, LENDING, bytes(128), struct.pack('I', 128)"),
            ("an option of the channel", "54, LENDING, 1, 7, struct.pack('i', 1 << 20), 4"),
            ("a channel shut down", "48, LENDING, 2"),
            ("many messages at once", "307, LENDING, bytes(64), 1, 0"),
            ("a bell for a changed file", "254, 0, b'/', 0xfff"),
            ("rights of a file by the newer call", "452, -100, b'.', 0o777, 0"),
            ("attributes of a file by the newer call", "469, -100, b'.', bytes(24), 24, 0"),
            ("a copy of a pipe", "276, 0, 1, 10, 0"),
            ("a shadow stack", "453, 0, 4096, 0"),
        )
    ),
    # names for what is hidden
    _unreadable(
        "accounts by other spellings",
        "//etc/passwd", "/etc/../etc/passwd", "/etc/./shadow", "/proc/self/root/etc/passwd",
        "/proc/1/root/etc/passwd", "/proc/self/cwd/../../etc/passwd", "/usr/lib/../../etc/passwd",
        "/dev/../etc/passwd", "/usr/lib/x86_64-linux-gnu/../../../etc/hostname",
    ),
    _unreadable(
        "what machines are set up with",
        "/etc/hosts", "/etc/resolv.conf", "/etc/machine-id", "/etc/fstab", "/etc/environment",
        "/etc/ssl/private", "/etc/ssh", "/etc/sudoers", "/etc/cron.d", "/etc/os-release",
        harmless=True,
    ),
    _unreadable(
        "keys and histories of its user",
        "/root/.ssh", "/root/.bash_history", "/root/.netrc", "/root/.aws/credentials",
        "/root/.config", "/root/.gitconfig", "/root/.cache", "/root/.pypirc",
    ),
    _unreadable(
        "facts in /proc and /sys",
        "/proc/version", "/proc/cpuinfo", "/proc/meminfo", "/proc/loadavg", "/proc/uptime",
        "/proc/net/tcp", "/proc/net/unix", "/proc/keys", "/proc/locks", "/proc/interrupts",
        "/proc/sys/kernel/random/boot_id", "/sys/class/net", "/sys/devices/system/cpu/online",
        "/sys/kernel/mm", "/sys/fs/cgroup",
        harmless=True,
    ),
    _unreadable(
        "facts of itself in /proc",
        "/proc/self/stat", "/proc/self/maps", "/proc/self/cmdline", "/proc/self/status",
        "/proc/thread-self/stat", "/proc/self/mountinfo", "/proc/self/auxv", "/proc/self/io",
        harmless=True,
    ),
    _unreadable("terminals", "/dev/tty", "/dev/pts", "/dev/console", "/dev/ptmx"),
    _unreadable("sockets of services", "/run/docker.sock", "/run/systemd", "/run/user", "/var/run"),
    _unreadable(
        "installed programs", "/bin", "/usr/bin", "/sbin", "/usr/local/bin", "/opt", "/snap",
        harmless=True,
    ),
    _unreadable("packages of the system", "/var/lib/dpkg", "/usr/share/doc", "/usr/src", "/boot"),
    _attack(
        Group.READ,
        "accounts by the C library",
        """
import grp, pwd
def attack(world):
    found = []
    for ask in (pwd.getpwall, grp.getgrall, lambda: pwd.getpwuid(0), lambda: grp.getgrgid(0)):
        try:
            found += [ask()] if ask() else []
        except (KeyError, OSError):
            pass
    return found
""",
        harmless=True,
    ),
    _attack(
        Group.READ,
        "a name of the network by the C library",
        """
import socket
def attack(world):
    found = []
    for ask in (socket.gethostbyname, lambda n: socket.getaddrinfo(n, 80)):
        for name in ("localhost", "example.org"):
            try:
                found.append(ask(name))
            except OSError:
                pass
    return found
""",
    ),
    _attack(
        Group.READ,
        "what is installed, by the interpreter",
        """
def attack(world):
    import importlib.metadata, pkgutil, site, sysconfig
    site.main()
    folders = [sysconfig.get_paths()[name] for name in ("purelib", "platlib", "scripts")]
    found = strangers(*folders, *site.getsitepackages(), site.getusersitepackages())
    named = {d.name for d in importlib.metadata.distributions()}
    return found + sorted(named - {"numpy"})
""",
    ),
    _attack(
        Group.READ,
        "the command line that started its server",
        "def attack(world):\n    said = [*sys.argv, *sys.orig_argv]\n"
        "    return [s for s in said if str(world['worker_pid']) == s or s in world['folders']]\n",
    ),
    _attack(
        Group.READ,
        "a key in the environment as C sees it",
        """
def attack(world):
    at = ctypes.c_void_p.in_dll(libc, "environ").value
    entries = (ctypes.c_char_p * 1000).from_address(at)
    found = []
    for entry in entries:
        if entry is None:
            break
        found.append(entry)
    return [entry for entry in found if world["secret_name"].encode() in entry]
""",
    ),
    _attack(
        Group.READ,
        "the exit of others",
        """
def attack(world):
    ended = []
    for options in (os.WNOHANG, os.WNOHANG | 0x40000000, os.WNOHANG | 0x80000000 - (1 << 32)):
        for pid in (-1, 0, 1, world["worker_pid"]):
            try:
                ended.append(os.waitpid(pid, options))
            except OSError:
                pass
    return ended
""",
    ),
    # its own end, and what is left behind
    _attack(
        Group.STARVE,
        "every signal to itself, one after the other",
        """
def attack(world):
    for number in range(1, 65):
        if number != 9:
            try:
                os.kill(os.getpid(), number)
            except OSError:
                syscall(234, os.getpid(), syscall(186), number)
    return 0
""",
        "crash", "timeout", "violation",
    ),
    _attack(
        Group.STARVE,
        "the main thread ended, and others left",
        """
import threading
def attack(world):
    def spin():
        while True: pass
    threading.Thread(target=spin, daemon=True).start()
    syscall(60, 0)
""",
        "timeout", "crash", held=_never,
    ),
    _attack(
        Group.STARVE,
        "half of a giant answer, and then sleep",
        "def attack(world):\n    send(loop()[1], b'R', b'x' * (1 << 20), 16 << 20)\n"
        "    time.sleep(600)\n",
        "timeout", held=_never,
    ),
    _attack(
        Group.STARVE,
        "every thread in the kernel, and none that answers",
        """
import threading
def attack(world):
    gone = os.pipe()
    threading.stack_size(65536)
    for _ in range(50):
        threading.Thread(target=os.read, args=(gone[0], 1), daemon=True).start()
    os.read(gone[0], 1)
""",
        "timeout", held=_never,
    ),
    _attack(
        Group.STARVE,
        "memory and threads at once, and no end",
        """
import threading
kept = []
def attack(world):
    def work():
        while True:
            try: kept.append(bytearray(1 << 16))
            except MemoryError: pass
    for _ in range(20):
        try: threading.Thread(target=work, daemon=True).start()
        except (RuntimeError, MemoryError): pass
    work()
""",
        "timeout", "memory", "crash", held=_never,
    ),
    _attack(
        Group.STARVE,
        "output before it has said that it began",
        "print('x' * (1 << 22), flush=True)\ndef attack(world): return 0\n",
    ),
    _attack(
        Group.STARVE,
        "a closed output, opened again as something else",
        """
def attack(world):
    os.close(1), os.close(2)
    a, b = os.pipe()
    for _ in range(1000): worked(os.write, b, b"x" * 10)
    return 0
""",
        "crash",
    ),
    _attack(
        Group.FORGE,
        "an answer written by a thread while another is under way",
        """
import threading
def attack(world):
    nonce = loop()[1]
    def other():
        while True: send(nonce, b"R", struct.pack("<I", 1) + b"7")
    threading.Thread(target=other, daemon=True).start()
    return list(range(50000))
""",
        "violation", "crash", held=lambda value: value == 7 or value == list(range(50000)),
    ),
    _attack(
        Group.FORGE,
        "names of threads that look like lines of a table",
        """
def attack(world):
    name = ctypes.create_string_buffer(b"a) R 1 1\\nVmHWM: 0", 32)
    syscall(157, 15, name)
    time.sleep(600)
""",
        "timeout", held=_never,
    ),
    _attack(
        Group.FORGE,
        "exceptions whose class, cause and notes are hostile",
        """
class Odd(BaseException):
    __cause__ = property(lambda self: self)
    __notes__ = property(lambda self: 1 / 0)
    __class__ = property(lambda self: int)
    def __str__(self): return "\\x1b[2J\\u202e\\ud800" * 10**6
def attack(world): raise Odd
""",
        "crash", "violation", "memory", held=_never,
    ),
    _attack(
        Group.FORGE,
        "an answer that takes its own reader's numbers apart",
        "def attack(world): return [float('nan'), -0.0, 1e-320, 2**63, -2**63, 10**4000, 5j]\n",
        "violation",
        held=lambda value: isinstance(value, list) and value[3:5] == [2**63, -(2**63)],
    ),
    _attack(
        Group.PERSIST,
        "a server made to forget its limits",
        "def attack(world):\n    import resource\n"
        "    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 20\n",
        before="def attack(world):\n    import resource\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\n",
    ),
    _attack(
        Group.PERSIST,
        "a name left with the server",
        "def attack(world):\n    name = ctypes.create_string_buffer(16)\n"
        "    syscall(157, 16, name)\n    return name.value == b'mark'\n",
        before="def attack(world): syscall(157, 15, ctypes.create_string_buffer(b'mark', 16))\n",
    ),
    _attack(
        Group.PERSIST,
        "a server's prepared calls rewritten",
        """
def attack(world):
    import gc
    return [t for t in gc.get_objects() if isinstance(t, list) and t and t[0] == "mark"]
""",
        before="""
def attack(world):
    import gc
    gc.unfreeze()
    for thing in gc.get_objects():
        if isinstance(thing, list) and thing and isinstance(thing[0], tuple):
            thing[0] = "mark"
""",
    ),
    _attack(
        Group.PERSIST,
        "a working folder and a root of its own",
        "def attack(world):\n    return contents('mark') + contents('../mark')\n",
        before="def attack(world):\n    worked(os.mkdir, 'mark')\n    worked(os.chdir, 'mark')\n"
        "    worked(lambda: open('mark', 'w').write('x'))\n",
    ),
    _attack(
        Group.PERSIST,
        "a clock that rings in the next one",
        "import signal\ndef attack(world):\n    time.sleep(0.3)\n"
        "    return signal.getitimer(signal.ITIMER_REAL)[0]\n",
        before="import signal\ndef attack(world): signal.setitimer(signal.ITIMER_REAL, 0.2)\n",
    ),
)  # fmt: skip
