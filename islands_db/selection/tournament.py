"""Tournament selection: the best of a few drawn at random, which needs ranks only.

With n entrants of k the program of rank r (1 is best) wins with probability
((n - r + 1)^k - (n - r)^k) / n^k.

Source: Goldberg, Deb, "A comparative analysis of selection schemes used in genetic algorithms",
Foundations of Genetic Algorithms 1 (1991), 69-93.
"""

from __future__ import annotations

import random

from islands_db.pool import Columns

ENTRANTS = 4


def tournament(columns: Columns, rng: random.Random, *, entrants: int) -> int:
    """The slot of the best of `entrants` drawn with replacement; of equals the first drawn.

    Raises:
        ValueError: the columns are empty.
    """
    size = len(columns)
    rung, fitness = columns.rung, columns.fitness
    winner = rng.randrange(size)
    for _ in range(entrants - 1):
        slot = rng.randrange(size)
        if (rung[slot], fitness[slot]) > (rung[winner], fitness[winner]):
            winner = slot
    return winner
