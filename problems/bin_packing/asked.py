"""What a candidate with the interface `table` is asked, and the ranks that its answers come to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluators import Invalid
from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import distributions


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """All (item, space left) that an instance can come to, row by row, each int64 of one length."""

    capacity: int
    items: NDArray[np.int64]
    spaces: NDArray[np.int64]


@lru_cache(maxsize=8)
def pairs(distribution: str) -> Pairs:
    """Of a distribution: a new bin, or what is left of one that holds an item already."""
    drawn = distributions()[distribution]
    largest = drawn.smallest + len(drawn.thresholds)
    both = [
        (item, space)
        for item in range(drawn.smallest, largest + 1)
        for space in (*range(item, drawn.capacity - drawn.smallest + 1), drawn.capacity)
    ]
    items, spaces = np.array(both, dtype=np.int64).T.copy()
    return Pairs(capacity=drawn.capacity, items=items, spaces=spaces)


def ranked(distribution: str, answers: NDArray[np.float64]) -> packing.Ranks | Invalid:
    """The rank table of the answers to `pairs`; -1 where nothing was asked."""
    asked = pairs(distribution)
    # what was not asked gets the highest rank, which makes no gap between others
    table = np.full((asked.capacity + 1, asked.capacity + 1), np.inf)
    table[asked.items, asked.spaces] = answers
    ranks = packing.rank_table(table, asked.capacity)
    if isinstance(ranks, Invalid):
        return ranks
    known = np.full_like(ranks, -1)
    known[asked.items, asked.spaces] = ranks[asked.items, asked.spaces]
    return known
