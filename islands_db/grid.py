"""Which cell of the archive a program belongs to.

The archive is the grid of MAP-Elites over the run's axes, with program length as a further one.

Source: Mouret, Clune, "Illuminating search spaces by mapping elites", arXiv 1504.04909 (2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from islands_db.records import Axis

LENGTH_CELLS = 24
"""Two cells an octave: lengths of 1 to 4,095 nodes are told apart, longer ones share the last."""


def cell(features: Mapping[str, float], length: int, axes: Sequence[Axis]) -> int | None:
    """The index of the program's cell, or None where it lacks one of the features.

    An axis named "length" takes the place of the built-in one and reads that feature.
    """
    index = 0 if any(axis.name == "length" for axis in axes) else length_cell(length)
    for axis in axes:
        value = features.get(axis.name)
        if value is None:
            return None
        index = index * axis.cells + axis_cell(value, axis)
    return index


def axis_cell(value: float, axis: Axis) -> int:
    """The cell on one axis, from 0; values outside its range go to the outer cells."""
    if value <= axis.low:
        return 0
    if value >= axis.high:
        return axis.cells - 1
    share = (value - axis.low) / (axis.high - axis.low)
    return min(int(share * axis.cells), axis.cells - 1)


def length_cell(length: int) -> int:
    """Half octaves, in exact integers: 1, 2, 3, 4-5, 6-7, 8-11, 12-15, ..."""
    octave = max(length, 1).bit_length() - 1
    upper_half = length * length >= 1 << (2 * octave + 1)
    return min(2 * octave + upper_half, LENGTH_CELLS - 1)
