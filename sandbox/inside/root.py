"""The outer namespaces and the read-only root, built once per server.

Every path keeps its place, so that the interpreter that is already running goes on finding what it
imports. A real root user hands over to `nobody` before it makes the user namespace: limits on
threads do not hold for uid 0. Ordinary users make the user namespace first.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from sandbox.inside import kernel

SCRATCH = "/candidate/tmp"
"""Mounted anew for each candidate; the Landlock rule is on the folder above it."""
_STAGING = ("/mnt", "/media", "/srv", "/opt", "/run", "/tmp", "/var/tmp", "/home")  # noqa: S108
_INNER_ID = 1000
NOBODY = 65534

_OUTER = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWCGROUP
)


def enter(
    *,
    system: Sequence[str],
    packages: Sequence[str],
    links: Sequence[Sequence[str]],
    masks: Sequence[str],
) -> None:
    """Moves the process into its namespaces and root; its children get a new pid namespace.

    Raises:
        OSError: the kernel refuses a step; the message names it.
    """
    uid, gid = os.getuid(), os.getgid()
    process = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if uid == 0 and _has_nobody(process) and _unshare_as_root():
            _build(system, packages, links, masks)
            _become_nobody()
            kernel.set_dumpable(True)  # a change of user had cleared it; the maps need it
            kernel.unshare(kernel.CLONE_NEWUSER)
            _map_ids(process, NOBODY, NOBODY)
        else:
            kernel.unshare(kernel.CLONE_NEWUSER | _OUTER)
            _map_ids(process, uid, gid)
            _build(system, packages, links, masks)
        kernel.unshare(kernel.CLONE_NEWPID)
    finally:
        os.close(process)


def _become_nobody() -> None:
    for change, arguments in (
        (os.setgroups, ([],)),
        (os.setresgid, (NOBODY, NOBODY, NOBODY)),
        (os.setresuid, (NOBODY, NOBODY, NOBODY)),
    ):
        try:
            change(*arguments)
        except OSError as error:
            raise OSError(error.errno, f"{change.__name__}: {error.strerror}") from None


def _has_nobody(process: int) -> bool:
    """Whether there is a user to hand over to: a rootless container may have root alone."""
    for name in ("uid_map", "gid_map"):
        with open(
            os.open(f"self/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), encoding="ascii"
        ) as lines:
            ranges = [tuple(map(int, line.split())) for line in lines]
        if not any(first <= NOBODY < first + count for first, _, count in ranges):
            return False
    return True


def _unshare_as_root() -> bool:
    try:
        kernel.unshare(_OUTER)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        return False  # root of a container without the right to mount
    return True


def _map_ids(process: int, uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INNER_ID} {uid} 1"),
        ("gid_map", f"{_INNER_ID} {gid} 1"),
    ):
        descriptor = os.open(f"self/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=process)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _build(
    system: Sequence[str],
    packages: Sequence[str],
    links: Sequence[Sequence[str]],
    masks: Sequence[str],
) -> None:
    kernel.set_hostname("sandbox")
    sources = [*system, *packages]
    staging = next(
        folder
        for folder in _STAGING
        if os.path.isdir(folder)
        and not any(f"{path}/".startswith(f"{folder}/") for path in sources)
    )
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", staging, "tmpfs", kernel.MS_NOSUID, "size=4m,mode=755")
    for path in system:
        _bind(path, staging)
    for path in masks:
        kernel.mount("tmpfs", staging + path, "tmpfs", kernel.MS_NOSUID, "size=1m,mode=755")
    for path in packages:
        _bind(path, staging)
    for path, target in links:
        os.makedirs(staging + os.path.dirname(path), exist_ok=True)
        if not os.path.lexists(staging + path):
            os.symlink(target, staging + path)
    os.makedirs(staging + SCRATCH)
    kernel.make_read_only(staging)
    os.chdir(staging)
    kernel.pivot_root_here()


def _bind(path: str, staging: str) -> None:
    target = staging + path
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    kernel.mount(path, target, None, kernel.MS_BIND | kernel.MS_REC)
