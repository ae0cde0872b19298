"""Points on a parabola: no three in line, but most of them are not on the grid."""

# EVOLVE-BLOCK-START


def points(n: int) -> list[tuple[int, int]]:
    return [(x, x * x) for x in range(2 * n)]


# EVOLVE-BLOCK-END
