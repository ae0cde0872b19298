"""System calls Python has no name for (Linux, x86-64): namespaces, mounts, capabilities, prctl."""

from __future__ import annotations

import ctypes
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE = 0, 1, 4, 6, 7
RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE = 8, 9, 11, 12
UNLIMITED = (1 << 64) - 1

_MNT_DETACH = 2
_F_DUPFD_CLOEXEC = 1030
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID = 1, 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_SYS_CLOSE, _SYS_OPENAT = 3, 257
_SYS_FCNTL, _SYS_CHDIR, _SYS_CAPSET, _SYS_PIVOT_ROOT, _SYS_PRCTL, _SYS_MOUNT = (
    72,
    80,
    126,
    155,
    157,
    165,
)
_SYS_UNSHARE, _SYS_PRLIMIT, _SYS_PIDFD_OPEN, _SYS_CLOSE_RANGE = 272, 302, 434, 436
_SYS_MOUNT_SETATTR = 442
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES = 64

_libc = ctypes.CDLL(None, use_errno=True)
_libc_with_lock = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.syscall.argtypes = [ctypes.c_long] * 7
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.unshare.argtypes = [ctypes.c_int]
_libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.sethostname.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: int, what: str) -> int:
    """Any system call whose arguments are integers or addresses."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    return _checked(_libc.syscall(number, *padded), what)


def fork() -> int:
    """The C library's fork without the interpreter's hooks; for a process with one thread only.

    The hooks renew locks and thread tables, which nobody else holds or is in here, and run what
    modules registered (`random` seeds itself anew). Running them copied 190 pages, a quarter of
    what a whole fork with numpy loaded costs. The caller keeps the interpreter's lock meanwhile.
    """
    return _checked(_libc_with_lock.fork(), "fork")


def pidfd_open(pid: int) -> int:
    """A descriptor for a process; unlike Python's, the error names the call."""
    return syscall(_SYS_PIDFD_OPEN, pid, 0, what="pidfd_open")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def setns(descriptor: int, flags: int) -> None:
    _checked(_libc.setns(descriptor, flags), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mounts one file system; the target is named in the error."""
    _checked(
        _libc.mount(
            source.encode(), target.encode(), kind.encode() if kind else None, flags, data.encode()
        ),
        f"mount on {target}",
    )


def make_read_only(target: str) -> None:
    """Makes a mount and all below it read-only and nosuid."""
    attributes = ctypes.create_string_buffer(
        struct.pack("QQQQ", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID, 0, 0, 0)
    )
    path = ctypes.create_string_buffer(target.encode())
    syscall(
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        ctypes.addressof(path),
        _AT_RECURSIVE,
        ctypes.addressof(attributes),
        32,
        what="mount_setattr",
    )


def pivot_root_here() -> None:
    """Makes the current folder, a mount point, the root, and takes the old root away."""
    here = ctypes.create_string_buffer(b".")
    syscall(_SYS_PIVOT_ROOT, ctypes.addressof(here), ctypes.addressof(here), what="pivot_root")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def set_dumpable(value: bool) -> None:
    """Whether processes of the same user may trace this one and read its /proc files."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, int(value), 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def set_no_new_privileges() -> None:
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def drop_bounding_set() -> None:
    """Empties the set that bounds what a later exec could gain; ends at the kernel's last one."""
    for capability in range(_CAPABILITIES):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            return


_EMPTY_HEADER = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
_EMPTY_SETS = ctypes.create_string_buffer(24)


def drop_capabilities() -> None:
    """Gives up every effective, permitted and inheritable capability."""
    syscall(
        _SYS_CAPSET, ctypes.addressof(_EMPTY_HEADER), ctypes.addressof(_EMPTY_SETS), what="capset"
    )


def close_from(first: int) -> None:
    """Closes every descriptor from `first` on."""
    syscall(_SYS_CLOSE_RANGE, first, 0xFFFFFFFF, 0, what="close_range")


def set_hostname(name: str) -> None:
    _checked(_libc.sethostname(name.encode(), len(name)), "sethostname")


_LIMITS = struct.Struct("QQ")
_OLD_LIMITS, _NEW_LIMITS = ctypes.create_string_buffer(16), ctypes.create_string_buffer(16)


def limits(which: int) -> tuple[int, int]:
    """The soft and the hard limit on a resource, as the kernel writes them.

    Like `set_limits` it spares a server the library behind `resource`: every child copies what the
    server has mapped.
    """
    syscall(_SYS_PRLIMIT, 0, which, 0, ctypes.addressof(_OLD_LIMITS), what=f"limit {which}")
    soft, hard = _LIMITS.unpack(_OLD_LIMITS)
    return soft, hard


def set_limits(which: int, soft: int, hard: int) -> None:
    _LIMITS.pack_into(_NEW_LIMITS, 0, soft, hard)
    syscall(_SYS_PRLIMIT, 0, which, ctypes.addressof(_NEW_LIMITS), what=f"limit {which}")


def duplicate_above(descriptor: int, first: int) -> int:
    """A second descriptor of the same, with the lowest free number from `first` on."""
    return syscall(_SYS_FCNTL, descriptor, _F_DUPFD_CLOEXEC, first, what="fcntl")


class Calls:
    """System calls that are prepared once and made by every child, in one loop.

    What a child touches after the fork is copied for it, page by page, and that is most of what it
    costs: one loop over integers touches a third of what as many functions do.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[str, tuple[int, ...]]] = []
        self._buffers: list[ctypes.Array[ctypes.c_char]] = []

    def add(self, what: str, number: int, *arguments: int | bytes) -> None:
        """Adds one; bytes are handed over by their address, with a zero behind them."""
        numbers = [number]
        for argument in arguments:
            if isinstance(argument, bytes):
                self._buffers.append(ctypes.create_string_buffer(argument))
                argument = ctypes.addressof(self._buffers[-1])
            numbers.append(argument)
        self._calls.append((what, (*numbers, 0, 0, 0, 0, 0, 0)[:7]))

    def make(self) -> None:
        """Makes them all, in order.

        Raises:
            OSError: one is refused; the message names it.
        """
        call = _libc.syscall
        for what, arguments in self._calls:
            if call(*arguments) < 0:
                _checked(-1, what)

    def new_namespaces(self, flags: int) -> None:
        self.add("unshare", _SYS_UNSHARE, flags)

    def new_tmpfs(self, target: str, *, size: int, inodes: int) -> None:
        """Mounts an empty folder in memory, and goes there."""
        path = target.encode()
        data = f"size={size},nr_inodes={inodes},mode=700".encode()
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        self.add(f"mount on {target}", _SYS_MOUNT, b"tmpfs", path, b"tmpfs", flags, data)
        self.add(f"chdir to {target}", _SYS_CHDIR, path)

    def reopen(self, descriptor: int, path: str) -> None:
        """Opens a file anew as the lowest descriptor, which is to be free behind this close."""
        self.add(f"close {descriptor}", _SYS_CLOSE, descriptor)
        self.add(f"open {path}", _SYS_OPENAT, _AT_FDCWD, path.encode(), os.O_RDWR)

    def die_with_parent(self, signal_number: int) -> None:
        self.add("prctl(PR_SET_PDEATHSIG)", _SYS_PRCTL, _PR_SET_PDEATHSIG, signal_number)

    def limit(self, which: int, soft: int, hard: int) -> None:
        self.add(f"limit {which}", _SYS_PRLIMIT, 0, which, struct.pack("QQ", soft, hard))

    def drop_capabilities(self) -> None:
        """Gives up every effective, permitted and inheritable capability."""
        self.add("capset", _SYS_CAPSET, struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))

    def close_from(self, first: int) -> None:
        """Closes every descriptor from `first` on."""
        self.add("close_range", _SYS_CLOSE_RANGE, first, 0xFFFFFFFF)
