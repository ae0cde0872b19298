"""Has no finite radius."""

# EVOLVE-BLOCK-START


def circles(count: int) -> object:
    return [(0.5, 0.5, float("inf"))] * count


# EVOLVE-BLOCK-END
