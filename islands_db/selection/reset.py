"""Resets: the worse half of the islands starts over from the best of the better half.

FunSearch resets every four hours; here the period is counted in attempts, so that a run does not
depend on the clock.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", Nature 625 (2024), 468-475, Methods, "Evolutionary method"; ties at random as in its code.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

Peak = tuple[int, float]
"""(rung, fitness) of the best an island has had."""


def worse_half(peaks: Sequence[Peak | None], rng: random.Random) -> list[tuple[int, int]]:
    """(island, founder's island) for each island to reset; half of them, rounded down.

    An island without a program is worst and founds none.
    """
    order = sorted(
        range(len(peaks)),
        key=lambda island: (peaks[island] or (-1, 0.0), rng.random()),
    )
    half = len(peaks) // 2
    survivors = [island for island in order[half:] if peaks[island] is not None]
    if not survivors:
        return []
    return [(island, survivors[rng.randrange(len(survivors))]) for island in order[:half]]
