"""Memory that the worker lends, for messages too large to be worth copying through a pipe.

It is always the worker's: made, sized and paid for by it, never by a candidate, which can make no
such memory and has no way to hand a descriptor over. So there is no descriptor of a strange kind
to be checked. Sealed against shrinking and growing before anyone else sees it, it cannot fault
under its reader. Sealed against writing before it is read, it cannot change either; the kernel
refuses that seal while anybody can still write through a mapping.

Pages are given beforehand and filled by write: faulting them in one by one took five times as long.
Libraries are loaded where they are used: every candidate copies what its server has loaded.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence

from sandbox.inside.kernel import syscall

_SEAL, _SHRINK, _GROW, _WRITE = 1, 2, 4, 8
_FIXED_SIZE, _READ_ONLY = _SHRINK | _GROW, _WRITE | _SEAL
_SYS_MMAP = 9
_MAP_FIXED = 0x10
_FEW = 1000


def make(size: int) -> int:
    """A descriptor of memory of that many bytes, which stays of that size.

    Raises:
        OSError: there is none to be had.
    """
    import fcntl

    descriptor = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(descriptor, 0, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _FIXED_SIZE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def fill(descriptor: int, parts: Sequence[bytes | memoryview]) -> None:
    """Writes the parts one behind the other, from the start.

    Raises:
        OSError: a file may not be as large as that (RLIMIT_FSIZE).
    """
    os.lseek(descriptor, 0, os.SEEK_SET)
    if len(parts) > _FEW:
        parts = [b"".join(parts)]
    for part in parts:
        left = memoryview(part)
        while left:
            left = left[os.write(descriptor, left) :]


def seal(descriptor: int) -> None:
    """Makes its content final.

    Raises:
        OSError: somebody can write to it, or had its seals sealed before that.
    """
    import fcntl

    try:
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _READ_ONLY)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # once more: the kernel may have been moving pages of it
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _READ_ONLY)


def mapped(descriptor: int, size: int) -> memoryview:
    """Its content as memory of one's own: what is written there, the others do not see.

    It needs no descriptor and is given back when nothing refers to it any more.

    Raises:
        OSError: no room for it.
    """
    import mmap

    # over a mapping that the interpreter looks after; its own way keeps a descriptor for each
    area = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    syscall(
        _SYS_MMAP, address, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | _MAP_FIXED,
        descriptor, 0, what="mmap",
    )  # fmt: skip
    return memoryview(area)
