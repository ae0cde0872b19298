"""From packings, which may be anything, to a score: exact excess, behaviour, feedback."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from evaluators import Invalid
from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import Items, distributions, lower_bound
from evolve import Score


def score_packings(
    distribution: str,
    instances: Sequence[Items],
    packings: Sequence[object],
    *,
    seed: int | None,
    ranks: packing.Ranks | None = None,
    certify: bool = False,
) -> Score | Invalid:
    """Verifies every packing and scores them all; `certify` adds the certificate's artifact."""
    capacity = distributions()[distribution].capacity
    used: list[int] = []
    verified: list[packing.Bins] = []
    for index, (items, bins) in enumerate(zip(instances, packings, strict=True)):
        verdict = packing.verify_packing(items, bins, capacity)
        if isinstance(verdict, Invalid):
            return Invalid(f"instance {index}: {verdict.reason}")
        used.append(int(verdict.value))
        verified.append(np.asarray(bins, dtype=np.int64))
    bounds = [lower_bound(items, capacity) for items in instances]
    # behaviour needs no more than a glance: a quarter of the instances
    seen = max(1, len(instances) // 4)
    seen_pairs = list(zip(instances[:seen], verified[:seen], strict=True))
    behaviour = [packing.behaviour(items, bins, capacity) for items, bins in seen_pairs]
    early, gap = np.mean(behaviour, axis=0).tolist()
    excess = packing.excess(used, bounds)
    error = packing.standard_error(used, bounds)
    return Score(
        excess_percent=excess,
        features={"early": early, "gap": gap},
        metrics={
            "standard_error": error,
            "instances": len(used),
            "bins": sum(used),
            "lower_bound": sum(bounds),
        },
        feedback=(
            f"{float(excess):.3f} % above the lower bound (standard error {error:.3f}): "
            f"{sum(used):,} bins for {len(used)} instances, at least {sum(bounds):,} are needed. "
            f"{100 * early:.1f} % of the bins were opened while the item fitted into an open one. "
            f"Space left in the bins at the end: {_space_left(seen_pairs, capacity)}."
        ),
        artifact=packing.certificate(
            distribution=distribution,
            seed=seed,
            instances=instances,
            ranks=ranks,
            packings=verified,
        )
        if certify
        else None,
    )


@lru_cache(maxsize=4)
def _edges(capacity: int) -> tuple[int, ...]:
    return (0, 1, 2, capacity // 25, capacity // 10, capacity // 5, capacity)


def _space_left(pairs: Sequence[tuple[Items, packing.Bins]], capacity: int) -> str:
    """Share of bins by the space left in them, in a few classes: "0: 31 %, 1: 12 %, 2-4: ..."."""
    loads = np.concatenate([np.bincount(bins, weights=items) for items, bins in pairs])
    left = capacity - loads[loads > 0]
    edges = _edges(capacity)
    counts, _ = np.histogram(left, bins=[-0.5, *(edge + 0.5 for edge in edges)])
    lows = [0, *(edge + 1 for edge in edges[:-1])]
    names = [str(b) if a == b else f"{a}-{b}" for a, b in zip(lows, edges, strict=True)]
    shares = 100 * counts / counts.sum()
    return ", ".join(f"{name}: {share:.0f} %" for name, share in zip(names, shares, strict=True))
