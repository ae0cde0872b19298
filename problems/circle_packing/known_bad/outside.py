"""Lets circles stick out."""

# EVOLVE-BLOCK-START


def circles(count: int) -> object:
    return [(index / count, 0.0, 0.01) for index in range(count)]


# EVOLVE-BLOCK-END
