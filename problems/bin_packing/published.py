"""Reads the published instances from the folder that EVOLVE_PUBLISHED names."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluators.bin_packing_instances import Items, distributions
from evolve.problem import ProblemError

FILES = {
    "weibull5k": "funsearch_weibull_5k.json",
    "or1": "orlib_binpack1_OR1_u120.json",
    "or2": "orlib_binpack2_OR2_u250.json",
    "or3": "orlib_binpack3_OR3_u500.json",
    "or4": "orlib_binpack4_OR4_u1000.json",
}


def read_published(distribution: str) -> Sequence[Items]:
    """The published instances of a distribution, in their published order.

    Format: {"instances": [{"capacity": c, "items": [size, ...]}, ...]}; other keys are ignored.

    Raises:
        ProblemError: no folder is named, the file is not there, or it holds something else.
    """
    folder = os.environ.get("EVOLVE_PUBLISHED", "")
    if not folder:
        raise ProblemError(
            "instances=published: set EVOLVE_PUBLISHED to the folder with the published instances"
        )
    path = Path(folder) / FILES[distribution]
    try:
        rows = json.loads(path.read_bytes())["instances"]
        capacities = {row["capacity"] for row in rows}
        instances = [row["items"] for row in rows]
    except OSError as error:
        raise ProblemError(f"instances=published: cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ProblemError(
            f"instances=published: {path} is not an instance file: {error!r}"
        ) from None
    capacity = distributions()[distribution].capacity
    if capacities != {capacity}:
        raise ProblemError(
            f"instances=published: {path}: capacities {capacities}, expected {capacity}"
        )
    for index, items in enumerate(instances):
        sound = isinstance(items, list) and items and all(type(size) is int for size in items)
        if not sound or not 1 <= min(items) <= max(items) <= capacity:
            raise ProblemError(
                f"instances=published: {path}: instance {index}: expected sizes 1 to {capacity}"
            )
    return [np.array(items, dtype=np.int64) for items in instances]
