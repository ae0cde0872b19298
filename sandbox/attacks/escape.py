"""Getting out: processes, signals, the network, the kernel's rarer doors, other rights."""

from __future__ import annotations

from sandbox.attacks.attack import Attack, Group
from sandbox.records import FailureKind, Tier


def _attack(
    name: str, body: str, *, fails: str = "", open_in: str = "", harmless: bool = False
) -> Attack:
    return Attack(
        name=name,
        group=Group.ESCAPE,
        source="from kit import *\ndef attack(world):\n" + body,
        fails=frozenset(FailureKind(kind) for kind in fails.split()),
        open_in=frozenset({Tier(open_in)} if open_in else ()),
        harmless=harmless,
    )


def _call(name: str, arguments: str, *, fatal: bool = False) -> Attack:
    """A system call with these arguments must not succeed."""
    return _attack(
        name,
        f"    return syscall({arguments}) >= 0\n",
        fails="violation" if fatal else "",
    )


_FORK = """
    pid = {}
    if pid == 0:
        os._exit(0)
    return pid > 0
"""

ATTACKS = (
    _attack(
        "fork",
        """
    try:
        pid = os.fork()
    except OSError:
        return False
    if pid == 0:
        os._exit(0)
    return True
""",
        harmless=True,
    ),
    _attack("fork by its number", _FORK.format("syscall(57)"), harmless=True),
    _attack("vfork", "    return syscall(58) >= 0\n"),
    _attack("clone without a thread", _FORK.format("syscall(56, 17, 0, 0, 0, 0)"), harmless=True),
    _attack(
        "clone3",
        _FORK.format("syscall(435, struct.pack('8Q', 0, 0, 0, 0, 17, 0, 0, 0), 64)"),
        harmless=True,
    ),
    _attack("clone into a new user namespace", _FORK.format("syscall(56, 0x10000011, 0, 0, 0, 0)")),
    _attack(
        "a grandchild in a session of its own",
        """
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                import time
                time.sleep(3)
            os._exit(0)
    except OSError:
        return False
    return True
""",
    ),
    _attack(
        "a program by subprocess",
        """
    import subprocess
    return worked(subprocess.run, [sys.executable, "-c", "pass"])
""",
        harmless=True,
    ),
    _attack(
        "a program by posix_spawn",
        "    return worked(os.posix_spawn, '/bin/true', ['true'], {})\n",
        harmless=True,
    ),
    _attack("a shell", "    return os.system('true') == 0\n", harmless=True),
    _attack(
        "execve of what is bound",
        """
    path = os.path.realpath(sys.executable)
    return worked(os.execv, path, [path, "-c", "pass"])
""",
    ),
    _attack(
        "an anonymous file to run from",
        """
    number = syscall(319, b"x", 0)
    return number >= 0
""",
        harmless=True,
    ),
    _call("ptrace", "101, 16, world['worker_pid'], 0, 0", fatal=True),
    _attack(
        "a signal to its parent",
        "    return worked(os.kill, os.getppid() or 1, 0)\n",
        harmless=True,
    ),
    _attack(
        "a signal to the worker",
        "    return worked(os.kill, world['worker_pid'], 0)\n",
        harmless=True,
    ),
    _attack("a signal to everybody", "    return worked(os.kill, -1, 9)\n"),
    _attack("a signal to the group", "    return worked(os.killpg, 0, 9)\n"),
    _call("tgkill of the worker", "234, world['worker_pid'], world['worker_pid'], 0"),
    _call("tkill", "200, world['worker_pid'], 0"),
    _call("a queued signal", "129, world['worker_pid'], 0, bytes(128)"),
    _call("a descriptor for a process", "434, world['worker_pid'], 0"),
    _attack(
        "a signal by the owner of a descriptor",
        """
    import fcntl
    a, b = os.pipe()
    return worked(fcntl.fcntl, a, 8, world["worker_pid"])
""",
    ),
    _attack(
        "loopback TCP",
        """
    import socket
    return worked(lambda: socket.create_connection(("127.0.0.1", world["port"]), 1))
""",
        harmless=True,
    ),
    *(
        _attack(
            f"a {name} socket",
            f"    import socket\n    return worked(socket.socket, {arguments})\n",
            harmless=True,
        )
        for name, arguments in (
            ("TCP", "socket.AF_INET, socket.SOCK_STREAM"),
            ("UDP", "socket.AF_INET, socket.SOCK_DGRAM"),
            ("IPv6", "socket.AF_INET6, socket.SOCK_STREAM"),
            ("unix", "socket.AF_UNIX, socket.SOCK_STREAM"),
            ("netlink", "16, socket.SOCK_RAW, 0"),
            ("vsock", "40, socket.SOCK_STREAM"),
        )
    ),
    _attack(
        "an abstract unix socket",
        """
    import socket
    def reach():
        with socket.socket(socket.AF_UNIX) as out:
            out.connect("\\0" + world["abstract"])
    return worked(reach)
""",
        harmless=True,
    ),
    _attack(
        "a pair of sockets",
        "    import socket\n    return worked(socket.socketpair)\n",
        harmless=True,
    ),
    _call("a message with descriptors on the channel", "46, LENDING, bytes(56), 0"),
    _call("mount", "165, b'none', b'/tmp', b'tmpfs', 0, 0", fatal=True),
    _call("umount", "166, b'/candidate/tmp', 2", fatal=True),
    _call("pivot_root", "155, b'.', b'.'", fatal=True),
    _call("mount_setattr", "442, -100, b'/', 0x8000, bytes(32), 32", fatal=True),
    _call("fsopen", "430, b'proc', 0", fatal=True),
    _call("open_tree", "428, -100, b'/', 1", fatal=True),
    _call("unshare of a user namespace", "272, 0x10000000", fatal=True),
    _call("setns", "308, 0, 0", fatal=True),
    _call("chroot", "161, b'.'"),
    _call("keyctl", "250, 0, -3, 1", fatal=True),
    _call("add_key", "248, b'user', b'x', b'y', 1, -3", fatal=True),
    _call("io_uring", "425, 8, bytes(120)", fatal=True),
    _call("userfaultfd", "323, 1", fatal=True),
    _call("bpf", "321, 0, bytes(64), 64", fatal=True),
    _call("perf_event_open", "298, bytes(128), 0, -1, -1, 0", fatal=True),
    _call("personality", "135, 0x0040000", fatal=True),
    _call("a kernel module", "175, bytes(16), 16, b''", fatal=True),
    _call("kexec", "246, 0, 0, 0, 0", fatal=True),
    _call("reboot", "169, 0xfee1dead, 672274793, 0, 0", fatal=True),
    _call("pidfd_getfd", "438, 0, 0, 0", fatal=True),
    _call("a second filter", "317, 0, 0, 0"),
    _call("System V shared memory", "29, 1, 4096, 0o1666"),
    _call("System V semaphores", "64, 1, 1, 0o1666"),
    _call("System V messages", "68, 1, 0o1666"),
    _call("POSIX message queues", "240, b'queue', 0o102, 0o600, 0"),
    _call("inotify", "294, 0"),
    _call("fanotify", "300, 0, 0"),
    _call("signalfd", "289, -1, bytes(8), 8, 0"),
    _call("timerfd", "283, 1, 0"),
    _call("prctl: die with the parent no more", "157, 1, 0, 0, 0, 0"),
    _call("prctl: traceable", "157, 4, 1, 0, 0, 0"),
    _call("prctl: ptracer", "157, 0x59616d61, -1, 0, 0, 0"),
    _call("capabilities", "126, struct.pack('Ii', 0x20080522, 0), b'\\xff' * 24"),
    _call("priority", "141, 0, 0, -5"),
    _call("real-time scheduling", "144, 0, 1, struct.pack('i', 1)"),
    _call("locked memory", "151, 3"),
    _call("the clock", "227, 0, struct.pack('qq', 0, 0)"),
    _call("a new name for the machine", "170, b'x', 1"),
    _call("I/O ports", "172, 3"),
    _call("module-specific registers", "154, 1, bytes(16), 16"),
    _call("swap", "167, b'/x', 0", fatal=True),
    _call("quota", "179, 0, b'/', 0, 0"),
    _call("accounting", "163, b'/x'"),
    _call("the limits of another process", "302, world['worker_pid'], 7, 0, bytes(16)"),
    _call("extended attributes", "188, b'.', b'user.x', b'y', 1, 0"),
    _attack(
        "changed rights of a file outside",
        "    return worked(os.chmod, world['secret_file'], 0o777)\n",
        harmless=True,
    ),
    _attack(
        "changed times of a file outside",
        "    return worked(os.utime, world['secret_file'], (1, 1))\n",
        harmless=True,
    ),
    _attack(
        "changed rights of a module",
        """
    with open(os.__file__) as file:
        return worked(os.fchmod, file.fileno(), 0o777)
""",
    ),
    _attack(
        "an emptied file outside",
        """
    flags = os.O_RDONLY | os.O_TRUNC
    path = world["secret_file"]
    return worked(os.truncate, path, 0) or worked(os.open, path, flags)
""",
    ),
    _attack(
        "a moved file",
        """
    path = world["secret_file"]
    return worked(os.rename, path, path + "2") or worked(os.unlink, path)
""",
    ),
    _call("a changed owner", "92, b'.', 0, 0"),
    _attack("another user", "    return worked(os.setuid, 0) or worked(os.setresuid, 0, 0, 0)\n"),
    _attack(
        "a terminal's input",
        """
    import fcntl
    return worked(fcntl.ioctl, 0, 0x5412, b"x")
""",
    ),
    _attack("a named pipe", "    return worked(os.mkfifo, 'pipe')\n"),
    _attack("a device", "    return worked(os.mknod, 'device', 0o20666, os.makedev(1, 3))\n"),
    _attack(
        "raised limits",
        """
    import resource
    old = resource.getrlimit(resource.RLIMIT_AS)
    return worked(resource.setrlimit, resource.RLIMIT_AS, (-1, -1)) or old[1] == -1
""",
        fails="crash",
    ),
    _attack(
        "writing beside its scratch folder",
        """
    places = ["/", "/candidate", "/dev", os.path.dirname(os.__file__), *sys.path, "/etc"]
    made = []
    for place in places:
        if worked(lambda: open(os.path.join(place, "mark"), "w")):
            made.append(place)
    return made
""",
    ),
    _attack(
        "code in a file of its scratch folder",
        """
    import mmap
    try:
        with open("code", "wb+") as file:
            file.write(bytes(4096))
            file.flush()
            mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    except OSError:
        return False
    return True
""",
    ),
    _attack(
        "system calls of 32 bits",
        """
    import mmap
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(bytes.fromhex("b814000000cd80c3"))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)() >= 0
""",
        fails="violation crash",
    ),
    _call("system calls of x32", "0x40000000 + 39", fatal=True),
)
