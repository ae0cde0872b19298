"""Repeated measurement of a score that has noise, with a race against the parent.

One lucky measurement must not make a champion. A stage with `repeats` measures a program anew, each
time in a fresh process, and its mean counts. A program that is clearly behind its parent is not
measured further: where the mean plus two standard errors does not come up to the parent's value.

Source: Maron, Moore, "Hoeffding races: accelerating model selection search", NIPS 6 (1994), 59-66,
with an interval from the sample's own spread in place of Hoeffding's bound, which needs a range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import fmean, stdev

from evolve.problem import Number, Score

LEAST = 2
"""Measurements before a race can be lost; from one alone the noise is not known."""
ERRORS = 2.0


def behind(fitness: Sequence[float], mark: float | None) -> bool:
    """Whether a program measured like this is clearly worse than the mark."""
    if mark is None or len(fitness) < LEAST:
        return False
    return fmean(fitness) + ERRORS * standard_error(fitness) < mark


def standard_error(values: Sequence[float]) -> float:
    """Of the mean of at least two values."""
    return stdev(values) / math.sqrt(len(values))


def mean_score(scores: Sequence[Score], objective: str) -> Score:
    """One score for several measurements of one program.

    Values and cases are means, exact where none is a float. Artifact and feedback are the first's.
    Added are `measurements`, and `standard_error` of the objective where there were several.
    """
    first = scores[0]
    values: dict[str, Number] = {
        name: _mean([score.values[name] for score in scores])
        for name in first.values
        if all(name in score.values for score in scores)
    }
    values["measurements"] = len(scores)
    if len(scores) > 1:
        measured = [float(score.values[objective]) for score in scores]
        values["standard_error"] = standard_error(measured)
    return Score(
        artifact=first.artifact,
        feedback=first.feedback,
        features=first.features,
        metrics=values,
        cases=_mean_cases([score.cases for score in scores]),
    )


def _mean_cases(measured: Sequence[Sequence[Number]]) -> list[Number]:
    if len({len(cases) for cases in measured}) > 1:
        return []  # what is not the same case in every measurement has no mean
    return [_mean(values) for values in zip(*measured, strict=True)]


def _mean(values: Sequence[Number]) -> Number:
    if any(isinstance(value, float) for value in values):
        return fmean(values)
    total = sum((Fraction(value) for value in values), Fraction())
    mean = total / len(values)
    return int(mean) if mean.denominator == 1 else mean
