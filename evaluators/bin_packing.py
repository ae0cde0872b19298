"""Online bin packing: packing by a rank table, and the exact verifier of packings.

Items arrive one by one and each is put into a bin before the next is seen. A heuristic of the
form priority(item, remaining) is, on integers, nothing but a table; only the order of its values
counts. So it is turned into ranks once, and everything after that is exact in integers.

The rule: an item goes to the bin with the highest rank among all open bins it fits into and one
new bin, whose remaining space is the capacity. Among equal ranks the fullest bin wins; among
bins with the same space left, which are interchangeable, the one that got there last.

The certificate shows: every item of every instance is in exactly one bin, no bin is too full, the
instances are those drawn from the seed (where one is named), and, with a rank table, that the
packing is what the table gives item by item, so it is online. Without a table (metric `online` 0)
it does not show that the future was not used. It never shows that the table was found without
knowledge of the instances; that rests on how the seed was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from evaluators.bin_packing_instances import (
    PUBLISHED,
    Items,
    distributions,
    draw,
    fingerprint,
    lower_bound,
    names,
)
from evaluators.results import Invalid, Valid, Verifier

Bins = NDArray[np.int64]
"""The bin of every item of one instance, in the order of arrival."""
Ranks = NDArray[np.int16]
"""Rank of [item][remaining]; -1 where the item does not fit, or where no instance comes to."""

MAX_CAPACITY = 10_000
MAX_INSTANCES = 2_000
MAX_ITEMS = 1_000_000
"""Of all instances of one certificate together: a few seconds of checking at most."""


def rank_table(priorities: object, capacity: int) -> Ranks | Invalid:
    """Dense ranks per item of a table of priorities; equal priorities get equal ranks.

    Args:
        priorities: Square table [item][remaining] with capacity + 1 rows, an array or lists of
            int or float; not trusted. Only 1 <= item <= remaining <= capacity is read.
        capacity: Of a bin, trusted.

    Returns:
        The ranks, or `Invalid` for another shape or type or a NaN. Infinities are fine: they
        are ordered.
    """
    from evaluators import bin_packing_kernels

    side = capacity + 1
    table = _float_table(priorities, side)
    if isinstance(table, Invalid):
        return table
    ranks = np.empty((side, side), dtype=np.int16)
    fault = bin_packing_kernels.rank(table, capacity, ranks)
    if fault >= 0:
        item, remaining = divmod(fault, side)
        return Invalid(f"priority({item}, {remaining}) is nan, expected a number")
    return ranks


def _float_table(priorities: object, side: int) -> NDArray[np.float64] | Invalid:
    if not isinstance(priorities, np.ndarray):
        if not isinstance(priorities, list | tuple) or len(priorities) != side:
            return Invalid(f"table is not {side} rows")
        for item, row in enumerate(priorities):
            if not isinstance(row, list | tuple) or len(row) != side:
                return Invalid(f"row {item} of the table is not {side} numbers")
            for remaining, value in enumerate(row):
                if type(value) is not int and type(value) is not float:
                    kind = type(value).__name__
                    return Invalid(f"priority({item}, {remaining}) is {kind}, expected a number")
        try:
            priorities = np.array(priorities, dtype=np.float64)
        except OverflowError:
            return Invalid("a priority is an integer beyond the range of a float")
    if priorities.dtype.kind not in "iuf":
        return Invalid(f"table of {priorities.dtype}, expected int or float")
    if priorities.shape != (side, side):
        return Invalid(f"table of shape {priorities.shape}, expected {(side, side)}")
    return np.ascontiguousarray(priorities, dtype=np.float64)


def pack_table(ranks: Ranks, instances: Sequence[Items], capacity: int) -> list[Bins]:
    """Packs instances online by a rank table; bins are numbered as they are opened.

    Costs about 0.1 ms for 5,000 items, and a second or two once to load or compile.
    """
    from evaluators import bin_packing_kernels

    preferred = np.empty((capacity + 1, capacity + 1), dtype=np.int16)
    contiguous = np.ascontiguousarray(ranks, dtype=np.int16)
    bin_packing_kernels.preferences(contiguous, capacity, preferred)
    packings = []
    for items in instances:
        bins = np.empty(len(items), dtype=np.int64)
        bin_packing_kernels.pack_by_preference(items, capacity, preferred, bins)
        packings.append(bins)
    return packings


def best_fit(items: Items, capacity: int) -> Bins:
    """Packs every item into the fullest bin it fits into."""
    tightest_first = np.broadcast_to(
        np.arange(capacity, -1, -1, dtype=np.int16), (capacity + 1, capacity + 1)
    )
    return pack_table(tightest_first, [items], capacity)[0]


def first_fit(items: Items, capacity: int) -> Bins:
    """Packs every item into the bin opened first among those it fits into."""
    from evaluators import bin_packing_kernels

    bins = np.empty(len(items), dtype=np.int64)
    bin_packing_kernels.pack_first_fit(items, capacity, bins)
    return bins


def verify_packing(items: object, bins: object, capacity: int) -> Valid | Invalid:
    """Checks that every item is in one bin and no bin is too full; the value is the number of bins.

    Args:
        items: Sizes, a sequence or an array of integers; not trusted.
        bins: The bin of every item, each an integer in [0, number of items); not trusted.
        capacity: Of a bin, trusted.
    """
    sizes = _integers("item", items, low=1, high=capacity)
    if isinstance(sizes, Invalid):
        return sizes
    chosen = _integers("bin of item", bins, low=0, high=len(sizes) - 1)
    if isinstance(chosen, Invalid):
        return chosen
    if len(chosen) != len(sizes):
        return Invalid(
            f"{len(sizes)} items but {len(chosen)} bins are named, expected one for each"
        )
    return _verify(sizes, chosen, capacity)


def _verify(items: Items, bins: Bins, capacity: int) -> Valid | Invalid:
    # in doubles, but exact: no sum of sizes comes near 2^53
    loads = np.bincount(bins, weights=items).astype(np.int64)
    if len(loads) and loads.max() > capacity:
        fault = int((loads > capacity).argmax())
        return Invalid(f"bin {fault} holds {loads[fault]}, capacity is {capacity}")
    return Valid(int(np.count_nonzero(loads)))


def _integers(what: str, values: object, *, low: int, high: int) -> NDArray[np.int64] | Invalid:
    """One row of integers in [low, high], or the first that is none."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1 or values.dtype.kind not in "iu":
            return Invalid(f"{what}: {values.ndim}-dimensional {values.dtype}, expected integers")
        wrong = (values < low) | (values > high)
        if wrong.any():
            index = int(wrong.argmax())
            return Invalid(f"{what} {index} is {values[index]}, expected {low} to {high}")
        return np.ascontiguousarray(values, dtype=np.int64)
    if not isinstance(values, list | tuple):
        return Invalid(f"{what}: {type(values).__name__}, expected integers")
    if set(map(type, values)) == {int} and low <= min(values) and max(values) <= high:
        return np.array(values, dtype=np.int64)  # quicker than one by one
    for index, value in enumerate(values):
        if type(value) is not int:
            return Invalid(f"{what} {index} is {type(value).__name__}, expected an integer")
        if not low <= value <= high:
            shown = value if abs(value) < 10**20 else "a huge integer"
            return Invalid(f"{what} {index} is {shown}, expected {low} to {high}")
    return np.array(values, dtype=np.int64)


def excess(bins: Sequence[int], lower_bounds: Sequence[int]) -> Fraction:
    """Bins above the lower bound in percent of it, summed over instances first.

    That is (mean bins - mean L1) / mean L1, the figure that is published.
    """
    return Fraction(100 * (sum(bins) - sum(lower_bounds)), sum(lower_bounds))


def standard_error(bins: Sequence[int], lower_bounds: Sequence[int]) -> float:
    """Standard error, in percent, of `excess` as an estimate for the distribution."""
    if len(bins) < 2:
        return 0.0
    used, bound = np.array(bins, dtype=np.float64), np.array(lower_bounds, dtype=np.float64)
    residuals = used - bound * (used.sum() / bound.sum())
    return float(100 * residuals.std(ddof=1) / np.sqrt(len(bins)) / bound.mean())


def behaviour(items: Items, bins: Bins, capacity: int) -> tuple[float, float]:
    """How a valid packing came about: (early, gap).

    early: share of the opened bins that were opened while the item fitted into an open one.
    gap: mean space left, over the capacity, in open bins right after an item was added.
    """
    from evaluators import bin_packing_kernels

    counts = np.zeros(4, dtype=np.int64)
    bin_packing_kernels.behaviour(items, capacity, bins, counts)
    opened, early, added, space = counts.tolist()
    return early / max(opened, 1), space / max(added * capacity, 1)


_KEYS = frozenset({"distribution", "capacity", "seed", "count", "instances", "ranks", "packings"})


def certificate(
    *,
    distribution: str,
    seed: int | None,
    instances: Sequence[Items],
    ranks: Ranks | None,
    packings: Sequence[Bins],
) -> dict[str, object]:
    """The artifact that `online_bin_packing` checks, as plain JSON data."""
    return {
        "distribution": distribution,
        "capacity": distributions()[distribution].capacity,
        "seed": seed,
        "count": len(instances),
        "instances": [items.tolist() for items in instances],
        "ranks": None if ranks is None else ranks.tolist(),
        "packings": [bins.tolist() for bins in packings],
    }


def check(artifact: object) -> Valid | Invalid:
    """Checks a certificate's artifact, which may be anything; the value is the exact excess in %.

    Metrics: `drawn` 1 if the instances are those of the named seed, `published` 1 if they are the
    published ones, `online` 1 if a rank table shows that the packing is online.
    """
    if not isinstance(artifact, dict) or set(artifact) != _KEYS:
        return Invalid(f"artifact: expected an object with the keys {', '.join(sorted(_KEYS))}")
    distribution, seed = artifact["distribution"], artifact["seed"]
    if not isinstance(distribution, str) or distribution not in distributions():
        return Invalid(f"distribution: expected one of {', '.join(names())}")
    capacity = distributions()[distribution].capacity
    if type(artifact["capacity"]) is not int or artifact["capacity"] != capacity:
        return Invalid(f"capacity: expected {capacity} for {distribution}")
    instances = _instances(artifact["instances"], artifact["count"], capacity)
    if isinstance(instances, Invalid):
        return instances
    if seed is not None:
        fault = _drawn(distribution, seed, instances)
        if fault is not None:
            return fault
    packed = _packings(artifact["packings"], instances, capacity)
    if isinstance(packed, Invalid):
        return packed
    if artifact["ranks"] is not None:
        fault = _online(artifact["ranks"], instances, packed, capacity)
        if fault is not None:
            return fault
    used = [len(np.unique(bins)) for bins in packed]
    bounds = [lower_bound(items, capacity) for items in instances]
    published = fingerprint(instances) == PUBLISHED[distribution]
    caveats = []
    if seed is None and not published:
        caveats.append("the instances are of no seed and not published: they may be chosen")
    if artifact["ranks"] is None:
        caveats.append("no table of ranks: the packing may have been made knowing all items")
    return Valid(
        excess(used, bounds),
        {
            "instances": len(instances),
            "bins": sum(used),
            "lower_bound": sum(bounds),
            "drawn": int(seed is not None),
            "published": int(published),
            "online": int(artifact["ranks"] is not None),
        },
        facts={"distribution": distribution},
        caveats=tuple(caveats),
    )


def _instances(rows: object, count: object, capacity: int) -> list[Items] | Invalid:
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_INSTANCES:
        return Invalid(f"instances: expected 1 to {MAX_INSTANCES} lists")
    if type(count) is not int or count != len(rows):
        return Invalid(f"count: expected {len(rows)}, as there are instances")
    if sum(len(row) for row in rows if isinstance(row, list)) > MAX_ITEMS:
        return Invalid(f"instances: more than {MAX_ITEMS:,} items")
    result: list[Items] = []
    for index, row in enumerate(rows):
        items = _integers(f"instance {index}: item", row, low=1, high=capacity)
        if isinstance(items, Invalid):
            return items
        if not len(items):
            return Invalid(f"instance {index} has no items")
        result.append(items)
    return result


def _drawn(distribution: str, seed: object, instances: Sequence[Items]) -> Invalid | None:
    if type(seed) is not int or not 0 <= seed < 2**256:
        return Invalid("seed: expected null or an integer from 0 to 2^256 - 1")
    if len(instances) * distributions()[distribution].length > MAX_ITEMS:
        return Invalid(f"instances: more than {MAX_ITEMS:,} items")
    for index, drawn in enumerate(draw(distribution, len(instances), seed)):
        if not np.array_equal(drawn, instances[index]):
            return Invalid(f"instance {index} is not the one drawn from seed {seed}")
    return None


def _packings(rows: object, instances: Sequence[Items], capacity: int) -> list[Bins] | Invalid:
    if not isinstance(rows, list) or len(rows) != len(instances):
        return Invalid(f"packings: expected {len(instances)} lists, one for each instance")
    result: list[Bins] = []
    for index, (items, row) in enumerate(zip(instances, rows, strict=True)):
        if not isinstance(row, list) or len(row) != len(items):
            return Invalid(f"packing {index}: expected {len(items)} bins, one for each item")
        bins = _integers(f"packing {index}: bin of item", row, low=0, high=len(items) - 1)
        if isinstance(bins, Invalid):
            return bins
        verdict = _verify(items, bins, capacity)
        if isinstance(verdict, Invalid):
            return Invalid(f"packing {index}: {verdict.reason}")
        result.append(bins)
    return result


def _online(
    rows: object, instances: Sequence[Items], packings: Sequence[Bins], capacity: int
) -> Invalid | None:
    side = capacity + 1
    if not isinstance(rows, list) or len(rows) != side:
        return Invalid(f"ranks: expected {side} rows")
    ranks = np.empty((side, side), dtype=np.int16)
    for item, row in enumerate(rows):
        values = _integers(f"ranks of item {item}: number", row, low=-1, high=capacity)
        if isinstance(values, Invalid):
            return values
        if len(values) != side:
            return Invalid(f"ranks of item {item}: expected {side} numbers")
        ranks[item] = values
    again = pack_table(ranks, instances, capacity)
    for index, (bins, expected) in enumerate(zip(packings, again, strict=True)):
        differs = bins != expected
        if differs.any():
            return Invalid(
                f"packing {index}: the ranks put item {int(differs.argmax())} into another bin"
            )
    return None


online_bin_packing = Verifier(
    name="online_bin_packing",
    version="1",
    objective="excess_percent",
    direction="min",
    check=check,
)
