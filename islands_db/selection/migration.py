"""Migration: copies of each island's best go to the next one around the ring.

Source: Whitley, Rana, Heckendorn, "The island model genetic algorithm: on separability, population
size and convergence", J. Computing and Information Technology 7 (1999), 33-47.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from islands_db.pool import Columns

MIGRANTS = 3


def ring(islands: int) -> Iterator[tuple[int, int]]:
    """(from, to) for each step of the ring; none where there is one island only."""
    if islands > 1:
        yield from ((island, (island + 1) % islands) for island in range(islands))


def migrants(columns: Columns, *, count: int = MIGRANTS) -> list[int]:
    """The slots of the best, best first; of equals the longest there."""
    order = np.lexsort((columns.joined, -columns.fitness, -columns.rung))
    return [int(slot) for slot in order[:count]]
