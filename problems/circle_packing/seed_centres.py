"""Circles in the unit square: where they go and how large they are."""

import math

# EVOLVE-BLOCK-START


def centre(index: int, count: int) -> tuple[float, float]:
    """Where circle `index` of `count` has its centre."""
    side = 1
    while side * side < count:
        side += 1
    return (index % side + 0.5) / side, (index // side + 0.5) / side


# EVOLVE-BLOCK-END


def circles(count: int) -> list[tuple[float, float, float]]:
    """Circles (x, y, r) around the centres, grown one after another."""
    centres = [centre(index, count) for index in range(count)]
    nearest = [
        min(
            min(x, y, 1 - x, 1 - y),
            min(
                (math.hypot(x - a, y - b) / 2 for j, (a, b) in enumerate(centres) if j != i),
                default=1.0,
            ),
        )
        for i, (x, y) in enumerate(centres)
    ]
    # each grows until it meets the square's side or another circle, as those are by then
    for i, (x, y) in enumerate(centres):
        room = [min(x, y, 1 - x, 1 - y)]
        room += [
            math.hypot(x - a, y - b) - nearest[j] for j, (a, b) in enumerate(centres) if j != i
        ]
        nearest[i] = min(room)
    return [(x, y, r) for (x, y), r in zip(centres, nearest, strict=True)]
