"""The statistics of a comparison: rank tests, their correction, intervals, and a control.

Every figure is ranked only, so a run that never got there counts as the worst (infinite), which a
mean could not express. Everything random has a generator handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class RankTest:
    """Two samples compared by ranks; `superiority` is how often a draw of the first is smaller."""

    p: float
    superiority: float


def rank_test(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """The two-sided test of Mann and Whitney, exact also where values are equal.

    Given the pooled values, every choice of which belong to the first sample is equally likely if
    both come from one distribution. Counting those choices by their sum of midranks is a small
    dynamic program, so no normal approximation is needed, which ties would spoil: runs that never
    reached a target are all equal. The p-value is the share of choices whose rank sum is at least
    as far from its mean.

    `superiority` is P(a < b) + P(a = b) / 2 for a of the first and b of the second.

    Args:
        first: At least one value, `inf` allowed, no NaN.
        second: As `first`.

    Sources: Mann, Whitney, Ann. Math. Statist. 18 (1947), 50-60; Streitberg, Roehmel, "Exact
    distributions for permutation and rank tests", Statistical Software Newsletter 12 (1986), 10-17
    (shift algorithm); Vargha, Delaney, J. Educ. Behav. Statist. 25 (2000), 101-132 (superiority).
    """
    doubled = doubled_midranks([*first, *second])
    m, n = len(first), len(second)
    counts = _rank_sums(tuple(sorted(doubled.tolist())), m)
    observed, mean = int(doubled[:m].sum()), m * (m + n + 1)  # both doubled
    far = np.abs(np.arange(len(counts)) - mean) >= abs(observed - mean)
    p = min(1.0, float(counts[far].sum() / counts.sum()))
    wins = n * m + m * (m + 1) / 2 - observed / 2
    return RankTest(p=p, superiority=wins / (n * m))


def least_p(size: int) -> float:
    """The smallest p that two samples of so many values each can come to: one all before the
    other."""
    return min(1.0, 2 / math.comb(2 * size, size))


def doubled_midranks(values: Sequence[float]) -> NDArray[np.int64]:
    """Twice the rank of each value from 1, equal values sharing the mean of their ranks."""
    array = np.asarray(values, dtype=np.float64)
    _, place, counts = np.unique(array, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: NDArray[np.int64] = (2 * last - counts + 1)[place]
    return shared


@lru_cache(maxsize=256)
def _rank_sums(doubled: tuple[int, ...], size: int) -> Floats:
    """How many subsets of `size` ranks have each sum; float64, as counts may pass 2^63.

    The ranks ascend: a subset of so many of the first few has a sum between that of the first and
    that of the last of them, and nothing outside is touched.
    """
    table = np.zeros((size + 1, sum(doubled[-size:]) + 1))
    table[0, 0] = 1.0
    total = [0, *accumulate(doubled)]
    for seen, rank in enumerate(doubled):
        # from the largest subsets down, so that no rank is taken twice; smaller ones than `fewest`
        # cannot come to `size` any more
        fewest = max(1, size - (len(doubled) - seen - 1))
        for taken in range(min(seen + 1, size), fewest - 1, -1):
            low, high = total[taken - 1], total[seen] - total[seen - taken + 1] + 1
            table[taken, low + rank : high + rank] += table[taken - 1, low:high]
    sums: Floats = table[size]
    return sums


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: all at most alpha are significant at alpha.

    The chance of one false discovery or more stays below alpha, however the tests depend on each
    other.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6
    (1979), 65-70.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def median_interval(
    values: Sequence[float], rng: np.random.Generator
) -> tuple[float, float, float]:
    """The median and a bootstrap interval for it (percentiles, 95 %); `inf` where most are.

    Source: Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7 (1979), 1-26.
    """
    array = np.asarray(values, dtype=np.float64)
    drawn = np.sort(array[rng.integers(len(array), size=(RESAMPLES, len(array)))], axis=1)
    low, high = _percentiles(_middle(drawn))
    return float(_middle(np.sort(array)[None, :])[0]), low, high


def superiority_interval(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], rng: np.random.Generator
) -> tuple[float, float, float]:
    """The mean superiority over several pairs of samples, as `rank_test` has it for one.

    With a bootstrap interval (percentiles, 95 %), for which each sample is drawn anew by itself:
    the pairs, such as problems, are taken as given, not as drawn from more of their kind.

    Args:
        pairs: At least one; of each, samples of at least one value, `inf` allowed, no NaN.

    Source: as of `median_interval`.
    """
    mean, drawn = 0.0, np.zeros(RESAMPLES)
    for first, second in pairs:
        a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
        wins = np.where(a[:, None] == b, 0.5, a[:, None] < b)
        times = [  # how often each value is drawn
            rng.multinomial(len(sample), np.full(len(sample), 1 / len(sample)), size=RESAMPLES)
            for sample in (a, b)
        ]
        mean += float(wins.mean()) / len(pairs)
        drawn += ((times[0] @ wins) * times[1]).sum(axis=1) / (wins.size * len(pairs))
    return mean, *_percentiles(drawn)


def _percentiles(drawn: Floats) -> tuple[float, float]:
    ordered = np.sort(drawn)
    tail = (1 - CONFIDENCE) / 2
    low = ordered[int(np.floor(tail * (RESAMPLES - 1)))]
    high = ordered[int(np.ceil((1 - tail) * (RESAMPLES - 1)))]
    return float(low), float(high)


def _middle(rows: Floats) -> Floats:
    """The median of each sorted row, without making NaN of two infinities."""
    size = rows.shape[1]
    low, high = rows[:, (size - 1) // 2], rows[:, size // 2]
    middle: Floats = np.where(low == high, low, low / 2 + high / 2)
    return middle


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the whole procedure found where there was nothing: methods' labels were permuted."""

    permutations: int
    false_alarms: int
    most_expected: int
    """More alarms than this have a chance below 0.001 if the procedure keeps its level."""

    @property
    def holds(self) -> bool:
        return self.false_alarms <= self.most_expected


def most_alarms(trials: int, alpha: float, chance: float = 0.001) -> int:
    """The smallest k with P(Binomial(trials, alpha) > k) below `chance`."""
    share = (1 - alpha) ** trials
    beyond, k = 1 - share, 0
    while beyond >= chance:
        k += 1
        share *= (trials - k + 1) / k * alpha / (1 - alpha)
        beyond -= share
    return k
