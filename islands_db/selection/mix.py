"""The default where scores by case are not known: mostly by rank, at times an elite."""

from __future__ import annotations

import random

from islands_db.pool import Columns
from islands_db.selection.archive import uniform
from islands_db.selection.discounted import discounted

ELITE_SHARE = 0.25
"""How often the parent comes from the archive instead of the population."""


def parent(population: Columns, archive: Columns, rng: random.Random) -> tuple[Columns, int]:
    """The columns the parent is in and its slot there; the population must not be empty."""
    if len(archive) and rng.random() < ELITE_SHARE:
        return archive, uniform(archive, rng)
    return population, discounted(population, rng)
