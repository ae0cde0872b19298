"""Online bin packing: how much an item wants to go into a bin."""

import math

# EVOLVE-BLOCK-START


def waste(left: int) -> float:
    return left * left / 100


def priority(item: int, remaining: int) -> float:
    """The highest wins."""
    left = remaining - item
    if left == 0:
        return 100.0
    if left < 5:
        return -1.0
    return -waste(left)


# EVOLVE-BLOCK-END
