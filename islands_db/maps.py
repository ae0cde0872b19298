"""How an archive's cells lie: a fixed grid, a grid whose bounds follow the programs, or a CVT.

* `grid`: equal cells between each axis' bounds.
  Source: Mouret, Clune, "Illuminating search spaces by mapping elites", arXiv 1504.04909 (2015).
* `adaptive`: each axis is cut at quantiles of what was seen lately. Where an axis has shown two
  values lately not all lie in one cell, so a badly chosen range cannot put all there; cuts that
  what was seen lately does not need stay.
  Source: Fontaine et al., "Mapping Hearthstone deck spaces through MAP-Elites with sliding
  boundaries", GECCO 2019, section 4.
* `cvt`: the cell of the nearest of k centroids, spread evenly over the space of all axes.
  Source: Vassiliades, Chatzilygeroudis, Mouret, "Using centroidal Voronoi tessellations to scale
  up the multidimensional archive of phenotypic elites algorithm", IEEE Trans. Evolutionary
  Computation 22 (2018), 623-630, algorithm 2.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from islands_db.grid import axis_cell, length_cell
from islands_db.pool import NO_CELL, Floats
from islands_db.records import Axis, Cells, Settings

Features: TypeAlias = tuple[float, ...]
"""One figure for each axis; empty where the program lacks one."""

SEEN = 1024
"""So many of the latest programs decide where adaptive cells end."""

FIRST_REMAP = 16

LLOYD_SAMPLES, LLOYD_ROUNDS = 25, 10
"""Samples for each centroid; the rounds spread them evenly enough, in under a second."""


class CellMap(Protocol):
    """From features to the index of a cell, or `NO_CELL`."""

    def cell(self, features: Features, length: int) -> int: ...


class Grid:
    """Equal cells on every axis; program length is a further axis unless one has that name."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._axes = axes

    def cell(self, features: Features, length: int) -> int:
        if len(features) != len(self._axes):
            return NO_CELL
        index = first_cell(self._axes, length)
        for axis, value in zip(self._axes, features, strict=True):
            index = index * axis.cells + axis_cell(value, axis)
        return index


class Adaptive:
    """A grid whose axes are cut at `edges`, each in rising order; a cell holds its lower edge."""

    def __init__(self, axes: Sequence[Axis], edges: Sequence[Sequence[float]]) -> None:
        self._axes = axes
        self.edges = edges

    def cell(self, features: Features, length: int) -> int:
        if len(features) != len(self._axes):
            return NO_CELL
        index = first_cell(self._axes, length)
        for axis, edges, value in zip(self._axes, self.edges, features, strict=True):
            index = index * axis.cells + bisect_right(edges, value)
        return index


class Voronoi:
    """The nearest centroid, in coordinates that run from 0 to 1 on every axis."""

    def __init__(self, axes: Sequence[Axis], centroids: Sequence[Sequence[float]]) -> None:
        self._low = np.array([axis.low for axis in axes])
        self._width = np.array([axis.high - axis.low for axis in axes])
        self._centroids = np.array(centroids)

    def cell(self, features: Features, length: int) -> int:
        if len(features) != len(self._low):
            return NO_CELL
        with np.errstate(over="ignore"):  # what is too far away to tell is at the rim
            place = np.clip((np.array(features) - self._low) / self._width, 0.0, 1.0)
        return int(((self._centroids - place) ** 2).sum(axis=1).argmin())


def features_of(features: Mapping[str, float], axes: Sequence[Axis]) -> Features:
    """The figures of the axes, in their order; empty where one is missing."""
    values = [features.get(axis.name) for axis in axes]
    return tuple(float(value) + 0.0 for value in values if value is not None and None not in values)


def first_cell(axes: Sequence[Axis], length: int) -> int:
    return 0 if any(axis.name == "length" for axis in axes) else length_cell(length)


def load(settings: Settings, stored: object) -> CellMap:
    """The map of the settings; `stored` is what `start` or `edges` gave last."""
    match settings.cells:
        case Cells.GRID:
            return Grid(settings.axes)
        case Cells.ADAPTIVE:
            return Adaptive(settings.axes, _lists(stored))
        case Cells.CVT:
            return Voronoi(settings.axes, _lists(stored))


def start(settings: Settings) -> list[list[float]] | None:
    """What a new run stores of its map; None where the settings say it all."""
    match settings.cells:
        case Cells.GRID:
            return None
        case Cells.ADAPTIVE:
            return [
                [axis.low + (axis.high - axis.low) * (n / axis.cells) for n in range(1, axis.cells)]
                for axis in settings.axes
            ]
        case Cells.CVT:
            generator = np.random.default_rng(settings.seed)
            return centroids(settings.centroids, len(settings.axes), generator)


def remap_due(seen: int) -> bool:
    """Whether edges are set anew at so many programs seen: 16, 32, ... 1024, 2048, 3072, ..."""
    if seen >= SEEN:
        return seen % SEEN == 0
    return seen >= FIRST_REMAP and seen & (seen - 1) == 0


def edges(
    seen: Iterable[Features], axes: Sequence[Axis], before: Sequence[Sequence[float]]
) -> list[list[float]]:
    """Where each axis is cut: at the quantiles of the programs seen, at most `cells` - 1 of them.

    Such a cut is a value that was seen and has one below it, so an axis with two values and two
    cells or more never has all programs in one cell. Where there are no more values than cells,
    each gets its own. Cuts of `before` stay as far as that leaves cells, spread over those there
    were: programs that are alike for a while do not empty an archive whose elites differ.
    """
    columns = np.array(list(seen)).reshape(-1, len(axes))
    return [_cuts(columns[:, n], axis.cells, before[n]) for n, axis in enumerate(axes)]


def _cuts(values: Floats, cells: int, before: Sequence[float]) -> list[float]:
    distinct = np.unique(values)
    needed = distinct[1:]
    if len(distinct) > cells:
        places = [len(values) * n // cells for n in range(1, cells)]
        # a quantile at the least value would cut off nothing
        needed = np.unique(np.maximum(np.sort(values)[places], distinct[1]))
    others = [cut for cut in before if cut not in needed]
    room = min(cells - 1 - len(needed), len(others))
    kept = [others[(2 * n + 1) * len(others) // (2 * room)] for n in range(room)]
    return sorted([*map(float, needed), *kept])


def centroids(count: int, axes: int, generator: np.random.Generator) -> list[list[float]]:
    """`count` points in the unit cube by Lloyd's algorithm on uniform samples."""
    samples = generator.random((LLOYD_SAMPLES * count, axes))
    found = samples[:count].copy()
    for _ in range(LLOYD_ROUNDS):
        nearest = np.concatenate(
            [
                ((part[:, None, :] - found[None]) ** 2).sum(axis=2).argmin(axis=1)
                for part in np.array_split(samples, 1 + len(samples) * count // 2_000_000)
            ]
        )
        sizes = np.bincount(nearest, minlength=count)
        for axis in range(axes):
            sums = np.bincount(nearest, weights=samples[:, axis], minlength=count)
            found[:, axis] = np.where(sizes > 0, sums / np.maximum(sizes, 1), found[:, axis])
    return [[float(value) for value in point] for point in found]


def _lists(stored: object) -> list[list[float]]:
    if not isinstance(stored, list):
        raise ValueError(f"the archive's map is {stored!r:.80}, expected lists of numbers")
    return [[float(value) for value in axis] for axis in stored]
