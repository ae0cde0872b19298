"""Migration: copies of each island's best go along the edges of a graph.

Source: Whitley, Rana, Heckendorn, "The island model genetic algorithm: on separability, population
size and convergence", J. Computing and Information Technology 7 (1999), 33-47; other graphs:
Tomassini, "Spatially structured evolutionary algorithms" (2005), chapter 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from islands_db.pool import FAILED, Columns
from islands_db.records import Graph

MIGRANTS = 3

Edges = list[tuple[int, int]]


def ring(islands: int) -> Edges:
    """(from, to) for each step of the ring; none where there is one island only."""
    return [(n, (n + 1) % islands) for n in range(islands)] if islands > 1 else []


def star(islands: int) -> Edges:
    """Every island to island 0, and island 0 to every other."""
    return [edge for n in range(1, islands) for edge in ((n, 0), (0, n))]


def complete(islands: int) -> Edges:
    """Every island to every other."""
    return [(a, b) for a in range(islands) for b in range(islands) if a != b]


def edges(graph: Graph, islands: int, given: Sequence[tuple[int, int]]) -> Edges:
    """(from, to) of every migration between islands there are; `given` is for `Graph.EDGES`."""
    match graph:
        case Graph.RING:
            return ring(islands)
        case Graph.STAR:
            return star(islands)
        case Graph.COMPLETE:
            return complete(islands)
        case Graph.EDGES:
            return [(a, b) for a, b in given if max(a, b) < islands]


def migrants(columns: Columns, *, count: int = MIGRANTS) -> list[int]:
    """The slots of the best, best first; of equals the longest there. Failed programs stay."""
    order = np.lexsort((columns.joined, -columns.fitness, -columns.rung))
    return [int(slot) for slot in order[columns.fitness[order] > FAILED][:count]]
