"""Whether a change does anything, judged from the differences it makes on the same draws.

A one-sample t test on paired differences, at a level that is shared among all questions of one
account and all looks at each. Source: Student, "The probable error of a mean", Biometrika 6 (1908);
distribution for whole degrees of freedom: Abramowitz and Stegun, 26.7.3 and 26.7.4.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

LEVEL = 0.01
"""Chance that any claim of one account is false, where differences are about normal: half of it for
the steps, half for the parts."""
FIRST, MOST, TIMES = 8, 2048, 4
"""Draws at the first look, at the last, and how many times as many at each look as before."""
USUAL = 128
"""Draws that are made whatever they cost, where they are needed. On fewer, equal differences, of
which no spread can be told, are not believed: what one draw in 40 shows is missed by 32 in 4 cases
of 9."""
SMALL = 0.02
"""An effect within this share of how far the line went is none, where there are no more draws."""
TINY = 0.001
"""The same where there are more, even if it is shown to be one; what is exact counts as it is."""
LUCK = 6
"""A gain in training beyond so many standard deviations of what one fresh draw shows is more than
luck, however small it is beside the line."""
CARRIED = 0.25
"""A gain of which less than this share is left on fresh draws was learnt by heart."""


class Word(StrEnum):
    """What a change does to the objective on fresh draws."""

    GAIN = "gain"
    LOSS = "loss"
    NONE = "no effect"
    OVERFIT = "overfit"
    NEEDED = "needed"
    """Without it the program is not valid, or does not come to the same stage."""
    UNCLEAR = "unclear"
    """Too small beside the noise for so many draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much better a program is with a change than without, in the objective's unit.

    Attributes:
        training: On the training draw; None where that cannot be compared.
        mean: Mean over fresh draws; None where the program without it is not valid.
        low: Lower end of its confidence interval.
        draws: How many fresh draws there were.
        further: Of them, those on which the program came to a later stage than without the change,
            or alone had a score. They are not in the mean.
        behind: The same of the program without it.
    """

    word: Word
    training: float | None
    mean: float | None
    low: float | None
    high: float | None
    draws: int
    further: int = 0
    behind: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How far a line of programs went, the measure of what is small: on fresh draws, and there or
    in training, whichever is more."""

    fresh: float
    most: float


def effect(
    differences: Sequence[float],
    *,
    training: float | None,
    span: Span,
    level: float,
    more: bool = False,
    noisy: bool = False,
) -> Effect:
    """What differences on fresh draws (with the change less without, positive is better) say.

    Args:
        training: The difference on the training draw.
        level: Chance of a false claim that this question may take.
        more: More draws can be had, so that what is small may yet turn out to be something.
        noisy: A program's score changes when it is judged again, in training too.
    """
    mean = statistics.fmean(differences)
    half = interval(differences, level=level)
    low, high = mean - half, mean + half
    small, tiny = SMALL * span.fresh, TINY * span.fresh
    learnt = (
        training is not None
        and training > 0
        and (
            training > LUCK * deviation(differences) or (training > SMALL * span.most and not noisy)
        )
    )
    if more and half == 0 and len(differences) < USUAL:
        word = Word.UNCLEAR
    elif not any(differences):
        word = Word.OVERFIT if learnt else Word.NONE
    elif training is not None and learnt and high < CARRIED * training:
        word = Word.OVERFIT
    elif half and -tiny <= low and high <= tiny:
        word = Word.NONE
    elif low > 0:
        word = Word.GAIN
    elif high < 0:
        word = Word.LOSS
    elif not more and -small <= low and high <= small:
        word = Word.NONE
    else:
        word = Word.UNCLEAR
    return Effect(
        word=word, training=training, mean=mean, low=low, high=high, draws=len(differences)
    )


def interval(values: Sequence[float], *, level: float) -> float:
    """Half the width of the two-sided confidence interval of the mean; 0 for equal values."""
    spread = deviation(values)
    if not spread:
        return 0.0
    count = len(values)
    return quantile(1 - level / 2, count - 1) * spread / math.sqrt(count)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation; 0 for equal values, and for a single one."""
    if len(values) < 2:
        return 0.0
    spread = statistics.stdev(values)
    return 0.0 if spread <= 1e-12 * max(map(abs, values)) else spread


@lru_cache(maxsize=256)
def quantile(probability: float, freedom: int) -> float:
    """Student's t for a probability above 1/2."""
    low, high = 0.0, 1.0
    while _distribution(high, freedom) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if _distribution(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def _distribution(t: float, freedom: int) -> float:
    """P(T <= t) for t >= 0."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    if freedom % 2:  # 26.7.3
        total, term = 0.0, cosine
        for k in range(1, freedom - 1, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        two_sided = 2 / math.pi * (angle + sine * total)
    else:  # 26.7.4
        total, term = 0.0, 1.0
        for k in range(0, freedom - 1, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        two_sided = sine * total
    return 0.5 + two_sided / 2
