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

from islands_db.pool import Columns


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
        # doubles, as differences of the largest floats are infinite
        self._rows = np.frombuffer(b"".join(rows), "<f4").astype(float).reshape(len(rows), -1)
        self._tolerances: dict[int, float] = {}

    def draw(self, rng: random.Random) -> tuple[Columns, int]:
        """The columns and slot of one program."""
        rows = self._rows
        untried = list(range(rows.shape[1]))
        left = np.arange(len(rows))
        while len(left) > 1 and untried:
            # one case is drawn at a time, as few are needed
            place = rng.randrange(len(untried))
            untried[place], untried[-1] = untried[-1], untried[place]
            case = untried.pop()
            here = rows[left, case]
            left = left[here >= here.max() - self._tolerance(case)]
        last = np.flatnonzero(np.isin(self._row_of, left))
        return self._places[int(last[rng.randrange(len(last))])]

    def _tolerance(self, case: int) -> float:
        known = self._tolerances.get(case)
        if known is None:
            column = self._rows[self._row_of, case]
            middle = len(column) // 2
            column = np.abs(column - np.partition(column, middle)[middle])
            known = self._tolerances[case] = float(np.partition(column, middle)[middle])
        return known


def comparable(pools: Sequence[Columns]) -> Contest | None:
    """The programs of these pools that can be compared; None where none of the first has cases.

    They passed the most stages, and have as many cases as the best of them. One that is in several
    pools counts once.
    """
    if not any(pools[0].cases):
        return None
    found: dict[int, tuple[int, float, Columns, int, bytes]] = {}
    for pool in pools:
        columns = (pool.program, pool.rung, pool.fitness, pool.cases)
        each = zip(*(column.tolist() for column in columns), strict=True)
        for slot, (program, rung, fitness, cases) in enumerate(each):
            if cases:
                found.setdefault(program, (rung, fitness, pool, slot, cases))
    most, _, best = max((rung, fitness, -program) for program, (rung, fitness, *_) in found.items())
    size = len(found[-best][-1])
    alike = [one for one in found.values() if one[0] == most and len(one[-1]) == size]
    return Contest([(pool, slot) for *_, pool, slot, _ in alike], [one[-1] for one in alike])
