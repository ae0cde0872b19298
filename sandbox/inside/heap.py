"""The warm server's memory in huge pages, so that a fork copies few page tables.

A fork copies, and the end of the child takes down, an entry for each page the server has written
to: some four thousand for the interpreter and numpy, which costs as much as everything a small
program does. In huge pages it is one entry for 512, until somebody writes.

The kernel makes huge pages only of memory that lies together, and the interpreter maps its arenas
one by one, between the libraries. So while the server loads, they come from the C library's heap,
and that heap grows at its end however much is asked for at once.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable

from sandbox.inside.kernel import syscall

_ALIGNMENT_BYTES = 1 << 14  # of a pool; what begins elsewhere would lose one
_HUGE_BYTES = 2 << 20
_LARGEST_MAPPED_BYTES = 30 << 20
_SYS_MADVISE, _MADV_COLLAPSE = 28, 25


class _Allocator(ctypes.Structure):
    """PyObjectArenaAllocator: where memory for small objects comes from, a MiB each time."""

    _fields_ = (
        ("context", ctypes.c_void_p),
        ("allocate", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


def gather() -> Callable[[], None]:
    """From now on arenas of the interpreter come from the C library's heap.

    Returns:
        What ends that. Only afterwards are arenas given back, those of the heap to the kernel: the
        C library does not look into what it has handed out.
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    # what was mapped by itself and is freed raises the size from which that is done: the second
    # one extends the heap, which goes on in one piece then
    for _ in range(2):
        libc.free(libc.malloc(_LARGEST_MAPPED_BYTES))
    before = _Allocator()
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(before))
    # called with context and size; and with three arguments it does not look at
    ours = _Allocator(_ALIGNMENT_BYTES, _address(libc.aligned_alloc), _address(libc.getpid))
    ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(ours))

    def end() -> None:
        ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(before))
        # what the heap kept for itself would have to be filled again for who asks for zeros
        libc.malloc_trim(0)

    return end


def collapse(maps: str) -> None:
    """Puts what the heap holds into huge pages, where this kernel does that (Linux 6.1).

    Args:
        maps: What /proc/self/maps holds.
    """
    for line in maps.splitlines():
        if line.endswith("[heap]"):
            start, end = (int(side, 16) for side in line.split()[0].split("-"))
            first = -(-start // _HUGE_BYTES) * _HUGE_BYTES
            for page in range(first, end - _HUGE_BYTES + 1, _HUGE_BYTES):
                with contextlib.suppress(OSError):
                    syscall(_SYS_MADVISE, page, _HUGE_BYTES, _MADV_COLLAPSE, what="madvise")


def _address(function: Callable[..., object]) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
