"""Inspirations: other programs shown beside the parent.

* `mixed`: the elite of another cell than the parent's and than the other inspirations', by a
  tournament of two, and now and then of another island; the default. Where parents are drawn by
  their cases, inspirations are too, and such elites come in for those that are drawn twice.
* `top`: the best of the island.
* `diverse`: elites of other cells, all equally likely.
* `foreign`: members of other islands, all islands equally likely, on it all members.
* `policy`: drawn as the parent is, which is what FunSearch does for all programs of a prompt.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", Nature 625 (2024), 468-475 (several programs in one prompt); Novikov et al.,
"AlphaEvolve", arXiv 2506.13131 (2025), section 2.2 (inspirations that differ).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from islands_db.pool import FAILED, Columns, Entrant, Flags
from islands_db.selection.lexicase import Contest
from islands_db.selection.power_law import ranked
from islands_db.selection.tournament import tournament

FOREIGN_SHARE = 0.25
"""How often an inspiration comes from another island, where they are mixed."""

TRIES = 4
"""Draws for one inspiration before all that are left are looked through."""


def mixed(
    archives: Sequence[Columns], island: int, parent: Entrant, rng: random.Random, *, count: int
) -> tuple[int, ...]:
    """Up to `count` distinct programs, none the parent; fewer where the archives lack more.

    Where the draws meet only cells that are taken, any elite of another is as good.
    """
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
        else:
            left = [
                (columns, slot)
                for columns in archives
                for slot in np.flatnonzero(~np.isin(columns.cell, list(cells))).tolist()
            ]
            if not left:
                break
            columns, slot = left[rng.randrange(len(left))]
            cells.add(int(columns.cell[slot]))
            chosen.append(int(columns.program[slot]))
    return tuple(chosen)


def by_cases(
    contest: Contest,
    parent: Entrant,
    rng: random.Random,
    *,
    count: int,
    others: Callable[[], Sequence[int]],
) -> tuple[int, ...]:
    """Up to `count` distinct programs drawn by their cases, none the parent.

    Args:
        others: Other programs, for what one draw each does not give.
    """
    chosen: list[int] = []
    for _ in range(count):
        columns, slot = contest.draw(rng)
        program = int(columns.program[slot])
        if program != parent.program and program not in chosen:
            chosen.append(program)
    if len(chosen) < count:
        chosen += [program for program in others() if program not in chosen]
    return tuple(chosen[:count])


def top(population: Columns, parent: Entrant, *, count: int) -> tuple[int, ...]:
    """The best `count` members that are not the parent; of equals the older in the run."""
    order = ranked(population)
    order = order[(population.program[order] != parent.program) & ~_failed(population)[order]]
    return tuple(population.program[order[:count]].tolist())


def diverse(
    archive: Columns, parent: Entrant, rng: random.Random, *, count: int
) -> tuple[int, ...]:
    """Up to `count` elites of cells other than the parent's, every choice equally likely."""
    other = archive.program[archive.cell != parent.cell]
    return tuple(int(other[place]) for place in _some(len(other), count, rng))


def foreign(
    populations: Sequence[Columns], island: int, parent: Entrant, rng: random.Random, *, count: int
) -> tuple[int, ...]:
    """Up to `count` distinct members of other islands, none the parent, or as many as there are."""
    others = [n for n, columns in enumerate(populations) if n != island and len(columns)]
    if not others:
        return ()

    def draw() -> int | None:
        columns = populations[others[rng.randrange(len(others))]]
        slot = rng.randrange(len(columns))
        return None if columns.fitness[slot] == FAILED else int(columns.program[slot])

    def left(taken: Sequence[int]) -> int | None:
        # island after island, as they are drawn
        for n in rng.sample(others, len(others)):
            columns = populations[n]
            free = columns.program[~_failed(columns) & ~np.isin(columns.program, taken)]
            if len(free):
                return int(free[rng.randrange(len(free))])
        return None

    return _distinct(draw, left, parent, count=count)


def by_policy(
    draw: Callable[[], tuple[Columns, int]], parent: Entrant, *, count: int
) -> tuple[int, ...]:
    """Distinct programs as the island's policy draws them, none the parent.

    As in FunSearch, what is drawn twice is not shown twice, so there may be fewer than `count`.
    """

    def program() -> int:
        columns, slot = draw()
        return int(columns.program[slot])

    return _distinct(program, lambda _: None, parent, count=count)


def _distinct(
    draw: Callable[[], int | None],
    left: Callable[[Sequence[int]], int | None],
    parent: Entrant,
    *,
    count: int,
) -> tuple[int, ...]:
    """What `draw` gives; after too many draws in vain what `left` has beside those taken."""
    chosen: list[int] = []
    for _ in range(count):
        for _ in range(TRIES):
            program = draw()
            if program is not None and program != parent.program and program not in chosen:
                chosen.append(program)
                break
        else:
            program = left([parent.program, *chosen])
            if program is not None:
                chosen.append(program)
    return tuple(chosen)


def _some(size: int, count: int, rng: random.Random) -> list[int]:
    return rng.sample(range(size), min(size, count))


def _failed(columns: Columns) -> Flags:
    return np.isneginf(columns.fitness)
