"""Power law over ranks, discounted by the attempts that have begun from a program.

The program of rank r (1 is best) from which n attempts have begun has a probability proportional to
r^-2 (1 + n)^-1/2. A new best gets most of the attempts at once. When they bring nothing, it loses
its share to others, step by step, since what lies near it has been seen.

Source: after the weighted sampling of Lange, Imajuku, Cetin, "ShinkaEvolve: towards open-ended and
sample-efficient program evolution", arXiv 2509.19349 (2025), section 3.1, which multiplies a
sigmoid of the fitness by (1 + n)^-1. Ranks need no scale of the fitness; the two exponents were
chosen by measurement (docs/search.md).
"""

from __future__ import annotations

import random

import numpy as np

from islands_db.pool import Columns
from islands_db.selection.funsearch import weighted
from islands_db.selection.power_law import ranked

RANK_EXPONENT = 2.0
TRIES_EXPONENT = 0.5


def discounted(columns: Columns, rng: random.Random) -> int:
    """The slot of one program; of equals the older in the run has the better rank."""
    order = ranked(columns)
    rank = np.arange(1, len(order) + 1, dtype=np.float64)
    weights = rank**-RANK_EXPONENT * (1.0 + columns.tries[order]) ** -TRIES_EXPONENT
    return int(order[weighted(weights, rng)])
