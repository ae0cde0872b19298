"""FunSearch's choice of a program: a cluster by its score, then a program in it by its length.

Programs of equal signature form a cluster. Cluster i with score s_i is chosen with probability
proportional to exp(s_i / T), T = T0 (1 - (n mod N) / N) for n programs on the island, so that
choices sharpen over each period of N programs and start broad again. In the cluster a program of
length l has probability proportional to exp(-l' / T_program), l' = (l - min l) / (max l + 1e-6).

Two things the paper leaves open: where programs are judged in stages, only clusters of the highest
rung take part (FunSearch discards programs that fail on an input); a cluster's score is the fitness
its programs share, the best one where it was measured and varies. T0 is in units of the score, so
problems with large scores search greedily.

Source: Romera-Paredes et al., "Mathematical discoveries from program search with large language
models", Nature 625 (2024), 468-475, Methods, "Programs database"; T0 and N as in its code.
"""

from __future__ import annotations

import random

import numpy as np

from islands_db.pool import Columns, Floats

TEMPERATURE = 0.1
PERIOD = 30_000
LENGTH_TEMPERATURE = 1.0


def funsearch(
    columns: Columns,
    rng: random.Random,
    *,
    temperature: float = TEMPERATURE,
    period: int = PERIOD,
) -> int:
    """The slot of one program; the columns must hold clusters."""
    clusters = np.flatnonzero(columns.clusters.rung == columns.clusters.rung.max())
    now = temperature * (1 - (len(columns) % period) / period)
    chosen = clusters[boltzmann(columns.clusters.fitness[clusters], now, rng)]
    slots = np.flatnonzero(columns.cluster == chosen)
    length = columns.length[slots]
    relative = (length - length.min()) / (length.max() + 1e-6)
    return int(slots[boltzmann(-relative, LENGTH_TEMPERATURE, rng)])


def boltzmann(values: Floats, temperature: float, rng: random.Random) -> int:
    """An index, with probability proportional to exp(value / temperature)."""
    with np.errstate(over="ignore"):  # what is that far behind is not chosen
        return weighted(np.exp((values - values.max()) / temperature), rng)


def weighted(weights: Floats, rng: random.Random) -> int:
    """An index, with probability proportional to its weight."""
    heights = np.cumsum(weights)
    place = np.searchsorted(heights, rng.random() * heights[-1], side="right")
    return min(int(place), len(weights) - 1)
