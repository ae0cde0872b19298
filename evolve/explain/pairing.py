"""Two programs on the same draws: how the one differs from the other, draw by draw."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Rank = tuple[int, float]
"""The stage a program came to on a draw, and its fitness there."""

ROUNDING = 1e-9
"""Differences within this share of the values, or of how far the line went, are rounding. Whole
numbers are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What a program has over another on the draws that both were asked on.

    Attributes:
        differences: In fitness, positive is better, on the draws on which both came to the same
            stage; where those are several stages, on the draws of the one most often come to.
        further: Draws on which it came to a later stage, or it alone has a score.
        behind: Draws on which the other did.
    """

    differences: Sequence[float]
    further: int
    behind: int

    @property
    def uneven(self) -> int:
        return self.further + self.behind

    @property
    def mean(self) -> float | None:
        """Of the differences; None where the programs mostly come to different stages."""
        if len(self.differences) <= self.uneven:
            return None
        return math.fsum(self.differences) / len(self.differences)

    @property
    def lead(self) -> float:
        """Above 0 where the program is better on the whole, below where it is worse."""
        mean = self.mean
        return self.further - self.behind if mean is None else mean

    @property
    def chance(self) -> float:
        """The chance of so many draws on one side if both sides were as likely (sign test)."""
        more = max(self.further, self.behind)
        tail = sum(math.comb(self.uneven, count) for count in range(more, self.uneven + 1))
        return min(1.0, 2 * tail / (1 << self.uneven))


def paired(
    ours: Sequence[Rank | None], theirs: Sequence[Rank | None], *, scale: float = 0.0
) -> Pairs:
    """Compares what two programs came to on the same draws; the shorter of the two decides.

    Args:
        scale: How far the line went; what is nothing beside that is rounding as well.
    """
    both = list(zip(ours, theirs, strict=False))
    shared = [
        (one, other)
        for one, other in both
        if one is not None and other is not None and one[0] == other[0]
    ]
    usual = _usual([one for one, _ in shared])
    return Pairs(
        differences=[
            difference(one[1], other[1], scale=scale) for one, other in shared if one[0] == usual
        ],
        further=sum(_further(one, other) for one, other in both),
        behind=sum(_further(other, one) for one, other in both),
    )


def difference(one: float, other: float, *, scale: float = 0.0) -> float:
    """One less the other; 0 where that is no more than rounding."""
    found = one - other
    if one.is_integer() and other.is_integer():
        return found
    return 0.0 if abs(found) <= ROUNDING * max(abs(one), abs(other), scale) else found


def typical(ranks: Sequence[Rank | None]) -> Rank | None:
    """The stage most often come to, and the mean there; None without any score."""
    scored = [rank for rank in ranks if rank is not None]
    if not scored:
        return None
    usual = _usual(scored)
    values = [value for rung, value in scored if rung == usual]
    return usual, math.fsum(values) / len(values)


def _usual(ranks: Sequence[Rank]) -> int:
    counts = Counter(rung for rung, _ in ranks)
    return max(counts, key=lambda rung: (counts[rung], rung), default=0)


def _further(one: Rank | None, other: Rank | None) -> bool:
    return one is not None and (other is None or one[0] > other[0])
