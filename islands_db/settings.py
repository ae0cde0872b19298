"""Which settings islands can work by."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod

from islands_db.grid import LENGTH_CELLS
from islands_db.records import Cells, Graph, Settings
from islands_db.selection.policies import POLICIES

MOST_CELLS = 2**62
"""A cell's number is a signed 64-bit integer."""


def check(settings: Settings) -> None:
    """Refuses settings that no islands can work by.

    Raises:
        ValueError: naming the setting, its value and what was expected.
    """
    for name, least in (
        ("islands", 1),
        ("population", 1),
        ("inspirations", 0),
        ("migration_every", 0),
        ("objectives", 1),
        ("reset_every", 0),
        ("stagnation", 0),
        ("centroids", 1),
    ):
        value = getattr(settings, name)
        if value < least:
            raise ValueError(f"settings: {name} = {value}, expected {least} or more")
    for axis in settings.axes:
        if axis.cells < 1 or not (axis.low < axis.high and isfinite(axis.high - axis.low)):
            raise ValueError(
                f"settings: {axis}: expected at least one cell and low < high, a finite way apart"
            )
    if prod((LENGTH_CELLS, *(axis.cells for axis in settings.axes))) > MOST_CELLS:
        raise ValueError(f"settings: the axes make more than {MOST_CELLS:,} cells together")
    if settings.cells is not Cells.GRID and not settings.axes:
        raise ValueError(f"settings: cells = {settings.cells}, which needs at least one axis")
    _check_policies(settings)
    _check_edges(settings.edges, settings)


def _check_policies(settings: Settings) -> None:
    if not settings.policies or not settings.inspire:
        raise ValueError("settings: policies and inspire name at least one each")
    for name in settings.policies:
        if name not in POLICIES:
            known = ", ".join(POLICIES)
            raise ValueError(f"settings: no policy {name!r}; there are: {known}")
    of_archive = [name for name in settings.policies if POLICIES[name].of_archive]
    if settings.reset_every and of_archive:
        raise ValueError(
            f"settings: reset_every does nothing to {of_archive[0]}, which draws from the archive; "
            "a reset empties populations. Choose another policy, or reset_every = 0"
        )
    if settings.reset_every and "best_of_n" in settings.policies:
        raise ValueError(
            "settings: best_of_n takes seeds only, so a reset would leave its island empty; choose "
            "another policy, or reset_every = 0"
        )


def _check_edges(edges: Sequence[tuple[int, int]], settings: Settings) -> None:
    if edges and settings.migration is not Graph.EDGES:
        raise ValueError(f"settings: edges are given, but migration = {settings.migration}")
    most = max(settings.islands, settings.most_islands if settings.stagnation else 0)
    for source, target in edges:
        if source == target or not (0 <= source < most and 0 <= target < most):
            raise ValueError(f"settings: edge {source} -> {target}, with islands 0 to {most - 1}")
