"""What a run may still spend: evaluations, minutes, and the target that ends it early."""

from __future__ import annotations

import time

from evolve.config import Budget as Limits
from evolve.problem import Objective


class Budget:
    """Counts against the limits; totals of the run, so that a resume goes on where it was.

    An evaluation is reserved before it starts and given back when the evaluator was at fault.
    """

    def __init__(self, limits: Limits, *, evaluated: int = 0, elapsed_s: float = 0.0) -> None:
        self.limits = limits
        self.evaluations = evaluated
        self._before_s = elapsed_s
        self._began = time.monotonic()
        self.reached_target = False

    @property
    def elapsed_s(self) -> float:
        return self._before_s + time.monotonic() - self._began

    def change(self, limits: Limits) -> None:
        self.limits = limits
        self.reached_target = False

    def reserve_evaluation(self) -> None:
        self.evaluations += 1

    def give_back_evaluation(self) -> None:
        self.evaluations -= 1

    def see(self, objective: Objective, value: float) -> None:
        """Notes a champion's value against the target."""
        if self.limits.target is not None and objective.reaches(value, self.limits.target):
            self.reached_target = True

    def spent(self) -> str:
        """Why the run must stop, or an empty text."""
        if self.limits.evals is not None and self.evaluations >= self.limits.evals:
            return f"{self.limits.evals} evaluations used"
        return self.over()

    def over(self) -> str:
        """As `spent`, leaving aside evaluations, which are reserved one by one."""
        if self.reached_target:
            return f"target {self.limits.target:g} reached"
        if self.limits.minutes is not None and self.elapsed_s >= self.limits.minutes * 60:
            return f"{self.limits.minutes:g} minutes used"
        return ""

    def seconds_left(self) -> float | None:
        if self.limits.minutes is None:
            return None
        return max(0.0, self.limits.minutes * 60 - self.elapsed_s)
