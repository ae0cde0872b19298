"""What a candidate with the interface `table` is asked, and the ranks that its answers come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluators import Invalid
from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import Items, distributions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """All (item, space left) that an instance can come to, row by row, each int64 of one length."""

    capacity: int
    items: NDArray[np.int64]
    spaces: NDArray[np.int64]


@lru_cache(maxsize=8)
def pairs(distribution: str, sizes: tuple[int, int] | None = None) -> Pairs:
    """Of a distribution: a new bin, or what is left of one that holds an item already.

    Args:
        sizes: Smallest and largest item; by default those that the distribution can draw.
    """
    smallest, largest = sizes or _drawn_sizes(distribution)
    capacity = distributions()[distribution].capacity
    both = [
        (item, space)
        for item in range(smallest, largest + 1)
        for space in (*range(item, capacity - smallest + 1), capacity)
    ]
    items, spaces = np.array(both, dtype=np.int64).T.copy()
    return Pairs(capacity=capacity, items=items, spaces=spaces)


def occurring(distribution: str, instances: Sequence[Items]) -> Pairs:
    """`pairs` of a distribution, and of instances from a file, which may hold other sizes."""
    smallest, largest = _drawn_sizes(distribution)
    smallest = min(smallest, *(int(items.min()) for items in instances))
    largest = max(largest, *(int(items.max()) for items in instances))
    return pairs(distribution, (smallest, largest))


def _drawn_sizes(distribution: str) -> tuple[int, int]:
    drawn = distributions()[distribution]
    return drawn.smallest, drawn.smallest + len(drawn.thresholds)


def ranked(asked: Pairs, answers: NDArray[np.float64]) -> packing.Ranks | Invalid:
    """The rank table of the answers; -1 where nothing was asked."""
    # what was not asked gets the highest rank, which makes no gap between others
    table = np.full((asked.capacity + 1, asked.capacity + 1), np.inf)
    table[asked.items, asked.spaces] = answers
    ranks = packing.rank_table(table, asked.capacity)
    if isinstance(ranks, Invalid):
        return ranks
    known = np.full_like(ranks, -1)
    known[asked.items, asked.spaces] = ranks[asked.items, asked.spaces]
    return known
