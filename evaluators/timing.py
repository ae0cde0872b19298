"""Statistics of timing one piece of code against another on a noisy machine; pure.

A *round* times candidate, baseline and a second copy of the baseline in blocks, in all six orders
and at addresses drawn anew. What is compared within a round lies within a millisecond, so that load
and clock frequency fall on all alike (pairing). The effect of an order is estimated and removed
within the round; the effect of addresses becomes chance between rounds (Curtsinger and Berger,
"Stabilizer: statistically sound performance evaluation", ASPLOS 2013).

A round gives two logarithms of ratios: candidate to baseline, and copy to baseline, which is zero
but for bias (the A/A control). Over rounds the median is bounded by order statistics: exact for any
distribution, outliers included, if rounds are independent. The bound of the control widens the
interval of the candidate, and where it is too wide nothing is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import permutations
from math import comb, exp, log
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

ORDERS = tuple(permutations((0, 1, 2)))
"""The orders of candidate (0), baseline (1) and its copy (2) within one round."""
FIRST_LOOK = 16
"""Rounds before anything is decided; from there on decisions are looked for at each doubling."""
ERROR = 0.002
"""Chance of an interval that misses, over all looks together."""
LEAST_FLOOR = 0.002
"""The least relative difference that is ever called one: what pairing and layouts leave."""
WORST_CONTROL = 0.012
"""A control that may be off by more than this says that the machine cannot measure now."""


class Decision(StrEnum):
    """What an interval of the ratio says."""

    FASTER = "faster"
    SLOWER = "slower"
    ALIKE = "not told apart"
    CANNOT_JUDGE = "cannot judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Two logarithms of ratios of time: candidate / baseline, and copy / baseline."""

    ratio: float
    control: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A ratio of times, candidate / baseline; below 1 the candidate is faster.

    Attributes:
        ratio: Median over rounds.
        low, high: Interval of the ratio, the floor included. `high` is the conservative end.
        floor: Relative bias that could not be ruled out, as a logarithm.
        rounds: Rounds it rests on.
    """

    decision: Decision
    ratio: float
    low: float
    high: float
    floor: float
    rounds: int

    @property
    def width(self) -> float:
        """Half the interval, relative."""
        return log(self.high / self.low) / 2


def round_of(times: NDArray[np.float64], orders: NDArray[np.int64]) -> Round:
    """What one round says.

    Args:
        times: (blocks, 3), float64, any unit, positive: candidate, baseline, copy.
        orders: (blocks,), the order of each block as an index into `ORDERS`.

    Raises:
        ValueError: shapes differ, a time is not positive and finite, or an order did not occur.
    """
    if times.ndim != 2 or times.shape[1:] != (3,) or orders.shape != times.shape[:1]:
        raise ValueError(f"times of shape {times.shape} with orders of shape {orders.shape}")
    if not (np.isfinite(times).all() and (times > 0).all()):
        raise ValueError("a time is not positive and finite")
    logs = np.log(times)
    differences = np.stack([logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]], axis=1)
    medians = []
    for order in range(len(ORDERS)):
        chosen = differences[orders == order]
        if not len(chosen):
            raise ValueError(f"order {order} did not occur")
        medians.append(np.median(chosen, axis=0))
    # each position occurs equally often for each: what a position costs cancels
    ratio, control = np.mean(medians, axis=0)
    return Round(ratio=float(ratio), control=float(control))


def is_look(rounds: int) -> bool:
    """Whether a decision may be looked for: at 16, 32, 64 ... rounds."""
    return rounds >= FIRST_LOOK and rounds & (rounds - 1) == 0


def compare(
    rounds: Sequence[Round],
    *,
    error: float = ERROR,
    least_floor: float = LEAST_FLOOR,
    worst_control: float = WORST_CONTROL,
) -> Comparison:
    """Decides from all rounds so far.

    The error is spent over looks as error / (j (j + 1)) at look j, so that looking at every
    doubling, for ever, errs with probability at most `error` in all; a last look between two
    doublings counts as the next one.

    Raises:
        ValueError: no rounds.
    """
    if not rounds:
        raise ValueError("no rounds to compare")
    ratios = sorted(one.ratio for one in rounds)
    controls = sorted(one.control for one in rounds)
    count = len(rounds)
    look = max(1, (count - 1).bit_length() - FIRST_LOOK.bit_length() + 2)
    spent = error / (look * (look + 1)) / 2  # one half for each of the two intervals
    middle = float(np.median(ratios))
    rank = _rank(count, spent)
    if rank is None:
        return Comparison(
            decision=Decision.CANNOT_JUDGE, ratio=exp(middle), low=exp(ratios[0]),
            high=exp(ratios[-1]), floor=max(map(abs, controls)), rounds=count,
        )  # fmt: skip
    off = max(-controls[rank], controls[count - 1 - rank], 0.0)
    floor = max(least_floor, off)
    low, high = ratios[rank] - floor, ratios[count - 1 - rank] + floor
    if off > worst_control:
        decision = Decision.CANNOT_JUDGE
    elif high < 0:
        decision = Decision.FASTER
    elif low > 0:
        decision = Decision.SLOWER
    else:
        decision = Decision.ALIKE
    return Comparison(
        decision=decision, ratio=exp(middle), low=exp(low), high=exp(high), floor=floor,
        rounds=count,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _rank(count: int, error: float) -> int | None:
    """The r for which the order statistics r and count - 1 - r (from 0) bound the median.

    The median lies below order statistic r with probability P(Binomial(count, 1/2) <= r); both
    tails together may reach `error`. None where even the extremes do not bound it so well.

    Source: David and Nagaraja, Order Statistics (3rd ed., 2003), section 7.1.
    """
    if count >= 1000:
        # the normal approximation, two ranks wider on the safe side
        rank = count / 2 + NormalDist().inv_cdf(error / 2) * (count / 4) ** 0.5 - 2
        return int(rank)
    below, limit, rank = 0, error / 2 * 2**count, -1
    for successes in range(count):
        below += comb(count, successes)
        if below > limit:
            break
        rank = successes
    return rank if rank >= 0 else None
