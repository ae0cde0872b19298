"""What every tier needs of a machine, whatever else it gives: its kind, and some system calls.

A container's filter on system calls may refuse one of those with which a worker and a launcher
start and end processes and talk to them. Each is tried with arguments that mean nothing: where it
is allowed the kernel objects to the arguments, and nothing is done.
"""

from __future__ import annotations

import errno
import platform
import sys
from collections.abc import Iterator

from sandbox.inside.kernel import syscall
from sandbox.records import SandboxError

_NEEDED = (
    "poll:7 ioctl:16 pread64:17 dup2:33 sendto:44 recvfrom:45 sendmsg:46 recvmsg:47 getsockname:51 "
    "socketpair:53 getsockopt:55 execve:59 wait4:61 uname:63 fcntl:72 getcwd:79 chdir:80 "
    "readlink:89 getuid:102 getppid:110 prctl:157 arch_prctl:158 clock_nanosleep:230 "
    "pipe2:293 prlimit64:302 pidfd_send_signal:424 pidfd_open:434"
)
_NUMBERED_FOR = "x86_64"
_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS)


def refuse_other_machines() -> None:
    """Raises SandboxError where candidates cannot be isolated at all."""
    try:
        machine = platform.machine()
    except OSError:  # uname is refused, which is said below
        machine = _NUMBERED_FOR
    if sys.platform != "linux" or machine != _NUMBERED_FOR:
        where = f"{sys.platform} on {machine}"
        raise SandboxError(f"candidates run on Linux on {_NUMBERED_FOR} only, this is {where}")
    refused = list(_refused())
    if refused:
        raise SandboxError(
            f"this process may not call {', '.join(refused)}, and no sandbox works without; "
            "in a container: use a seccomp profile that allows this"
        )


def _refused() -> Iterator[str]:
    """The names of those calls that are answered as a filter does."""
    for name, _, number in (entry.partition(":") for entry in _NEEDED.split()):
        try:
            syscall(int(number), *(-1,) * 6, what=name)
        except OSError as error:
            if error.errno in _REFUSED:
                yield name
