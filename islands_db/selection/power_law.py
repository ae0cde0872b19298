"""Power-law selection: the program of rank r (1 is best) with probability proportional to r^-a.

Source: Lange, Imajuku, Cetin, "ShinkaEvolve: towards open-ended and sample-efficient program
evolution", arXiv 2509.19349 (2025), section 3.1, "Power law sampling".
"""

from __future__ import annotations

import random

import numpy as np

from islands_db.pool import Columns
from islands_db.selection.funsearch import weighted

EXPONENT = 1.0


def power_law(columns: Columns, rng: random.Random, *, exponent: float = EXPONENT) -> int:
    """The slot of one program; of equals the older in the run has the better rank."""
    rank = weighted(np.arange(1, len(columns) + 1, dtype=np.float64) ** -exponent, rng)
    return int(ranked(columns)[rank])


def ranked(columns: Columns) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """All slots, best first; of equals the program that is older in the run."""
    return np.lexsort((columns.program, -columns.fitness, -columns.rung))
