"""Online bin packing: how much an item wants to go into a bin."""

import math

# EVOLVE-BLOCK-START
import math

SMALL = 5


def priority(item: int, remaining: int) -> float:
    """The highest wins."""
    left = remaining - item
    if left <= SMALL:
        return 10.0 - left
    return math.log1p(item) / left
# EVOLVE-BLOCK-END
