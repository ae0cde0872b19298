"""Circles in the unit square: where they start; then they grow and push each other aside."""

import math

# EVOLVE-BLOCK-START


def centre(index: int, count: int) -> tuple[float, float]:
    """Where circle `index` of `count` has its centre before anything moves."""
    side = 1
    while side * side < count:
        side += 1
    return (index % side + 0.5) / side, (index // side + 0.5) / side


# EVOLVE-BLOCK-END

STEPS = 400


def circles(count: int) -> list[tuple[float, float, float]]:
    """Circles (x, y, r) after growing under a pressure that falls to nothing."""
    x, y = map(list, zip(*(centre(index, count) for index in range(count)), strict=True))
    radii = [0.0] * count
    for step in range(STEPS):
        relax(x, y, radii, 0.1 / math.sqrt(count) * (1 - step / STEPS))
    return [(a, b, r) for a, b, r in zip(x, y, fitted(x, y, radii), strict=True)]


def relax(x: list[float], y: list[float], radii: list[float], pressure: float) -> None:
    """All circles grow a little; those that overlap move apart and shrink, half and half."""
    count = len(x)
    for i in range(count):
        radii[i] += pressure
    for i in range(count):
        for j in range(i):
            across, up = x[i] - x[j], y[i] - y[j]
            far = math.hypot(across, up)
            over = radii[i] + radii[j] - far
            if over > 0 and far > 0:
                push = over / far / 4
                x[i] += across * push
                y[i] += up * push
                x[j] -= across * push
                y[j] -= up * push
                radii[i] -= over / 4
                radii[j] -= over / 4
        radii[i] = max(0.0, min(radii[i], 0.5))
        x[i] = min(max(x[i], radii[i]), 1 - radii[i])
        y[i] = min(max(y[i], radii[i]), 1 - radii[i])


def fitted(x: list[float], y: list[float], radii: list[float]) -> list[float]:
    """Radii without overlaps: shrunk where they do, then each as large as the others leave it."""
    count = len(x)
    walls = [min(x[i], y[i], 1 - x[i], 1 - y[i]) for i in range(count)]
    far = [[math.hypot(x[i] - x[j], y[i] - y[j]) for j in range(count)] for i in range(count)]
    found = [min(r, wall) for r, wall in zip(radii, walls, strict=True)]
    for i in range(count):
        for j in range(i):
            over = found[i] + found[j] - far[i][j]
            if over > 0:
                share = min(found[i], max(over / 2, over - found[j]))
                found[i] -= share
                found[j] -= over - share
    for i in range(count):
        room = [far[i][j] - found[j] for j in range(count) if j != i]
        found[i] = min([walls[i], *room])
    return found
