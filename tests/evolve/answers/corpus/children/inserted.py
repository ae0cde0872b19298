"""Online bin packing: how much an item wants to go into a bin."""

import math

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    """The highest wins."""
    left = remaining - item
    if left == 0:
        return 100.0
    if item > 50:
        return 50.0 / item
    if left < 5:
        return -1.0
    return -float(left)


# EVOLVE-BLOCK-END
