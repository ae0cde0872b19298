"""Points on a grid, no three in line: greedy, in the order of a priority."""

from math import gcd

# EVOLVE-BLOCK-START


def priority(x: int, y: int, n: int) -> float:
    """The higher, the sooner the point is tried; ties go row by row."""
    return 0


# EVOLVE-BLOCK-END


def points(n: int) -> list[tuple[int, int]]:
    """Takes each point, best first, unless it is on a line through two taken ones."""
    taken: list[tuple[int, int]] = []
    closed: set[tuple[int, int]] = set()
    grid = [(x, y) for x in range(n) for y in range(n)]
    for x, y in sorted(grid, key=lambda point: -priority(*point, n)):
        if (x, y) in closed:
            continue
        for a, b in taken:
            step = gcd(x - a, y - b)
            dx, dy = (x - a) // step, (y - b) // step
            closed.update((x + k * dx, y + k * dy) for k in range(-n, n + 1))
        taken.append((x, y))
    return taken
