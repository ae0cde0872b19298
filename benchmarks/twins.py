"""Slow, obvious twins of the verifiers, and the random objects on which both must agree.

A twin is the definition, in Python's exact numbers, and shares no code with what it is compared to:
it takes nothing from `evaluators`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations, product

Number = tuple[Fraction, Fraction]
"""a + b root, for the root of the ring."""
Vectors = list[list[Number]]
"""A vector for each term."""
ROOTS = {"Z": 0, "Q": 0, "GF2": 0, "Z[i]/2": -1, "Q(i)": -1, "Q(sqrt2)": 2, "Q(sqrt-3)": -3}
STRASSEN = """
a11+a22,b11+b22,c11+c22 a21+a22,b11,c21-c22 a11,b12-b22,c12+c22 a22,b21-b11,c11+c21
a11+a12,b22,c12-c11 a21-a11,b11+b12,c22 a12-a22,b21+b22,c11
"""
"""V. Strassen, Gaussian elimination is not optimal, Numer. Math. 13, 354-356 (1969)."""


@dataclass(slots=True)
class Scheme:
    """Terms u, v, w of a claimed scheme for <n,m,p>; entries as they are, not over anything."""

    n: int
    m: int
    p: int
    ring: str
    factors: list[Vectors]


def times(x: Number, y: Number, root: int) -> Number:
    return x[0] * y[0] + root * x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def is_scheme(scheme: Scheme) -> bool:
    """By the definition: for all entries of A, B and C how often their product occurs."""
    n, m, p, root = scheme.n, scheme.m, scheme.p, ROOTS[scheme.ring]
    u, v, w = scheme.factors
    if not 1 <= len(u) <= n * m * p:
        return False
    for vectors in scheme.factors:
        for vector in vectors:
            if not any(x[0] or x[1] for x in vector) or not all(
                _is_in(x, scheme.ring) for x in vector
            ):
                return False
    for i, j, j2, k, k2, i2 in product(range(n), range(m), range(m), range(p), range(p), range(n)):
        total = Fraction(0), Fraction(0)
        for r in range(len(u)):
            term = times(times(u[r][i * m + j], v[r][j2 * p + k], root), w[r][k2 * n + i2], root)
            total = total[0] + term[0], total[1] + term[1]
        expected = int(i == i2 and j == j2 and k == k2)
        found = total[0] % 2 if scheme.ring == "GF2" else total[0]
        if found != expected or total[1] != 0:
            return False
    return True


def _is_in(x: Number, ring: str) -> bool:
    match ring:
        case "Z":
            return x[0].denominator == 1 and x[1] == 0
        case "GF2":
            return x[0] in (0, 1) and x[1] == 0
        case "Q":
            return x[1] == 0
        case "Z[i]/2":
            return (2 * x[0]).denominator == (2 * x[1]).denominator == 1
        case _:
            return True


def some_scheme(rng: random.Random) -> Scheme:
    """The definition or Strassen's, moved by changes of basis, and as often as not corrupted."""
    ring = rng.choice(list(ROOTS))
    scheme = strassen(ring) if rng.random() < 0.4 else _definition(ring, rng)
    for _ in range(rng.randint(0, 3)):
        _change_basis(scheme, rng)
    _scale(scheme, rng)
    if rng.random() < 0.5:
        _corrupt(scheme, rng)
    return scheme


def _whole(x: int) -> Number:
    return Fraction(x), Fraction(0)


def _definition(ring: str, rng: random.Random) -> Scheme:
    n, m, p = (rng.randint(1, 2) for _ in range(3))
    factors: list[Vectors] = [[], [], []]
    for i, j, k in product(range(n), range(m), range(p)):
        for vectors, size, at in zip(
            factors, (n * m, m * p, p * n), (i * m + j, j * p + k, k * n + i), strict=True
        ):
            vectors.append([_whole(int(index == at)) for index in range(size)])
    return Scheme(n, m, p, ring, factors)


def strassen(ring: str) -> Scheme:
    """Strassen's scheme of seven products."""
    factors: list[Vectors] = [[], [], []]
    for term in STRASSEN.split():
        for vectors, form in zip(factors, term.split(","), strict=True):
            vector = [0] * 4
            for part in form.replace("-", "+-").split("+"):
                row, column = int(part[-2]), int(part[-1])
                # C's entry is indexed as that of its transpose
                row, column = (column, row) if "c" in part else (row, column)
                vector[2 * row + column - 3] = -1 if part[0] == "-" else 1
            if ring == "GF2":
                vector = [x % 2 for x in vector]
            vectors.append([_whole(x) for x in vector])
    return Scheme(2, 2, 2, ring, factors)


def _change_basis(scheme: Scheme, rng: random.Random) -> None:
    """Adds a row of A to another, and takes the columns of C^T the other way."""
    n, m, p = scheme.n, scheme.m, scheme.p
    if n < 2:
        return
    i, j = rng.sample(range(n), 2)
    u, _, w = scheme.factors
    binary = scheme.ring == "GF2"
    for a, c in zip(u, w, strict=True):
        for column in range(m):
            x, y = a[i * m + column], a[j * m + column]
            a[i * m + column] = _sum(x, y, 1, binary=binary)
        for row in range(p):
            x, y = c[row * n + j], c[row * n + i]
            c[row * n + j] = _sum(x, y, -1, binary=binary)


def _sum(x: Number, y: Number, sign: int, *, binary: bool) -> Number:
    real, other = x[0] + sign * y[0], x[1] + sign * y[1]
    return (real % 2, other % 2) if binary else (real, other)


def _scale(scheme: Scheme, rng: random.Random) -> None:
    """Multiplies a vector of each term by a unit of the ring, and another by its inverse."""
    units: dict[str, list[tuple[Number, Number]]] = {
        "Z": [(_whole(-1), _whole(-1))],
        "Q": [((Fraction(2, 3), Fraction(0)), (Fraction(3, 2), Fraction(0)))],
        "Z[i]/2": [(((Fraction(0), Fraction(1))), (Fraction(0), Fraction(-1)))],
        "Q(i)": [((Fraction(1), Fraction(1)), (Fraction(1, 2), Fraction(-1, 2)))],
        "Q(sqrt2)": [((Fraction(1), Fraction(1)), (Fraction(-1), Fraction(1)))],
        "Q(sqrt-3)": [((Fraction(1, 2), Fraction(1, 2)), (Fraction(1, 2), Fraction(-1, 2)))],
    }
    root = ROOTS[scheme.ring]
    for r in range(len(scheme.factors[0])):
        for unit, inverse in units.get(scheme.ring, []):
            if rng.random() < 0.5:
                one, other = rng.sample(range(3), 2)
                for which, by in ((one, unit), (other, inverse)):
                    vectors = scheme.factors[which]
                    vectors[r] = [times(x, by, root) for x in vectors[r]]


def _corrupt(scheme: Scheme, rng: random.Random) -> None:
    vectors = rng.choice(scheme.factors)
    r = rng.randrange(len(vectors))
    at = rng.randrange(len(vectors[r]))
    match rng.randrange(6):
        case 0:
            vectors[r][at] = vectors[r][at][0] + rng.choice([-1, 1, 2, 10**20]), vectors[r][at][1]
        case 1:
            vectors[r][at] = vectors[r][at][0] + Fraction(1, 2), vectors[r][at][1]
        case 2:
            vectors[r] = [_whole(0)] * len(vectors[r])
        case 3:
            rng.shuffle(vectors[r])
        case 4:
            for part in scheme.factors:
                del part[r]
        case 5:
            for part in scheme.factors:
                part.append(list(part[r]))


def sorts(wires: int, pairs: Sequence[tuple[int, int]]) -> bool:
    """Runs every order of `wires` different values."""
    for values in permutations(range(wires)):
        found = list(values)
        for low, high in pairs:
            if found[low] > found[high]:
                found[low], found[high] = found[high], found[low]
        if found != sorted(values):
            return False
    return True


def some_network(rng: random.Random) -> tuple[int, list[tuple[int, int]]]:
    """A sorter of up to six wires in one of two orders, perhaps with less, more or others in it."""
    wires = rng.randint(2, 6)
    bubble = [(i, i + 1) for end in range(wires - 1, 0, -1) for i in range(end)]
    selection = [(i, j) for i in range(wires) for j in range(i + 1, wires)]
    pairs = rng.choice([bubble, selection])
    for _ in range(rng.choice([0, 0, 1, 2])):
        if pairs:
            pairs.pop(rng.randrange(len(pairs)))
    if pairs and rng.random() < 0.2:
        low = rng.randrange(wires - 1)
        pairs[rng.randrange(len(pairs))] = (low, rng.randrange(low + 1, wires))
    return wires, pairs


def is_cap(vectors: Sequence[Sequence[int]]) -> bool:
    """All distinct, and no three add up to zero in every place."""
    return len(set(map(tuple, vectors))) == len(vectors) and not any(
        all((x + y + z) % 3 == 0 for x, y, z in zip(a, b, c, strict=True))
        for a, b, c in combinations(vectors, 3)
    )


def some_vectors(rng: random.Random) -> tuple[int, list[list[int]]]:
    """Random vectors, or 0 and 1 alone, which make no line, and perhaps one more."""
    n = rng.randint(1, 9)
    count = rng.randint(1, 7 + n)
    digits = rng.choice([2, 3])
    vectors = [[rng.randrange(digits) for _ in range(n)] for _ in range(count)]
    if digits == 2:
        vectors = [list(vector) for vector in set(map(tuple, vectors))]
    if rng.random() < 0.3 and len(vectors) > 1:
        a, b = rng.sample(vectors, 2)
        vectors.append([-(x + y) % 3 for x, y in zip(a, b, strict=True)])
    return n, vectors


def are_disjoint(circles: Sequence[Sequence[float]]) -> bool:
    """In fractions: inside the square, and no two centres nearer than the sum of the radii."""
    exact = [[Fraction(x) for x in circle] for circle in circles]
    return all(r > 0 and r <= x <= 1 - r and r <= y <= 1 - r for x, y, r in exact) and all(
        (a - x) ** 2 + (b - y) ** 2 >= (r + s) ** 2
        for (a, b, r), (x, y, s) in combinations(exact, 2)
    )


def some_circles(rng: random.Random) -> list[list[float]]:
    """Touching circles on a grid, some smaller by a hair, and perhaps one moved."""
    side = rng.randint(2, 3)
    circles = [
        [(i + 0.5) / side, (j + 0.5) / side, 0.5 / side] for i, j in product(range(side), repeat=2)
    ]
    for circle in circles:
        circle[2] -= rng.choice((0.0, 0.0, 1e-17, 1e-3))
    if rng.random() < 0.5:
        rng.choice(circles)[rng.randrange(3)] += rng.choice((-1, 1)) * 10 ** -rng.uniform(2, 17)
    return circles


def fits_bins(items: Sequence[int], bins: Sequence[int], capacity: int) -> bool:
    """Each item of a size from 1 to the capacity in one bin, and no bin too full."""
    if len(items) != len(bins) or not all(1 <= item <= capacity for item in items):
        return False
    return all(0 <= b < len(items) for b in bins) and all(
        sum(item for item, b in zip(items, bins, strict=True) if b == bin_) <= capacity
        for bin_ in set(bins)
    )


def some_bins(rng: random.Random) -> tuple[list[int], list[int], int]:
    """First fit of random items, and perhaps one elsewhere, missing, or larger."""
    capacity, items, bins = rng.randint(5, 30), [], []
    loads: list[int] = []
    for _ in range(rng.randint(1, 12)):
        item = rng.randint(1, capacity)
        at = next((i for i, load in enumerate(loads) if load + item <= capacity), len(loads))
        loads[at : at + 1] = [item + (loads[at] if at < len(loads) else 0)]
        items.append(item)
        bins.append(at)
    at = rng.randrange(len(items))
    match rng.randrange(8):
        case 0:
            bins[at] = rng.randint(-1, len(items))
        case 1:
            bins.pop()
        case 2:
            items[at] += rng.randint(-2, capacity)
    return items, bins, capacity
