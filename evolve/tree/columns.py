"""Columns of numbers and what the language computes of them, each worked out once."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.float64] | np.float64
Mask: TypeAlias = NDArray[np.bool_] | np.bool_

_MOST_KEPT = 1500
"""Columns that are kept for the next programs: 60 MB where a probe has 5,000 calls, at most."""

BINARY: Mapping[type[ast.operator], Callable[[Column, Column], Column]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Column, Column], Mask]] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
FUNCTIONS: Mapping[str, Callable[[Column], Column]] = {
    "float": np.positive,
    "int": np.trunc,
    "abs": np.abs,
    "round": np.round,
    "math.fabs": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.sqrt": np.sqrt,
    "math.cbrt": np.cbrt,
    "math.exp": np.exp,
    "math.expm1": np.expm1,
    "math.log": np.log,
    "math.log2": np.log2,
    "math.log10": np.log10,
    "math.log1p": np.log1p,
    "math.sin": np.sin,
    "math.cos": np.cos,
    "math.tan": np.tan,
    "math.atan": np.arctan,
    "math.sinh": np.sinh,
    "math.cosh": np.cosh,
    "math.tanh": np.tanh,
}
CONSTANTS = {"math.pi": math.pi, "math.e": math.e, "math.tau": math.tau, "math.inf": math.inf}


class Columns:
    """What was computed of given columns, each once: the programs of a search share most of their
    expressions.

    A column that is the same everywhere is a scalar. None is ever changed in place.
    """

    def __init__(self, arguments: Sequence[NDArray[np.float64]]) -> None:
        self.arguments = arguments
        self.everywhere: Mask = np.ones(len(arguments[0]), np.bool_)
        self.nowhere: Mask = np.zeros(len(arguments[0]), np.bool_)
        self.unknown = np.float64(np.nan)
        self._kept: dict[tuple[object, ...], tuple[Any, tuple[Any, ...]]] = {}
        self._numbers: dict[tuple[float, float], np.float64] = {}

    def of(self, work: Callable[..., Any], *given: Any) -> Any:
        """`work(*given)`; the objects given are kept beside it, so that their ids stay theirs."""
        key = (work, *map(id, given))
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) == _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            found = self._kept[key] = (work(*given), given)
        return found[0]

    def number(self, value: float) -> np.float64:
        """One object for each number, so that what is computed of it is found again."""
        if len(self._numbers) == _MOST_KEPT:
            self._numbers.clear()
        key = (value, math.copysign(1.0, value))
        return self._numbers.setdefault(key, np.float64(value))


def any_of(mask: Mask) -> bool:
    return bool(mask.any())  # `np.any` takes three times as long


def powers_beyond(left: Column, right: Column, answer: Column) -> tuple[Mask, Mask]:
    """Where a power has no finite value, and where it would be a whole number all the same."""
    beyond = np.isfinite(left) & np.isfinite(right) & ~np.isfinite(answer)
    return beyond, beyond & (left == np.trunc(left)) & (right == np.trunc(right)) & (left != 0)


def refused(given: Column, answer: Column, whole: bool) -> Mask:
    mask: Mask = ~np.isfinite(answer) & (whole | np.isfinite(given))
    return mask
