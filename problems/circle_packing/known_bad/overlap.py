"""Puts all circles in one place."""

# EVOLVE-BLOCK-START


def circles(count: int) -> object:
    return [(0.5, 0.5, 0.3)] * count


# EVOLVE-BLOCK-END
