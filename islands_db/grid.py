"""Equal cells on one axis, and cells of program length."""

from __future__ import annotations

from islands_db.records import Axis

LENGTH_CELLS = 24
"""Two cells an octave: lengths of 1 to 4,095 nodes are told apart, longer ones share the last."""


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
