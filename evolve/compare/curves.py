"""The curve of a run: the best value so far against what was spent, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from evolve.compare.plan import Comparison, Contest, Measure
from islands_db import Reader
from islands_db.history import History

PAUSE_S = 60.0
"""Nothing settled for so long: the run was cut off and went on later. Left out of seconds."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to, as it is kept.

    Attributes:
        steps: (spent, value) wherever the best in training rose; values in the objective's own
            sign, of programs that reached the last stage.
        spent: All that the run used, in the unit of the comparison's budget.
        final: The champion's value, None where there was no valid program.
        split: On which draw that was.
        fates: How many attempts came to what.
        fault: Why the run has no result; then all else is empty.
    """

    method: str
    problem: str
    seed: int
    steps: list[tuple[float, float]] = []
    spent: float = 0.0
    final: float | None = None
    split: str = ""
    fates: dict[str, int] = {}
    usd: float = 0.0
    fault: str = ""


def steps_of(
    database: Path, contest: Contest, unit: str
) -> tuple[list[tuple[float, float]], float]:
    """The steps of a run's curve, and all that it spent."""
    with Reader(database) as reader:
        history = reader.history()
    order = (
        np.argsort(history.attempt) if unit == "evaluations" else np.arange(len(history.attempt))
    )
    spent = _spent(history, unit)[order]
    objective = contest.task.problem.objectives[0]
    sign = 1.0 if objective.direction == "max" else -1.0
    last = len(contest.task.problem.stages) - 1
    fitness = np.where(history.rung >= last, history.fitness, np.nan)[order]
    best, steps = -math.inf, []
    for at, value in zip(spent.tolist(), fitness.tolist(), strict=True):
        if value > best:
            best = value
            steps.append((at, sign * value))
    return steps, float(spent[-1]) if len(spent) else 0.0


def _spent(history: History, unit: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    match unit:
        case "evaluations":
            order = np.argsort(history.attempt)
            spent = np.empty(len(order))
            spent[order] = np.cumsum(history.ran[order])
            return spent
        case "seconds":
            steps = np.diff(history.settled, prepend=history.settled[:1])
            return np.cumsum(np.where((steps < 0) | (steps > PAUSE_S), 0.0, steps))
        case _:
            return np.cumsum(history.cost_usd)


def measured(trace: Trace, comparison: Comparison, measure: Measure) -> float:
    """One figure of a run, the smaller the better; `inf` where it has none.

    Values of an objective that is maximised are negated; `shown` turns them back.
    """
    contest = comparison.contests[trace.problem]
    objective = contest.task.problem.objectives[0]
    sign = -1.0 if objective.direction == "max" else 1.0
    match measure:
        case Measure.FINAL:
            return math.inf if trace.final is None else sign * trace.final
        case Measure.AREA:
            return sign * area(trace.steps, comparison.limit) if trace.steps else math.inf
        case Measure.TO_TARGET:
            if contest.target is None:
                return math.inf
            reached = [at for at, v in trace.steps if objective.reaches(v, contest.target)]
            return reached[0] if reached and reached[0] <= comparison.limit else math.inf


def area(steps: Sequence[tuple[float, float]], limit: float) -> float:
    """The mean over [0, limit] of the best value; before the first step it counts as that one.

    So it has the objective's unit. The steps are exact, nothing is sampled.
    """
    inside = [step for step in steps if step[0] < limit] or [steps[0]]
    ends = [min(at, limit) for at, _ in inside[1:]] + [limit]
    total, before = 0.0, 0.0
    for (_, value), end in zip(inside, ends, strict=True):
        total += value * (end - before)
        before = end
    return total / limit


def value_at(steps: Sequence[tuple[float, float]], spent: float) -> float | None:
    """The best value once so much was spent."""
    known = [value for at, value in steps if at <= spent]
    return known[-1] if known else None
