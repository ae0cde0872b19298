"""Two full rows: 2n points, but they are full of lines."""

# EVOLVE-BLOCK-START


def points(n: int) -> list[tuple[int, int]]:
    return [(x, y) for x in range(n) for y in (0, 1)]


# EVOLVE-BLOCK-END
