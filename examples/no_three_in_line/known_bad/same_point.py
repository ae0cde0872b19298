"""One point, again and again."""

# EVOLVE-BLOCK-START


def points(n: int) -> list[tuple[int, int]]:
    return [(0, 0)] * (2 * n)


# EVOLVE-BLOCK-END
