"""The warm server's memory in huge pages, so that a fork copies few page tables.

A fork copies, and the end of the child takes down, an entry for each page the server has written
to: some four thousand for the interpreter and numpy, thirteen thousand with numba. In huge pages it
is one entry for 512, until somebody writes. The kernel makes them of what lies together: the C
library's heap, and arenas of the interpreter that were mapped side by side.
"""

from __future__ import annotations

import contextlib

from sandbox.inside.kernel import syscall

_HUGE_BYTES = 2 << 20
_SYS_MADVISE, _MADV_COLLAPSE = 28, 25


def collapse(maps: str) -> None:
    """Puts what this process has written to into huge pages, where this kernel does (Linux 6.1).

    Args:
        maps: What /proc/self/maps holds.
    """
    for line in maps.splitlines():
        where, rights, _, _, inode, *name = line.split(maxsplit=5)
        if rights == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            start, end = (int(side, 16) for side in where.split("-"))
            first = -(-start // _HUGE_BYTES) * _HUGE_BYTES
            for page in range(first, end - _HUGE_BYTES + 1, _HUGE_BYTES):
                with contextlib.suppress(OSError):
                    syscall(_SYS_MADVISE, page, _HUGE_BYTES, _MADV_COLLAPSE, what="madvise")
