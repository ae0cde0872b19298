"""The instances of online bin packing: five distributions, drawn from a seed.

A draw is the same on every Python and numpy and on every machine: it uses only
`random.Random(integer).random()`, which Python promises to keep, and thresholds that are
computed in decimal arithmetic, not by the machine's exponential.

Source of the distributions: Romera-Paredes et al., "Mathematical discoveries from program search
with large language models", Nature 625 (2024); Falkenauer, "A hybrid grouping genetic algorithm
for bin packing", J. Heuristics 2 (1996), for OR1-OR4 of the OR-Library.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Items = NDArray[np.int64]
"""The sizes of one instance's items in the order of their arrival."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How long an instance is and how its sizes are drawn."""

    capacity: int
    length: int
    smallest: int
    thresholds: Sequence[float]
    """P(size <= smallest), P(size <= smallest + 1), ... up to the last below 1."""


def _weibull(scale: int, shape: int, capacity: int) -> tuple[float, ...]:
    # round(x) <= k exactly when x <= k + 1/2, up to a null set; decimal exp is correctly rounded
    context = Context(prec=40)
    tails = (
        context.exp(-context.power(context.divide(Decimal(2 * k + 1), Decimal(2 * scale)), shape))
        for k in range(1, capacity)
    )
    return tuple(float(1 - tail) for tail in tails)


def _uniform(low: int, high: int) -> tuple[float, ...]:
    sizes = high - low + 1
    return tuple(k / sizes for k in range(1, sizes))


@cache
def distributions() -> dict[str, Distribution]:
    """All distributions by name."""
    weibull = Distribution(
        capacity=100, length=5000, smallest=1, thresholds=_weibull(scale=45, shape=3, capacity=100)
    )
    uniform = {
        name: Distribution(
            capacity=150, length=length, smallest=20, thresholds=_uniform(low=20, high=100)
        )
        for name, length in {"or1": 120, "or2": 250, "or3": 500, "or4": 1000}.items()
    }
    return {"weibull5k": weibull, **uniform}


def names() -> tuple[str, ...]:
    """The names of the distributions."""
    return tuple(distributions())


@lru_cache(maxsize=8)
def draw(distribution: str, count: int, seed: int) -> tuple[Items, ...]:
    """`count` instances, read-only; a smaller count gives the first ones of a larger one.

    Raises:
        ValueError: no such distribution, or a negative seed.
    """
    if distribution not in distributions():
        raise ValueError(f"no distribution {distribution!r}; there are: {', '.join(names())}")
    if seed < 0:
        raise ValueError(f"seed {seed} is negative")
    chosen = distributions()[distribution]
    thresholds = np.array(chosen.thresholds)
    return tuple(
        _frozen(
            np.searchsorted(
                thresholds, _uniforms(distribution, seed, index, chosen.length), "right"
            )
            + chosen.smallest
        )
        for index in range(count)
    )


def _uniforms(distribution: str, seed: int, index: int, length: int) -> list[float]:
    name = f"online bin packing/{distribution}/{seed}/{index}"
    uniform = random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest())).random
    return [uniform() for _ in range(length)]


def _frozen(items: NDArray[np.intp]) -> Items:
    result = np.ascontiguousarray(items, dtype=np.int64)
    result.flags.writeable = False
    return result


def lower_bound(items: Items, capacity: int) -> int:
    """L1: the sizes' sum over the capacity, rounded up."""
    return -(-int(items.sum()) // capacity)


# SHA-256 of the published instances in their published order, see `fingerprint`.
PUBLISHED = {
    "weibull5k": "e1f97386c7791e9f6d903257c88b2981db5431ebfe9eb7dff0150ae0d5c12ce5",
    "or1": "55d96929c534c5c26299ba45074f725a7313d65b0939944cc0ca9075ac321935",
    "or2": "1d3993878d04ab5bfdab10fedef9c976a7c112eb1af015c136b7124585b90a27",
    "or3": "0425c28a8a20610e26cf143f4d974c83c91c5eaaf595b611bb9e5756dfc3c30d",
    "or4": "b58acf8f460128aa37e0c01e5c9e517acd34f6d6a83838a93d58f38b157c065b",
}


def fingerprint(instances: Sequence[Items]) -> str:
    """SHA-256 of the instances: sizes separated by spaces, one instance a line."""
    text = "\n".join(" ".join(map(str, items.tolist())) for items in instances)
    return hashlib.sha256(text.encode()).hexdigest()
