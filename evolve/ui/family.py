"""The family tree of a run's programs, as columns."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from evolve.ui.figures import Plain
from evolve.watched import Watched

TREE = 20_000
"""So many programs a family tree holds: the best, with all they come from."""


def tree(run: Watched) -> Plain:
    """The family as columns: parents before children, the best with all they come from."""
    with run.reading():
        table = run.programs.table
        rows = _with_ancestors(run, TREE) if len(table) > TREE else np.arange(len(table))
        values = run.values[rows]
        champion = run.champion()
        return {
            "objective": asdict(run.objective),
            "total": len(table),
            "champion": champion,
            "line": _line_of(run, champion),
            "banned": sorted(run.banned),
            "proposers": list(run.programs.proposers),
            "operators": list(run.programs.operators),
            "columns": {
                "id": table["id"][rows].tolist(),
                "parent": table["parent"][rows].tolist(),
                "generation": table["generation"][rows].tolist(),
                "island": table["island"][rows].tolist(),
                "proposer": table["proposer"][rows].tolist(),
                "operator": table["operator"][rows].tolist(),
                "rung": table["rung"][rows].tolist(),
                "value": [None if np.isnan(v) else v for v in values.tolist()],
            },
        }


def _with_ancestors(run: Watched, most: int) -> NDArray[np.int64]:
    """Rows of the best programs and of all they come from, at most about so many."""
    table = run.programs.table
    fitness = np.nan_to_num(table["fitness"], nan=-np.inf)
    above = np.where(table["parent"], np.searchsorted(table["id"], table["parent"]), -1).tolist()
    kept: set[int] = set()
    for row in np.lexsort((-fitness, -table["rung"])).tolist():
        if len(kept) >= most:
            break
        while 0 <= row < len(above) and row not in kept:
            kept.add(row)
            row = above[row]
    return np.array(sorted(kept), dtype=np.int64)


def _line_of(run: Watched, program: int | None) -> list[int]:
    line: list[int] = []
    while program:
        line.append(program)
        parent = int(run.programs.table["parent"][run.row(program)])
        program = parent if parent < program else None  # in a sound run it always is
    return line[::-1]
