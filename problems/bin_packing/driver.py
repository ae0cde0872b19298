"""Runs beside the candidate in its sandbox; what it hands out is checked outside."""

from array import array
from types import ModuleType

import numpy as np


def answers(module: ModuleType, items: np.ndarray, remaining: np.ndarray) -> np.ndarray:
    """priority(item, remaining) for each pair, as 64-bit floats."""
    values = list(map(module.priority, items.tolist(), remaining.tolist()))
    try:
        return np.frombuffer(array("d", values))
    except TypeError:
        for item, space, value in zip(items.tolist(), remaining.tolist(), values, strict=True):
            try:
                array("d", [value])
            except TypeError:
                raise TypeError(
                    f"priority({item}, {space}) gave {type(value).__name__}, expected a number"
                ) from None
        raise


def choose(module: ModuleType, item: int, spaces: np.ndarray) -> int:
    """Index of the bin with the highest priority, the first among equals."""
    values = np.asarray(module.priority(item, spaces))
    if values.shape != spaces.shape or values.dtype.kind not in "biuf":
        raise TypeError(
            f"priority({item}, bins) gave {values.dtype} of shape {values.shape}, "
            f"expected one number for each of {len(spaces)} bins"
        )
    values = values.astype(np.float64)
    chosen = int(values.argmax())
    if values[chosen] != values[chosen]:  # argmax points to a NaN where there is one
        raise ValueError(f"priority({item}, bins) gave nan for bin {chosen} of {len(spaces)}")
    return chosen


def pack(module: ModuleType, instances: list[np.ndarray], capacity: int) -> list[np.ndarray]:
    """The bin of every item, for each instance; bins are numbered as they are opened."""
    packings = []
    for items in instances:
        spaces = np.full(len(items) + 1, capacity, dtype=np.int64)
        bins = np.empty(len(items), dtype=np.int64)
        opened = 0
        for position, item in enumerate(items.tolist()):
            fitting = np.flatnonzero(spaces[: opened + 1] >= item)
            chosen = int(fitting[choose(module, item, spaces[fitting])])
            opened = max(opened, chosen + 1)
            spaces[chosen] -= item
            bins[position] = chosen
        packings.append(bins)
    return packings
