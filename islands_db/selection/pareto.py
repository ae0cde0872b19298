"""Several objectives at once: non-dominated sorting and crowding, as in NSGA-II.

Of two programs the one with more stages passed wins (as feasible ones do in the paper, section VI);
within a rung one dominates another when it is nowhere worse and somewhere better.

Source: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm:
NSGA-II", IEEE Trans. Evolutionary Computation 6 (2002), 182-197, sections III-A to III-C.
"""

from __future__ import annotations

import random

import numpy as np

from islands_db.pool import Columns, Entrant, Floats, Integers

LARGE = 1e300
"""Differences of larger values than this could be infinite."""


def pareto(columns: Columns, rng: random.Random) -> int:
    """The slot that wins a binary tournament by crowded comparison; of equals the first drawn."""
    front, crowding = crowded(columns.rung, _values(columns))
    first, second = rng.randrange(len(columns)), rng.randrange(len(columns))
    if (front[second], -crowding[second]) < (front[first], -crowding[first]):
        return second
    return first


def leaver(columns: Columns, newcomer: Entrant) -> int | None:
    """The slot that a newcomer takes in a full population; None when it is the one to leave.

    Of all of them, the newcomer included, the most crowded of the last front leaves; of equals the
    longest there.
    """
    values = newcomer.objectives if columns.objectives.shape[1] else (newcomer.fitness,)
    front, crowding = crowded(
        np.append(columns.rung, newcomer.rung), np.vstack([_values(columns), values])
    )
    joined = np.append(columns.joined, columns.joined.max() + 1)
    slot = int(np.lexsort((joined, crowding, -front))[0])
    return None if slot == len(columns) else slot


def crowded(rung: Integers, values: Floats) -> tuple[Integers, Floats]:
    """(front from 0, crowding distance) of every program; O(objectives programs^2).

    Args:
        rung: Shape (programs,).
        values: Shape (programs, objectives), higher is better.
    """
    fronts = _fronts(rung, values)
    crowding = np.zeros(len(rung))
    for front in range(int(fronts.max()) + 1):
        members = np.flatnonzero(fronts == front)
        crowding[members] = crowding_distance(values[members])
    return fronts, crowding


def _values(columns: Columns) -> Floats:
    return columns.objectives if columns.objectives.shape[1] else columns.fitness[:, None]


def _fronts(rung: Integers, values: Floats) -> Integers:
    no_worse = (values[:, None, :] >= values[None]).all(axis=2)
    better = (values[:, None, :] > values[None]).any(axis=2)
    same_rung = rung[:, None] == rung[None]
    dominates = (rung[:, None] > rung[None]) | (same_rung & no_worse & better)
    above = dominates.sum(axis=0)
    fronts = np.full(len(rung), -1, np.int64)
    front = 0
    while (left := fronts < 0).any():
        now = left & (above == 0)
        fronts[now] = front
        above = above - dominates[now].sum(axis=0)
        front += 1
    return fronts


def crowding_distance(values: Floats) -> Floats:
    """The perimeter of the box that a program's neighbours leave it; infinite at the ends."""
    count, objectives = values.shape
    distance = np.zeros(count)
    for objective in range(objectives):
        order = np.argsort(values[:, objective], kind="stable")
        column = values[order, objective]
        if np.abs(column).max() > LARGE:
            column = column / 4
        width = column[-1] - column[0]
        distance[order[0]] = distance[order[-1]] = np.inf
        if width > 0:
            distance[order[1:-1]] += (column[2:] - column[:-2]) / width
    return distance
