"""The islands of a run over time, and the map of its archive."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import msgspec
import numpy as np

from evolve.ui.figures import Plain, value_at
from evolve.watched import Watched
from islands_db import Cells
from islands_db.grid import LENGTH_CELLS


def islands(run: Watched) -> Plain:
    """Each island's standing and best over time, what happened to them, and the archive's map."""
    with run.reading() as reader:
        table, counts = run.programs.table, reader.counts()
        populations = reader.populations()
        every = np.cumsum(table["rung"] >= 0)
        top = int(table["rung"].max(initial=-1))
        found = []
        for number, island in enumerate(counts.islands):
            rows = np.flatnonzero((table["island"] == number) & (table["rung"] == top))
            rows = rows[~np.isnan(table["fitness"][rows])]
            best = np.maximum.accumulate(table["fitness"][rows])
            new = np.flatnonzero(np.diff(best, prepend=-np.inf) > 0)
            found.append(
                {
                    "size": island.size,
                    "cells": island.elites,
                    "best": island.best,
                    "value": None if island.best is None else value_at(run, island.best),
                    "curve": [
                        [int(every[rows[i]]), float(run.sign * best[i])] for i in new.tolist()
                    ],
                    "population": (populations + [[]] * len(counts.islands))[number],
                }
            )
        return {
            "objective": asdict(run.objective),
            "evaluated": int(every[-1]) if len(every) else 0,
            "islands": found,
            "settings": msgspec.to_builtins(run.settings),
            "epochs": [
                {"settled": settled, "kind": kind, "island": island, "program": founder}
                for settled, kind, island, founder in reader.epochs()[-200:]
            ],
            "archive": _archive(run),
        }


@dataclass(frozen=True, slots=True)
class _Axis:
    name: str
    low: float | None
    high: float | None
    cells: int


def _archive(run: Watched) -> Plain | None:
    """The best program of each cell on the last two axes, over all islands and other axes.

    None where nothing is in a cell yet. Cells of a `cvt` archive have no axes: they are one row.
    """
    table, settings = run.programs.table, run.settings
    rows = np.flatnonzero((table["cell"] >= 0) & ~np.isnan(table["fitness"]))
    if run.banned:
        rows = rows[~np.isin(table["id"][rows], list(run.banned))]
    if not len(rows):
        return None
    if settings.cells is Cells.CVT:
        axes = [_Axis("nearest centroid", None, None, settings.centroids)]
    else:
        axes = [_Axis(a.name, a.low, a.high, a.cells) for a in settings.axes]
        if not any(axis.name == "length" for axis in axes):
            axes.insert(0, _Axis("length in half octaves", None, None, LENGTH_CELLS))
    wide, high = axes[-1], axes[-2] if len(axes) > 1 else None
    cells = table["cell"][rows]
    place = cells % wide.cells
    if high is not None:
        place = place + wide.cells * ((cells // wide.cells) % high.cells)
    order = np.lexsort((-rows, table["fitness"][rows], table["rung"][rows]))
    best = dict(zip(place[order].tolist(), rows[order].tolist(), strict=True))
    return {
        "across": asdict(wide),
        "up": None if high is None else asdict(high),
        "others": [axis.name for axis in axes[:-2]],
        "cells": [
            [cell % wide.cells, cell // wide.cells, float(run.values[row]), int(table["id"][row])]
            for cell, row in sorted(best.items())
        ],
    }
