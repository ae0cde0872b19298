"""Inspirations: other good programs shown beside the parent, chosen to differ from it.

FunSearch shows several programs of one island; here each is the elite of another cell than the
parent's and than the other inspirations', and now and then of another island.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", Nature 625 (2024), 468-475 (several programs in one prompt).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from islands_db.pool import Columns, Entrant
from islands_db.selection.tournament import tournament

FOREIGN_SHARE = 0.25
"""How often an inspiration comes from another island."""

TRIES = 4
"""Draws for one inspiration before it is left out."""


def inspirations(
    archives: Sequence[Columns], island: int, parent: Entrant, rng: random.Random, *, count: int
) -> tuple[int, ...]:
    """Up to `count` distinct programs, none the parent; fewer where the archives lack more."""
    # A program has one cell, the same on all islands, so other cells are other programs.
    cells = {parent.cell}
    chosen: list[int] = []
    for _ in range(count):
        for _ in range(TRIES):
            source = island
            if len(archives) > 1 and rng.random() < FOREIGN_SHARE:
                source = (island + rng.randrange(1, len(archives))) % len(archives)
            columns = archives[source]
            if not len(columns):
                continue
            slot = tournament(columns, rng, entrants=2)
            cell = int(columns.cell[slot])
            if cell not in cells:
                cells.add(cell)
                chosen.append(int(columns.program[slot]))
                break
    return tuple(chosen)
