"""Who leaves a full population: the worst, but no holder of an archive cell while others are there.

Steady-state replacement of the worst (GENITOR) with the elites of the grid kept, so that a crowd of
near-copies of the best cannot push out what differs. A newcomer equal to the worst replaces it:
neutral changes may drift.

Source: Whitley, "The GENITOR algorithm and selection pressure", ICGA 3 (1989), 116-121.
"""

from __future__ import annotations

import numpy as np

from islands_db.pool import FAILED, NO_SIGNATURE, Columns, Entrant


def leaver(columns: Columns, *, rung: int, fitness: float) -> int | None:
    """The slot that a newcomer takes in a full population; None when it is worse than all there.

    Of equally bad ones the longest there leaves.
    """
    slots = np.flatnonzero(~columns.elite)
    if not len(slots):
        slots = np.arange(len(columns))
    for column in (columns.rung, columns.fitness, columns.joined):
        values = column[slots]
        slots = slots[values == values.min()]
    worst = int(slots[0])
    if (columns.rung[worst], columns.fitness[worst]) > (rung, fitness):
        return None
    return worst


def twin(columns: Columns, entrant: Entrant) -> int | None:
    """The slot of a member that behaves as the newcomer does, as far as the stages could tell.

    FunSearch clusters an island's programs by the signature of their scores and prefers short ones
    in a cluster; here a cluster is its shortest program (Romera-Paredes et al., Nature 625 (2024),
    Methods, "Programs database").
    """
    if entrant.signature == NO_SIGNATURE:
        return None
    alike = np.flatnonzero(
        (columns.signature == entrant.signature) & (columns.rung == entrant.rung)
    )
    return int(alike[0]) if len(alike) else None


def best(columns: Columns) -> int:
    """The slot of the best program; of equals the one that is older in the run.

    A failed one is the best only where all are.
    """
    slots = np.flatnonzero(columns.fitness > FAILED)
    if not len(slots):
        slots = np.arange(len(columns))
    for column in (-columns.rung, -columns.fitness, columns.program):
        values = column[slots]
        slots = slots[values == values.min()]
    return int(slots[0])
