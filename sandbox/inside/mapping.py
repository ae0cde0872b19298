"""Code of the interpreter that a forked child finds mapped already.

A fork copies the page tables of memory that may have been written to, and of no other: what a child
executes is mapped anew for it, sixteen pages a fault, some forty faults for the interpreter and the
C library. One byte written over itself makes the kernel count such a mapping among the first kind,
and copying its part of the tables costs less than those faults. The page with that byte is a copy
then, of the same content; everything else stays shared.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

from sandbox.inside.kernel import syscall

_SYS_MPROTECT = 10
_READ, _WRITE, _EXECUTE = 1, 2, 4


def share_code(maps: str) -> None:
    """Lets children of this process inherit its mappings of the interpreter and the C library.

    Args:
        maps: What /proc/self/maps holds.
    """
    for start, end in set(_mappings(maps)):
        with contextlib.suppress(OSError):  # a policy may forbid memory that is both
            syscall(_SYS_MPROTECT, start, end - start, _READ | _WRITE | _EXECUTE, what="mprotect")
            first = ctypes.c_char.from_address(start)
            first.value = first.value
            syscall(_SYS_MPROTECT, start, end - start, _READ | _EXECUTE, what="mprotect")


def _mappings(maps: str) -> Iterator[tuple[int, int]]:
    """The executable mappings that hold a function of the interpreter, and one of the C library."""
    known = [
        ctypes.cast(function, ctypes.c_void_p).value or 0
        for function in (ctypes.pythonapi.Py_IncRef, ctypes.CDLL(None).getpid)
    ]
    for line in maps.splitlines():
        where, rights = line.split()[:2]
        start, end = (int(side, 16) for side in where.split("-"))
        if rights == "r-xp" and any(start <= address < end for address in known):
            yield start, end
