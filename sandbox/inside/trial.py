"""Tries one layer in a process of its own: `main` exits 0 where the kernel allows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from sandbox.inside import kernel, landlock, seccomp


def _namespaces(flags: int) -> None:
    if os.getuid() != 0:
        flags |= kernel.CLONE_NEWUSER
    kernel.unshare(flags)


def _user() -> None:
    if os.getuid() == 0:
        # what a server of a root user does: it hands over to nobody first
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    kernel.unshare(kernel.CLONE_NEWUSER)
    # where AppArmor restricts user namespaces this is what it takes away
    kernel.unshare(kernel.CLONE_NEWNS)


def _mounts() -> None:
    _namespaces(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.make_read_only("/")  # in this namespace only


def _landlock() -> None:
    kernel.set_no_new_privileges()
    landlock.restrict(landlock.ruleset([("/", landlock.READ)]))


def _seccomp() -> None:
    kernel.set_no_new_privileges()
    seccomp.Filter(None).install()


LAYERS: dict[str, Callable[[], None]] = {
    "user namespace": _user,
    "mount namespace": _mounts,
    "pid namespace": lambda: _namespaces(kernel.CLONE_NEWPID),
    "network namespace": lambda: _namespaces(kernel.CLONE_NEWNET),
    "ipc, uts and cgroup namespaces": lambda: _namespaces(
        kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
    ),
    "landlock": _landlock,
    "seccomp": _seccomp,
}


def main(name: str) -> None:
    """Exits 0, or 1 with the kernel's answer on standard output."""
    try:
        if name == "landlock version":
            print(landlock.abi(), flush=True)
        else:
            LAYERS[name]()
    except OSError as error:
        print(error, flush=True)
        sys.exit(1)
    os._exit(0)
