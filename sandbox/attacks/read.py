"""Reading what a candidate must not know: files, keys, other processes, our code and data."""

from __future__ import annotations

from sandbox.attacks.attack import Attack, Group
from sandbox.records import FailureKind, Tier


def _attack(
    name: str, body: str, *, fails: str = "", open_in: str = "", harmless: bool = True
) -> Attack:
    return Attack(
        name=name,
        group=Group.READ,
        source="from kit import *\ndef attack(world):\n" + body,
        fails=frozenset({FailureKind(fails)} if fails else ()),
        open_in=frozenset({Tier(open_in)} if open_in else ()),
        harmless=harmless and not fails,
    )


ATTACKS = (
    _attack("a file by its path", "    return contents(world['secret_file'])\n"),
    _attack("a file's existence", "    return os.path.exists(world['secret_file'])\n", open_in="B"),
    _attack(
        "a file through a symbolic link",
        """
    try:
        os.symlink(world["secret_file"], "link")
    except OSError:
        return contents(world["secret_file"])
    return contents("link")
""",
    ),
    _attack(
        "a file through a hard link",
        """
    return worked(os.link, world["secret_file"], "hard") and contents("hard")
""",
    ),
    _attack(
        "a file by climbing out of the working folder",
        """
    for _ in range(40):
        worked(os.chdir, "..")
    return contents("." + world["secret_file"])
""",
    ),
    _attack(
        "a file by a handle",
        """
    handle = ctypes.create_string_buffer(struct.pack("Ii", 64, 0) + bytes(64))
    mount = ctypes.c_int()
    syscall(303, -100, world["secret_file"].encode(), handle, ctypes.byref(mount), 0)
    return syscall(304, 0, handle, 0) >= 0
""",
        fails="violation",
    ),
    _attack(
        "home folders",
        """
    # an interpreter may live in a home: the folders on the way to it are there, empty
    return strangers("/root", "/home", os.path.expanduser("~root"), *world["homes"])
""",
    ),
    _attack("accounts", "    return contents('/etc/passwd', '/etc/shadow', '/etc/hostname')\n"),
    _attack("the project's folders", "    return contents(*world['folders'])\n"),
    _attack(
        "modules of the project",
        """
    import importlib
    found = []
    for name in world["modules"]:
        try:
            importlib.import_module(name)
            found.append(name)
        except (ImportError, OSError):
            pass
    return found
""",
        harmless=False,
    ),
    _attack(
        "modules of the project, with the project's folders on the path",
        """
    sys.path[:0] = world["folders"]
    found = []
    for name in world["modules"]:
        try:
            __import__(name)
            found.append(name)
        except (ImportError, OSError):
            pass
    return found
""",
    ),
    _attack(
        "modules of the project left in memory",
        "    return [name for name in sys.modules if name.partition('.')[0] in world['modules']]\n",
        harmless=False,
    ),
    _attack(
        "a key in the environment",
        """
    libc.getenv.restype = ctypes.c_char_p
    names = [world["secret_name"], "HOME_KEY", "OPENAI_API_KEY", "PATH", "USER"]
    return [n for n in names if os.environ.get(n) or libc.getenv(n.encode())]
""",
        harmless=False,
    ),
    _attack(
        "a key in the worker's memory, as far as it was copied here",
        """
    import gc
    found = []
    for thing in gc.get_objects():
        if isinstance(thing, dict) and world["secret_name"] in thing and thing is not world:
            found.append(str(type(thing)))
    return found
""",
        harmless=False,
    ),
    _attack(
        "environments of processes",
        """
    pids = ["self", "1", str(os.getppid()), str(world["worker_pid"])]
    return contents(*(f"/proc/{pid}/environ" for pid in pids))
""",
    ),
    _attack(
        "the list of processes",
        "    return [name for name in contents('/proc') if name.isdigit()]\n",
    ),
    _attack(
        "memory of processes by /proc",
        """
    pids = ["1", str(os.getppid()), str(world["worker_pid"])]
    return contents(*(f"/proc/{pid}/{name}" for pid in pids for name in ("maps", "mem")))
""",
        harmless=False,
    ),
    _attack(
        "memory of processes by a system call",
        """
    buffer = ctypes.create_string_buffer(16)
    local = struct.pack("QQ", ctypes.addressof(buffer), 16)
    return syscall(310, world["worker_pid"], local, 1, local, 1, 0) > 0
""",
        fails="violation",
    ),
    _attack("descriptors by /proc", "    return contents('/proc/self/fd', '/dev/fd')\n"),
    _attack(
        "inherited descriptors",
        """
    found = []
    for number in range(LENDING + 1, 1024):
        if worked(os.fstat, number):
            found.append(number)
    return found
""",
        harmless=False,
    ),
    _attack("the standard input of the launcher", "    return os.read(0, 100)\n", harmless=False),
    _attack(
        "the server's control socket, by the objects in memory",
        """
    import gc
    sent = []
    for thing in gc.get_objects():
        if type(thing).__name__ == "socket" and thing.fileno() > LENDING:
            if worked(thing.send, b'{"spawn": 1}'):
                sent.append(thing.fileno())
    for frame in frames():
        control = getattr(frame.f_locals.get("self"), "control", None)
        if control is not None and worked(control.send, b'{"spawn": 1}'):
            sent.append(control.fileno())
    return sent
""",
        harmless=False,
    ),
    _attack(
        "devices",
        """
    names = ("sda", "vda", "nvme0n1", "mem", "kmsg", "fuse", "kvm", "net/tun")
    return contents(*(f"/dev/{name}" for name in names))
""",
        harmless=False,
    ),
    _attack("the kernel's log", "    return syscall(103, 10, 0, 0) >= 0\n", fails="violation"),
    _attack(
        "/sys, /run, /var and /boot", "    return contents('/sys', '/run', '/var/log', '/boot')\n"
    ),
    _attack("temporary files of others", "    return strangers('/tmp', '/var/tmp', '/dev/shm')\n"),
    _attack(
        "the machine's name",
        "    return os.uname().nodename == world['hostname'] != 'sandbox'\n",
        open_in="B",
    ),
    _attack(
        "mount table and control groups",
        "    return contents('/proc/mounts', '/proc/self/cgroup', '/proc/self/mountinfo')\n",
    ),
)
