"""Circles in the unit square: a pool of packings, each pressed tight by linear programs."""

import math
import random
import time

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

# EVOLVE-BLOCK-START

POOL = 24  # packings that are kept; the worst goes first
FRESH = 0.08  # of the starts; the others change a packing of the pool
STEPS = 40  # linear programs for one packing at most
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
EARLY, BEHIND = 8, 0.02  # after so many steps, give up what is this far behind the pool's worst


def press(x, y, step, hopeless):
    """Moves centres and sets radii by linear programs, each within `step` of the last.

    The distance of two centres is at least its projection on the line between them before the
    step. With that in its place the constraints are linear and what satisfies them is a packing,
    so the sum of the radii never falls.
    """
    n = len(x)
    first, second = np.triu_indices(n, 1)
    one = np.arange(n)
    r, total = np.zeros(n), -1.0
    for number in range(STEPS):
        apart = np.hypot(x[first] - x[second], y[first] - y[second])
        near = apart < r[first] + r[second] + 3 * step + (1.0 if number == 0 else 0.05)
        a, b, d = first[near], second[near], np.maximum(apart[near], 1e-9)
        ux, uy = (x[a] - x[b]) / d, (y[a] - y[b]) / d
        k = np.arange(len(a))
        rows = [k] * 6 + [len(a) + side * n + one for side in (0, 0, 1, 1, 2, 2, 3, 3)]
        columns = [a, b, n + a, n + b, 2 * n + a, 2 * n + b]
        columns += [one, 2 * n + one] * 2 + [n + one, 2 * n + one] * 2
        ones, each = np.ones(len(a)), np.ones(n)
        values = [-ux, ux, -uy, uy, ones, ones, -each, each, each, each, -each, each, each, each]
        matrix = csr_array(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
            shape=(len(a) + 4 * n, 3 * n),
        )
        found = linprog(
            np.repeat([0.0, 0.0, -1.0], n),
            A_ub=matrix,
            b_ub=np.concatenate([d, x, 1 - x, y, 1 - y]),
            bounds=np.repeat([[-step, step], [-step, step], [0, 0.5]], n, axis=0),
            method="highs",
            options={"presolve": False, **TIGHT},
        )
        if found.x is None:
            return x, y, r
        gain = found.x[2 * n :].sum() - total
        x, y, r = x + found.x[:n], y + found.x[n : 2 * n], found.x[2 * n :]
        total = r.sum()
        if gain < 1e-11 or (number == EARLY and total < hopeless):
            break
        step = min(step, 0.03 if gain < 5e-3 else 1, 0.005 if gain < 1e-5 else 1)
    return x, y, r


def fresh(n, rng):
    """Rows of circles, nearly as many in each, shaken."""
    count = max(1, round(math.sqrt(n) + rng.choice([-0.5, 0, 0, 0.5])))
    sizes = [n // count] * count
    for _ in range(n - sum(sizes)):
        sizes[rng.randrange(count)] += 1
    if count > 1 and rng.random() < 0.5 and min(sizes) > 1:
        low, high = rng.sample(range(count), 2)
        sizes[low], sizes[high] = sizes[low] - 1, sizes[high] + 1
    points = [
        ((place + 0.5) / size, (row + 0.5) / count)
        for row, size in enumerate(sizes)
        for place in range(size)
    ]
    x, y = np.array(points).T
    return shaken(x, y, rng.choice([0.01, 0.03, 0.05]), rng)


def shaken(x, y, far, rng):
    noise = np.random.default_rng(rng.getrandbits(64)).normal(0, far, (2, len(x)))
    return x + noise[0], y + noise[1]


def into_holes(x, y, r, rng):
    """Takes out a few circles and puts each where there is most room."""
    n = len(x)
    chance = np.random.default_rng(rng.getrandbits(64))
    few = min(rng.choice([1, 1, 2, 3]), n)
    loose = r + chance.normal(0, 0.02, n) if rng.random() < 0.6 else chance.random(n)
    for circle in np.argsort(loose)[:few]:
        tried = chance.uniform(0.02, 0.98, (300, 2))
        room = np.hypot(tried[:, :1] - x, tried[:, 1:] - y) - r
        room[:, circle] = 9.0
        room = np.minimum(room.min(axis=1), np.minimum(tried, 1 - tried).min(axis=1))
        x[circle], y[circle] = tried[(room + chance.normal(0, 0.01, 300)).argmax()]
    return x, y


def halves(x, y, other, rng):
    """One side of a line from one packing, the other side from another one, perhaps turned."""
    n = len(x)
    u, v = other[0], other[1]
    if rng.random() < 0.5:
        u, v = rng.choice([(1 - u, v), (u, 1 - v), (v, u)])
    turn = rng.uniform(0, 2 * math.pi)
    mine = np.argsort(x * math.cos(turn) + y * math.sin(turn))
    theirs = np.argsort(u * math.cos(turn) + v * math.sin(turn))
    cut = rng.randint(n // 4, n - n // 4)
    return (
        np.concatenate([x[mine[:cut]], u[theirs[cut:]]]),
        np.concatenate([y[mine[:cut]], v[theirs[cut:]]]),
    )


def changed(pool, rng):
    """Centres made from those of a packing of the pool."""
    best = min(rng.randrange(len(pool)) for _ in range(3))
    x, y, r = (part.copy() for part in pool[best][1])
    kind = rng.choice(["shake", "shake", "holes", "holes", "halves", "halves", "swap", "there"])
    if kind == "shake":
        return shaken(x, y, rng.choice([0.015, 0.03, 0.08]), rng)
    if kind == "holes":
        return into_holes(x, y, r, rng)
    if kind == "halves":
        return halves(x, y, rng.choice(pool)[1], rng)
    if kind == "swap" and len(x) > 1:
        a, b = rng.sample(range(len(x)), 2)
        x[[a, b]], y[[a, b]] = x[[b, a]], y[[b, a]]
        return shaken(x, y, 0.02, rng)
    there = np.hypot(x - rng.random(), y - rng.random()) < 0.3
    moved = shaken(x, y, 0.08, rng)
    return np.where(there, moved[0], x), np.where(there, moved[1], y)


def search(n, seed, seconds):
    deadline = time.monotonic() + seconds
    rng = random.Random(seed)
    pool = []  # (sum of radii, packing), the best first
    slowest = 0.0
    while not pool or time.monotonic() + slowest < deadline:
        began = time.monotonic()
        x, y = (
            fresh(n, rng) if len(pool) < POOL // 2 or rng.random() < FRESH else changed(pool, rng)
        )
        x, y = shaken(np.clip(x, 0.02, 0.98), np.clip(y, 0.02, 0.98), 1e-4, rng)
        hopeless = pool[-1][0] - BEHIND if len(pool) >= POOL // 2 else 0.0
        packing = press(x, y, 0.1, hopeless)
        value = float(packing[2].sum())
        slowest = max(slowest, time.monotonic() - began)
        if all(abs(value - known) > 1e-6 for known, _ in pool):
            pool = sorted([*pool, (value, packing)], key=lambda entry: -entry[0])[:POOL]
    return pool[0][1]


# EVOLVE-BLOCK-END


def circles(count: int, seed: int, seconds: float) -> list[tuple[float, float, float]]:
    """Circles (x, y, r) for the best packing found in the time."""
    x, y, r = search(count, seed, seconds)
    return list(zip(x.tolist(), y.tolist(), r.tolist(), strict=True))
