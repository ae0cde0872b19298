"""Answers with too many numbers."""

import numpy as np

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> np.ndarray:
    return np.zeros((2, 3))


# EVOLVE-BLOCK-END
