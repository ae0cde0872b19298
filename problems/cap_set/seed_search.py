"""Cap sets: whole orbits of random symmetry groups, taken greedily and changed a little."""

import random
import time

import numpy as np
from orbits import Orbits, maximal, points

# EVOLVE-BLOCK-START

GENERATORS = (1, 2, 2, 2, 3)  # how many a group has
FEWEST, MOST = 8, 200  # orbits of a group: with few there is no choice, with many it is too wide
PATIENCE, PATIENCE_NEAR = 60, 400  # changes without a gain; the second close to the best so far
NEAR = 0.9  # of the best size so far


def symmetry(n, rng):
    """Where a random affine map that keeps lines takes each point: mostly a signed permutation."""
    every, weights = points(n), 3 ** np.arange(n)[::-1]
    if n > 1 and rng.random() < 0.25:
        moved = every.copy()
        for _ in range(rng.randint(1, 4)):
            to, by = rng.sample(range(n), 2)
            moved[:, to] += rng.choice([1, 2]) * moved[:, by]
        moved = moved[:, rng.sample(range(n), n)]
    else:
        places = rng.sample(range(n), n)
        if rng.random() < 0.3:
            shift = rng.randrange(n)
            places = [(place + shift) % n for place in range(n)]
        moved = every[:, places] * [rng.choice([1, 2]) for _ in range(n)]
        if rng.random() < 0.4:
            moved = moved + [rng.choice([0] * 12 + [1, 2]) for _ in range(n)]
    return moved % 3 @ weights


def climb(orbits, best, rng, chance, deadline):
    """Changes the priorities of a few orbits again and again, and keeps what is no worse."""
    priorities = chance.random(len(orbits))
    found = orbits.take(priorities)
    idle = 0
    while time.monotonic() < deadline:
        idle += 1
        if idle > (PATIENCE if len(found) < NEAR * best else PATIENCE_NEAR):
            break
        changed = priorities.copy()
        few = max(1, int(len(orbits) * rng.choice([0.01, 0.03, 0.1])))
        changed[chance.integers(len(orbits), size=few)] = 1.2 * chance.random(few)
        taken = orbits.take(changed)
        if len(taken) >= len(found):
            if len(taken) > len(found):
                idle = 0
            priorities, found = changed, taken
    return found


def search(n, seed, seconds):
    deadline = time.monotonic() + seconds
    rng, chance = random.Random(seed), np.random.default_rng(seed)
    best = maximal([], n)
    while time.monotonic() < deadline:
        images = [symmetry(n, rng) for _ in range(rng.choice(GENERATORS))]
        orbits = Orbits(np.array(images))
        if n > 3 and not FEWEST <= len(orbits) <= MOST:
            continue
        found = climb(orbits, len(best), rng, chance, deadline)
        if len(found) >= NEAR * len(best):
            found = maximal(found, n)
        if len(found) > len(best):
            best = found
    return points(n)[best]


# EVOLVE-BLOCK-END


def construct(n: int, seed: int, seconds: float):
    """The vectors of a cap set, one a row."""
    return search(n, seed, seconds)
