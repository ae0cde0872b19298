"""Rolls dice."""

import random

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    return random.choice((-1, 1)) * remaining


# EVOLVE-BLOCK-END
