"""Matrix multiplication schemes: random descents in the flip graph."""

import random
import time

from flip_graph import Scheme, chance

# EVOLVE-BLOCK-START

FLIPS = 5_000  # in one walk before a plus transition
MARGIN = 4  # how far plus transitions may climb above the best rank of a descent
FIRST = 50_000  # flips without a lower rank that end the first descent; then twice as many,
PATIENCE = 5_000_000  # up to this many
POOL = 64  # schemes of the best rank that a descent goes back to
FROM_NAIVE = 0.5
FROM_BEST = 0.2


def descend(scheme, patience, state, rng, deadline):
    """Walks down with plus transitions until `patience` flips brought no lower rank."""
    lowest, pool, idle = scheme.rank, [scheme.copy()], 0
    while idle < patience and time.monotonic() < deadline:
        before = scheme.rank
        idle += scheme.walk(FLIPS, state) + 1
        if scheme.rank < lowest:
            lowest, pool, idle = scheme.rank, [scheme.copy()], 0
        elif scheme.rank < before and scheme.rank == lowest:
            if len(pool) < POOL:
                pool.append(scheme.copy())
            else:
                pool[rng.randrange(POOL)] = scheme.copy()
        elif scheme.rank == before and (scheme.rank >= lowest + MARGIN or not scheme.plus(state)):
            scheme = rng.choice(pool).copy()
    return pool


def begin(shape, ring, patience, known, state, rng, deadline):
    """Where a descent begins: the naive scheme, or one extended from a smaller format."""
    fitting = [s for s in known if s.shape != shape and all(map(int.__le__, s.shape, shape))]
    if fitting and rng.random() < 0.5:
        return rng.choice(fitting).extended(*shape)
    if max(shape) <= 2 or rng.random() < FROM_NAIVE:
        return Scheme.naive(*shape, ring)
    axis = rng.choice([i for i in range(3) if shape[i] == max(shape)])
    smaller = tuple(size - (i == axis) for i, size in enumerate(shape))
    first = begin(smaller, ring, patience // 2, known, state, rng, deadline)
    found = descend(first, patience // 4, state, rng, deadline)
    return rng.choice(found).extended(*shape)


def search(shape, ring, seed, seconds, known):
    deadline = time.monotonic() + seconds
    rng, state = random.Random(seed), chance(seed)
    best = [s for s in known if s.shape == shape] or [Scheme.naive(*shape, ring)]
    lowest = min(s.rank for s in best)
    best = [s for s in best if s.rank == lowest]
    patience = FIRST
    while time.monotonic() < deadline:
        if rng.random() < FROM_BEST:
            scheme = rng.choice(best).copy()
        else:
            scheme = begin(shape, ring, patience, known, state, rng, deadline)
        found = descend(scheme, patience, state, rng, deadline)
        patience = min(2 * patience, PATIENCE)
        if found[0].rank < best[0].rank:
            best = found
        elif found[0].rank == best[0].rank:
            best = rng.sample(best + found, min(POOL, len(best) + len(found)))
    return best[0]


# EVOLVE-BLOCK-END


def decompose(n, m, p, ring, seed, seconds, known):
    """Factor matrices of a scheme for n x m by m x p, one row a product.

    `known` holds schemes to extend, as (n, m, p, u, v, w).
    """
    schemes = []
    for a, b, c, u, v, w in known:
        scheme = Scheme.of(u, v, w, (a, b, c), ring)
        for turned in (scheme, scheme.transposed()):
            schemes += [turned, turned.rotated(), turned.rotated().rotated()]
    return search((n, m, p), ring, seed, seconds, schemes).matrices()
