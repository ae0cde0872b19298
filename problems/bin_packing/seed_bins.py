"""Online bin packing: how much an item wants to go into each bin."""

import numpy as np

# EVOLVE-BLOCK-START


def priority(item: int, bins: np.ndarray) -> np.ndarray:
    """Priority of putting `item` into each bin, given the space left in them; the highest wins."""
    return item - bins


# EVOLVE-BLOCK-END
