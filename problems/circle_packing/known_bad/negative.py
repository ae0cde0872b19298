"""Has negative radii."""

# EVOLVE-BLOCK-START


def circles(count: int) -> object:
    return [(0.5, 0.5, -1.0)] * count


# EVOLVE-BLOCK-END
