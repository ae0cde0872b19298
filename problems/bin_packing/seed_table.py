"""Online bin packing: how much an item wants to go into a bin."""

import math  # noqa: F401  for use in the block

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    """Priority of putting `item` into a bin that has `remaining` space left; the highest wins."""
    left = remaining - item
    return -float(left)


# EVOLVE-BLOCK-END
