"""The compiled inner loops of online bin packing; imported when first used, as numba is heavy.

All take and give int64 (ranks and levels: int16) and read every argument but the last as read-only.
They trust their arguments: sizes in [1, capacity], arrays long enough. `bin_packing` checks that.

Compiled code is cached on disk, and a cache file is code that is loaded without a question. So it
is kept only beside this file, in the user's own cache folder or in a NUMBA_CACHE_DIR that nobody
else may write to; a sandboxed candidate can write to none of them. Where no such folder is
writable every process compiles anew, about a second.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., object])
Row = NDArray[np.int64]

ITEMS = types.Array(types.int64, 1, "C", readonly=True)
BINS = types.Array(types.int64, 1, "C")
PRIORITIES = types.Array(types.float64, 2, "C", readonly=True)
TABLE = types.Array(types.int16, 2, "C")
LEVELS = types.Array(types.int16, 2, "C", readonly=True)
INT = types.int64


def _cache_is_ours() -> bool:
    folder = os.environ.get("NUMBA_CACHE_DIR", "")
    if not folder or not os.path.isdir(folder):
        return True
    status = os.stat(folder)
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _compiled(*signature: types.Type, gives: types.Type) -> Callable[[F], F]:
    def compile_now(function: F) -> F:
        form = gives(*signature)
        if _cache_is_ours():
            try:
                return cast(F, numba.njit(form, cache=True)(function))
            except (RuntimeError, OSError):
                pass  # numba found no folder to write to, or it is full
        return cast(F, numba.njit(form)(function))

    return compile_now


@_compiled(PRIORITIES, INT, TABLE, gives=INT)
def rank(priorities: NDArray[np.float64], capacity: int, ranks: NDArray[np.int16]) -> int:
    """Fills `ranks` from priorities of [item][remaining], gives the first NaN's place or -1.

    Ranks of a row are dense and start at 0, equal values have equal ranks; -1 where an item does
    not fit.
    """
    ordered = np.empty(capacity + 1, dtype=np.float64)
    ranks[:] = -1
    for item in range(1, capacity + 1):
        for space in range(item, capacity + 1):
            if np.isnan(priorities[item, space]):
                return item * (capacity + 1) + space
            ordered[space] = priorities[item, space]
        ordered[item:].sort()
        last = item
        for space in range(item + 1, capacity + 1):
            if ordered[space] > ordered[last]:
                last += 1
                ordered[last] = ordered[space]
        for space in range(item, capacity + 1):
            value, low, high = priorities[item, space], item, last
            while low < high:
                middle = (low + high) // 2
                if ordered[middle] < value:
                    low = middle + 1
                else:
                    high = middle
            ranks[item, space] = low - item
    return -1


@_compiled(LEVELS, INT, TABLE, gives=types.void)
def preferences(ranks: NDArray[np.int16], capacity: int, preferred: NDArray[np.int16]) -> None:
    """Fills `preferred` as `pack_by_preference` reads it, from ranks of [item][remaining].

    Ranks are from -1 to the capacity; of equal ones the least space comes first. A row is filled as
    far as it is read, up to a new bin; it is sorted by counting.
    """
    start = np.empty(capacity + 2, dtype=np.int64)
    for item in range(1, capacity + 1):
        start[:] = 0
        lowest = ranks[item, capacity]
        for space in range(item, capacity + 1):
            if ranks[item, space] >= lowest:
                start[ranks[item, space] + 1] += 1
        place = 0
        for rank in range(capacity, lowest - 1, -1):
            count = start[rank + 1]
            start[rank + 1] = place
            place += count
        for space in range(item, capacity + 1):
            rank = ranks[item, space]
            if rank >= lowest:
                preferred[item, start[rank + 1]] = space
                start[rank + 1] += 1


@_compiled(ITEMS, INT, LEVELS, BINS, gives=INT)
def pack_by_preference(items: Row, capacity: int, preferred: NDArray[np.int16], bins: Row) -> int:
    """Fills `bins` by a table of preferences, gives the number of bins.

    Row `item` of `preferred` names the spaces an item of that size wants to go into, the one it
    wants most first, `capacity` (a new bin) among them. Bins with the same space left are
    interchangeable; which one stands for a level is kept in a stack per level (`top`, `below`).
    """
    top = np.full(capacity + 1, -1, dtype=np.int64)
    below = np.empty(len(items), dtype=np.int64)
    opened = 0
    for position in range(len(items)):
        item = items[position]
        choice = 0
        level = preferred[item, 0]
        while level != capacity and top[level] < 0:
            choice += 1
            level = preferred[item, choice]
        if level == capacity:
            chosen = opened
            opened += 1
        else:
            chosen = top[level]
            top[level] = below[chosen]
        bins[position] = chosen
        below[chosen] = top[level - item]
        top[level - item] = chosen
    return opened


@_compiled(ITEMS, INT, BINS, gives=INT)
def pack_first_fit(items: Row, capacity: int, bins: Row) -> int:
    """Fills `bins` by first fit, gives the number of bins."""
    remaining = np.empty(len(items), dtype=np.int64)
    opened = 0
    first_open = 0
    for position in range(len(items)):
        item = items[position]
        chosen = first_open
        while chosen < opened and remaining[chosen] < item:
            chosen += 1
        if chosen == opened:
            remaining[chosen] = capacity
            opened += 1
        remaining[chosen] -= item
        bins[position] = chosen
        while first_open < opened and remaining[first_open] == 0:
            first_open += 1
    return opened


@_compiled(ITEMS, INT, ITEMS, BINS, gives=types.void)
def behaviour(items: Row, capacity: int, bins: Row, counts: Row) -> None:
    """Counts what `bin_packing.behaviour` reports, from a valid packing.

    counts: bins opened, those of them while the item fitted into an open bin, items put into
    open bins, space left by those, summed.
    """
    remaining = np.full(len(items), capacity, dtype=np.int64)
    histogram = np.zeros(capacity + 1, dtype=np.int64)
    for position in range(len(items)):
        item = items[position]
        chosen = bins[position]
        before = remaining[chosen]
        if before == capacity:
            counts[0] += 1
            for space in range(item, capacity):
                if histogram[space] > 0:
                    counts[1] += 1
                    break
        else:
            histogram[before] -= 1
            counts[2] += 1
            counts[3] += before - item
        remaining[chosen] = before - item
        histogram[before - item] += 1
