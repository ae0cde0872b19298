"""The branches beside a line of programs: what led nowhere, and how far it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evolve.problem import Objective
from islands_db import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What a child that is not on the line became: with all that came from it, and its best."""

    root: int
    programs: int
    best: int
    best_value: float | None


def branches(
    history: History, line: Sequence[int], objective: Objective
) -> dict[int, list[Branch]]:
    """For each program of the line, what its other children came to, the best branch first.

    O(n log n) in the programs of the run, a second or so for a million.
    """
    made = history.program > 0
    ids, parents = history.program[made], history.parent[made]
    rung, fitness = history.rung[made], history.fitness[made]
    size = int(ids.max(initial=0)) + 1
    parent_of = np.zeros(size, dtype=np.int64)
    parent_of[ids] = parents
    on_line = np.zeros(size, dtype=np.bool_)
    on_line[list(line)] = True
    # everyone points to the parent, and the first of a branch to itself; then paths are halved
    branch_of = np.arange(size)
    inner = (parent_of > 0) & ~on_line & ~on_line[parent_of]
    branch_of[inner] = parent_of[inner]
    while True:
        further = branch_of[branch_of]
        if np.array_equal(further, branch_of):
            break
        branch_of = further
    counts = np.bincount(branch_of[ids], minlength=size)
    worst_first = np.lexsort((-ids, np.nan_to_num(fitness, nan=-np.inf), rung))
    best_of = np.zeros(size, dtype=np.int64)
    best_of[branch_of[ids[worst_first]]] = ids[worst_first]
    value_of = np.full(size, np.nan)
    value_of[ids] = fitness
    sign = 1.0 if objective.direction == "max" else -1.0
    found: dict[int, list[Branch]] = {}
    roots = np.flatnonzero(on_line[parent_of] & ~on_line & (parent_of > 0))
    rank_of = np.zeros(size, dtype=np.int64)
    rank_of[ids[worst_first]] = np.arange(len(ids))
    for root in roots[np.argsort(-rank_of[best_of[roots]])].tolist():
        best = int(best_of[root])
        value = float(value_of[best])
        branch = Branch(
            root=root,
            programs=int(counts[root]),
            best=best,
            best_value=None if np.isnan(value) else sign * value,
        )
        found.setdefault(int(parent_of[root]), []).append(branch)
    return found
