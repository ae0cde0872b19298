"""Successive halving over the stages of a cascade: the best one in so many goes on.

The asynchronous form that decides when a value arrives: a program goes on to the next stage if it
is among the best 1/eta of all that have come through this one, itself included. While there are
fewer than eta, each goes on. Of equals the earlier one is ahead, so a plateau does not pass whole.
What was stopped is not taken up again later, which spares the search from waiting for it.

Source: Li et al., "A system for massively parallel hyperparameter tuning", arXiv 1810.05934 (2018),
algorithm 2; there a stopped one may be promoted later, when more have come in.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

from islands_db import Verdict


class Halving:
    """The values that programs had in each stage.

    Args:
        eta: One in so many goes on; at least 2.
        lag: With it, attempt k is compared with attempts up to k - lag only, which are stored
            whatever the timing. They must be told in the order of their numbers.
    """

    def __init__(self, eta: int, *, lag: int | None) -> None:
        self._eta = eta
        self._lag = lag
        self._values: dict[str, list[float]] = {}
        """Fitness in each stage, ascending."""
        self._recent: deque[tuple[int, str, float]] = deque()
        """Told of, but not to be compared with yet: (attempt, stage, fitness)."""

    def tell(self, attempt: int, verdicts: Iterable[Verdict]) -> None:
        """Notes how an attempt's program did in each stage of training."""
        for verdict in verdicts:
            if verdict.fitness is not None:
                self.note(attempt, verdict.stage, verdict.fitness)

    def note(self, attempt: int, stage: str, fitness: float) -> None:
        """Notes one value; of equals the earlier noted is ahead."""
        self._recent.append((attempt, stage, fitness))
        # whoever is judged from now on has a number above this one
        seen_by_all = attempt if self._lag is None else attempt + 1 - self._lag
        while self._recent and self._recent[0][0] <= seen_by_all:
            _, where, value = self._recent.popleft()
            insort(self._values.setdefault(where, []), value)

    def promotes(self, attempt: int, stage: str, fitness: float) -> bool:
        """Whether an attempt's program goes on from a stage where it had this fitness."""
        values = self._values.get(stage, [])
        newest = attempt - (self._lag or 0)
        recent = [v for other, where, v in self._recent if where == stage and other <= newest]
        ahead = len(values) - bisect_left(values, fitness) + sum(v >= fitness for v in recent)
        rank, total = ahead + 1, len(values) + len(recent) + 1
        return total < self._eta or rank <= total // self._eta
