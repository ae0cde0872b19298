"""Claims a sum instead of circles."""

# EVOLVE-BLOCK-START


def circles(count: int) -> object:
    return 2.64


# EVOLVE-BLOCK-END
