"""Figures of single programs that several views show, as plain data."""

from __future__ import annotations

import numpy as np

from evolve.lineage import value_in
from evolve.problem import SplitKind
from evolve.watched import Watched
from islands_db import Reader

Plain = dict[str, object]


def value_at(run: Watched, program: int | None) -> float | None:
    if program is None:
        return None
    fitness = float(run.programs.table["fitness"][run.row(program)])
    return None if np.isnan(fitness) else run.sign * fitness


def standing(run: Watched, reader: Reader, program: int) -> Plain:
    """A program's value in each split."""
    return {
        "id": program,
        "training": value_at(run, program),
        "validation": run.validated.get(program),
        "test": value_in(reader.verdicts(program), SplitKind.TEST, run.objective),
    }


def line(run: Watched, row: int) -> Plain:
    """A program as a row of a table."""
    one = run.programs.table[row]
    id, fitness = int(one["id"]), float(one["fitness"])
    return {
        "id": id,
        "parent": int(one["parent"]) or None,
        "value": None if np.isnan(fitness) else run.sign * fitness,
        "validation": run.validated.get(id),
        "fell_behind": run.draws.get(id, 0) < max(run.draws.values(), default=0),
        "rung": int(one["rung"]),
        "generation": int(one["generation"]),
        "island": int(one["island"]),
        "length": int(one["length"]),
        "proposer": run.programs.proposers[int(one["proposer"])],
        "operator": run.programs.operators[int(one["operator"])],
        "banned": id in run.banned,
    }
