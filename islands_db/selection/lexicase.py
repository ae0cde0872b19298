"""Selection by test cases: a program that is best where others fail becomes a parent too.

The cases come in a random order, drawn anew for every parent. In each only the programs that are
best in it, up to a tolerance, go on to the next one, until one is left. A program that does one
hard case right is drawn although its mean is bad; a mean never looks at it. The tolerance of a case
is the median absolute deviation from the median of all programs there, so that measured errors
part as right and wrong answers do; where most are equal it is 0.

Source: Helmuth, Spector, Matheson, "Solving uncompromising problems with lexicase selection",
IEEE Trans. Evol. Comput. 19 (2015), 630-643, algorithm 1; La Cava, Spector, Danai,
"Epsilon-lexicase selection for regression", GECCO 2016, 741-748; La Cava, Helmuth, Spector, Moore,
"A probabilistic and multi-objective analysis of lexicase selection and epsilon-lexicase selection",
Evol. Comput. 27 (2019), 377-402 (semi-dynamic: the tolerance is of all programs, the best of those
left).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from islands_db.pool import FAILED, Columns, Floats

MOST = 256
"""So many of a pool take part, the best: an archive may have thousands."""


class Contest:
    """The programs that can be drawn by their cases; any number of draws.

    Args:
        places: Columns and slot of each.
        cases: What each scored by case, as in `Entrant`; all of one length, above 0.
    """

    def __init__(self, places: Sequence[tuple[Columns, int]], cases: Sequence[bytes]) -> None:
        self._places = places
        rows = {row: number for number, row in enumerate(dict.fromkeys(cases))}
        self._row_of = np.array([rows[row] for row in cases])
        # what scored alike in every case stays together to the end
        self._rows = np.frombuffer(b"".join(rows), "<f4").reshape(len(rows), -1)
        self._tolerances: dict[int, float] = {}

    def draw(self, rng: random.Random) -> tuple[Columns, int]:
        """The columns and slot of one program."""
        untried = list(range(self._rows.shape[1]))
        left = np.arange(len(self._rows))
        while len(left) > 1 and untried:
            # one case is drawn at a time, as few are needed
            place = rng.randrange(len(untried))
            untried[place], untried[-1] = untried[-1], untried[place]
            case = untried.pop()
            column = self._column(case)
            here = column[left]
            left = left[here >= here.max() - self._tolerance(case, column)]
        last = np.flatnonzero(np.isin(self._row_of, left))
        return self._places[int(last[rng.randrange(len(last))])]

    def _column(self, case: int) -> Floats:
        # doubles, as the largest floats have infinite differences
        return self._rows[:, case].astype(float)

    def _tolerance(self, case: int, column: Floats) -> float:
        known = self._tolerances.get(case)
        if known is None:
            all_programs = column[self._row_of]
            deviations = np.abs(all_programs - np.median(all_programs))
            known = self._tolerances[case] = float(np.median(deviations))
        return known


def comparable(pools: Sequence[Columns]) -> Contest | None:
    """The programs of these pools that are comparable by case; None where they are too few.

    Those that passed the most stages, and have as many cases as the best of them; at least half
    must have, or what a program hands out would decide who becomes a parent. One that is in several
    pools counts once.
    """
    if not any(pools[0].cases):
        return None
    found: dict[int, tuple[int, float, Columns, int, bytes]] = {}
    for pool in pools:
        slots = np.arange(len(pool))
        if len(pool) > MOST:
            slots = np.lexsort((pool.program, -pool.fitness, -pool.rung))[:MOST]
        columns = (slots, pool.program[slots], pool.rung[slots], pool.fitness[slots])
        each = zip(*(column.tolist() for column in columns), strict=True)
        for slot, program, rung, fitness in each:
            if fitness > FAILED:
                found.setdefault(program, (rung, fitness, pool, slot, pool.cases[slot]))
    most, _, best = max((rung, fitness, -program) for program, (rung, fitness, *_) in found.items())
    size = len(found[-best][-1])
    passed = [one for one in found.values() if one[0] == most]
    alike = [one for one in passed if len(one[-1]) == size]
    if not size or 2 * len(alike) < len(passed):
        return None
    return Contest([(pool, slot) for *_, pool, slot, _ in alike], [one[-1] for one in alike])
