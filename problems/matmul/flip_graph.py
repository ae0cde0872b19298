"""Moves on matrix multiplication schemes over GF(2) and over {-1, 0, 1}, compiled by numba.

A library for candidates: the sandbox's server runs this file once, so its compiled functions are
there in every candidate without a cache on disk. It searches nothing by itself. It decides nothing
either: what a candidate makes of it, or does to it, is verified elsewhere.

A term is a sign and three vectors of at most 64 coordinates, each vector two words of 64 bits: bit
t of the first says that coordinate t is 1, of the second that it is -1. Over GF(2) the second is 0.
The lowest coordinate that is not 0 is 1, so vectors that agree up to sign are equal.

Moves: flips, reductions and plus transitions.

Sources: Kauers and Moosbauer, "Flip graphs for matrix multiplication" (2022), arXiv:2212.01175;
Arai, Ichikawa and Hukushima, "Adaptive flip graph algorithm for matrix multiplication" (2024),
arXiv:2312.16960 (plus transitions, extension).
"""

from __future__ import annotations

import numba
import numpy as np
from numba import int64, uint64

RINGS = ("Z", "GF2")
TERMS = 576
"""Room for terms: naive <8,8,8> and 64 more."""
COORDINATES = 64
BUCKET_BITS = 10
BUCKETS = 1 << BUCKET_BITS


@numba.njit(inline="always")
def _draw(state):
    # xorshift128+, Vigna 2014
    a, b = state[0], state[1]
    state[0] = b
    a ^= a << uint64(23)
    state[1] = a ^ b ^ (a >> uint64(17)) ^ (b >> uint64(26))
    return state[1] + b


@numba.njit(inline="always")
def _below(state, bound):
    return int64(((_draw(state) >> uint64(32)) * uint64(bound)) >> uint64(32))


@numba.njit
def _sum(plus, minus, plus_too, minus_too, sign, ternary):
    """First plus `sign` times second: (fits, plus, minus, sign that makes it canonical)."""
    if not ternary:
        return True, plus ^ plus_too, uint64(0), 1
    if sign < 0:
        plus_too, minus_too = minus_too, plus_too
    if (plus & plus_too) | (minus & minus_too):
        return False, uint64(0), uint64(0), 1  # a coordinate would be 2
    up, down = plus | plus_too, minus | minus_too
    both = up & down
    up, down = up & ~both, down & ~both
    support = up | down
    if down & (support & (~support + uint64(1))):
        return True, down, up, -1
    return True, up, down, 1


@numba.njit
def _remove(vectors, signs, rank, term):
    last = rank - 1
    signs[term] = signs[last]
    for mode in range(3):
        for half in range(2):
            vectors[half, mode, term] = vectors[half, mode, last]
            vectors[half, mode, last] = 0
    return last


@numba.njit
def _enter(cells, places, count, cell):
    if places[cell] >= 0:
        return count
    places[cell] = count
    cells[count] = cell
    return count + 1


@numba.njit
def _leave(cells, places, count, cell):
    at = places[cell]
    if at < 0:
        return count
    last = cells[count - 1]
    cells[at], places[last], places[cell] = last, at, -1
    return count - 1


@numba.njit(inline="always")
def _bucket(mode, plus, minus):
    """Where terms with this vector in this mode are listed, with few others."""
    mixed = plus * uint64(0x9E3779B97F4A7C15) ^ minus * uint64(0xC2B2AE3D27D4EB4F)
    return mode * BUCKETS + int64(mixed >> uint64(64 - BUCKET_BITS))


@numba.njit(inline="always")
def _link(firsts, after, before, bucket, cell):
    first = firsts[bucket]
    after[cell], before[cell] = first, -1
    if first >= 0:
        before[first] = cell
    firsts[bucket] = cell


@numba.njit(inline="always")
def _unlink(firsts, after, before, bucket, cell):
    one, other = before[cell], after[cell]
    if one >= 0:
        after[one] = other
    else:
        firsts[bucket] = other
    if other >= 0:
        before[other] = one


@numba.njit(inline="always")
def _others(vectors, firsts, after, bucket, cell, mode, plus, minus):
    """How many cells but this one have the vector, and one of them."""
    found, met = 0, -1
    at = int64(firsts[bucket])
    while at >= 0:
        term = at - mode * TERMS
        if vectors[0, mode, term] == plus and vectors[1, mode, term] == minus and at != cell:
            found += 1
            met = at
        at = int64(after[at])
    return found, met


@numba.njit(inline="always")
def _replace(vectors, firsts, after, before, cells, places, count, mode, term, plus, minus):
    """Gives a cell a new vector and keeps the lists; the new number of cells with company."""
    cell = mode * TERMS + term
    was_plus, was_minus = vectors[0, mode, term], vectors[1, mode, term]
    bucket = _bucket(mode, was_plus, was_minus)
    left, alone = _others(vectors, firsts, after, bucket, cell, mode, was_plus, was_minus)
    if left == 1:
        count = _leave(cells, places, count, alone)
    _unlink(firsts, after, before, bucket, cell)
    vectors[0, mode, term], vectors[1, mode, term] = plus, minus
    bucket = _bucket(mode, plus, minus)
    company, met = _others(vectors, firsts, after, bucket, cell, mode, plus, minus)
    _link(firsts, after, before, bucket, cell)
    if company == 0:
        return _leave(cells, places, count, cell)
    if company == 1:
        count = _enter(cells, places, count, met)
    return _enter(cells, places, count, cell)


@numba.njit(inline="always")
def _partner(vectors, firsts, after, mode, term, state):
    """A random other term with the same vector in this mode; there is one."""
    plus, minus = vectors[0, mode, term], vectors[1, mode, term]
    cell = mode * TERMS + term
    bucket = _bucket(mode, plus, minus)
    others, met = _others(vectors, firsts, after, bucket, cell, mode, plus, minus)
    if others == 1:
        return met - mode * TERMS
    skip = _below(state, others)
    at = int64(firsts[bucket])
    while True:
        other = at - mode * TERMS
        if vectors[0, mode, other] == plus and vectors[1, mode, other] == minus and at != cell:
            if skip == 0:
                return other
            skip -= 1
        at = int64(after[at])


@numba.njit("Tuple((int64, int64))(uint64[:,:,::1], int64[::1], int64, int64, uint64[::1], b1)")
def _walk(vectors, signs, rank, flips, state, ternary):
    """Flips until a term vanishes or `flips` were tried: (rank, flips tried).

    a b c + s a b' c' = a (b + t b') c + a b' (s c' - t c), in any order of the three modes; s is
    the product of both signs and t is drawn.
    """
    # cells (mode, term) whose vector another term has too: where flips can begin
    cells = np.empty(3 * TERMS, np.int16)
    places = np.full(3 * TERMS, -1, np.int16)
    # all cells by their vector: lists, each of those that fall into one bucket
    firsts = np.full(3 * BUCKETS, -1, np.int16)
    after = np.empty(3 * TERMS, np.int16)
    before = np.empty(3 * TERMS, np.int16)
    count = 0
    for mode in range(3):
        for term in range(rank):
            plus, minus = vectors[0, mode, term], vectors[1, mode, term]
            cell, bucket = mode * TERMS + term, _bucket(mode, plus, minus)
            company, met = _others(vectors, firsts, after, bucket, cell, mode, plus, minus)
            _link(firsts, after, before, bucket, cell)
            if company > 0:
                count = _enter(cells, places, count, met)
                count = _enter(cells, places, count, cell)
    for tried in range(flips):
        if count == 0:
            return rank, tried
        cell = int64(cells[_below(state, count)])
        mode = cell // TERMS
        i = cell - mode * TERMS
        j = _partner(vectors, firsts, after, mode, i, state)
        chance = _draw(state)
        turn = 1 + int64(chance >> uint64(63))
        b, c = (mode + turn) % 3, (mode + 3 - turn) % 3
        t = 1 - 2 * int64((chance >> uint64(62)) & uint64(1))
        fits, plus, minus, turned = _sum(
            vectors[0, b, i], vectors[1, b, i], vectors[0, b, j], vectors[1, b, j], t, ternary
        )
        if not fits:
            continue
        # of term j: sign s_j c_j - t s_i c_i = s_j (c_j - t s_i s_j c_i)
        s = -t * signs[i] * signs[j]
        fits, plus_too, minus_too, turned_too = _sum(
            vectors[0, c, j], vectors[1, c, j], vectors[0, c, i], vectors[1, c, i], s, ternary
        )
        if not fits:
            continue
        signs[i] *= turned
        signs[j] *= turned_too
        if (plus | minus) == 0 or (plus_too | minus_too) == 0:
            vectors[0, b, i], vectors[1, b, i] = plus, minus
            vectors[0, c, j], vectors[1, c, j] = plus_too, minus_too
            gone_i, gone_j = (plus | minus) == 0, (plus_too | minus_too) == 0
            for term in (max(i, j), min(i, j)):
                if (gone_i and term == i) or (gone_j and term == j):
                    rank = _remove(vectors, signs, rank, term)
            return rank, tried + 1
        count = _replace(vectors, firsts, after, before, cells, places, count, b, i, plus, minus)
        count = _replace(
            vectors, firsts, after, before, cells, places, count, c, j, plus_too, minus_too
        )
    return rank, flips


@numba.njit("int64(uint64[:,:,::1], int64[::1], int64, uint64[::1], b1)")
def _plus(vectors, signs, rank, state, ternary):
    """A plus transition at two random terms without a common vector: the new rank.

    a b c + a' b' c' = a (b + b') c + a b' (c' - c) + (a' - a) b' c', signs aside.
    """
    if rank + 1 > TERMS:
        return rank
    for _ in range(200):
        i, j = _below(state, rank), _below(state, rank)
        shared = i == j
        for mode in range(3):
            shared |= (vectors[0, mode, i] == vectors[0, mode, j]) & (
                vectors[1, mode, i] == vectors[1, mode, j]
            )
        if shared:
            continue
        a = _below(state, 3)
        turn = 1 + int64(_draw(state) >> uint64(63))
        b, c = (a + turn) % 3, (a + 3 - turn) % 3
        fits, plus, minus, turned = _sum(
            vectors[0, b, i], vectors[1, b, i], vectors[0, b, j], vectors[1, b, j], 1, ternary
        )
        fits_c, plus_c, minus_c, turned_c = _sum(
            vectors[0, c, j], vectors[1, c, j], vectors[0, c, i], vectors[1, c, i],
            -signs[i] * signs[j], ternary,
        )  # fmt: skip
        fits_a, plus_a, minus_a, turned_a = _sum(
            vectors[0, a, j], vectors[1, a, j], vectors[0, a, i], vectors[1, a, i], -1, ternary
        )
        if not (fits and fits_c and fits_a):
            continue
        if (plus | minus) == 0 or (plus_c | minus_c) == 0 or (plus_a | minus_a) == 0:
            continue
        # the new term keeps b' and c'
        signs[rank] = signs[j] * turned_a
        vectors[0, a, rank], vectors[1, a, rank] = plus_a, minus_a
        for half in range(2):
            vectors[half, b, rank] = vectors[half, b, j]
            vectors[half, c, rank] = vectors[half, c, j]
            vectors[half, a, j] = vectors[half, a, i]
        vectors[0, c, j], vectors[1, c, j] = plus_c, minus_c
        signs[j] *= turned_c
        vectors[0, b, i], vectors[1, b, i] = plus, minus
        signs[i] *= turned
        return rank + 1
    return rank


def chance(seed: int) -> np.ndarray:
    """The state of a generator for `Scheme.walk` and `Scheme.plus`, which change it."""
    return np.random.SeedSequence(seed).generate_state(2, np.uint64)


class Scheme:
    """A scheme that multiplies an n x m by an m x p matrix with `rank` products.

    Coordinates are numbered i*m+j in the first factor, j*p+k in the second, k*n+i in the third.
    """

    __slots__ = ("rank", "ring", "shape", "signs", "vectors")

    def __init__(self, n: int, m: int, p: int, ring: str) -> None:
        if ring not in RINGS:
            raise ValueError(f"ring {ring!r}: expected one of {', '.join(RINGS)}")
        if max(n * m, m * p, p * n) > COORDINATES or n * m * p > TERMS - 64:
            raise ValueError(f"{n}x{m}x{p} is too large: at most {COORDINATES} coordinates")
        self.shape = (n, m, p)
        self.ring = ring
        self.rank = 0
        self.vectors = np.zeros((2, 3, TERMS), np.uint64)
        self.signs = np.ones(TERMS, np.int64)

    @classmethod
    def naive(cls, n: int, m: int, p: int, ring: str) -> Scheme:
        """The scheme of n*m*p products."""
        return cls(n, m, p, ring).extended(n, m, p)

    @classmethod
    def of(cls, u: object, v: object, w: object, shape: tuple[int, int, int], ring: str) -> Scheme:
        """From factor matrices, one row a product; entries as `ring` has them.

        Raises:
            ValueError: another shape, an entry that is not -1, 0 or 1, or a zero row. Whether
                the scheme multiplies is not checked.
        """
        n, m, p = shape
        scheme = cls(n, m, p, ring)
        for mode, matrix in enumerate((u, v, w)):
            found = np.asarray(matrix, dtype=np.int64)
            size = (n * m, m * p, p * n)[mode]
            if found.ndim != 2 or found.shape[1] != size or not 1 <= len(found) <= TERMS:
                raise ValueError(f"factor {mode + 1}: shape {found.shape}, expected rows of {size}")
            if mode and len(found) != scheme.rank:
                raise ValueError("the three factors have different numbers of rows")
            scheme.rank = len(found)
            found = found % 2 if ring == "GF2" else found
            if np.any(np.abs(found) > 1) or not np.all(found.any(axis=1)):
                raise ValueError(f"factor {mode + 1}: a zero row, or an entry beyond -1, 0, 1")
            lead = found[np.arange(len(found)), np.argmax(found != 0, axis=1)]
            scheme.signs[: scheme.rank] *= lead
            weights = np.uint64(1) << np.arange(size, dtype=np.uint64)
            for half, sign in enumerate((1, -1)):
                words = ((found * lead[:, None] == sign) * weights).sum(axis=1, dtype=np.uint64)
                scheme.vectors[half, mode, : scheme.rank] = words
        return scheme

    def copy(self) -> Scheme:
        return self._like(*self.shape, self.vectors.copy(), self.signs.copy())

    def walk(self, flips: int, state: np.ndarray) -> int:
        """Tries random flips until a product vanishes; how many it tried.

        Fewer than `flips` without a lower rank means that no flip is possible.
        """
        ternary = self.ring == "Z"
        rank, tried = _walk(self.vectors, self.signs, self.rank, int(flips), state, ternary)
        self.rank = rank
        return int(tried)

    def plus(self, state: np.ndarray) -> bool:
        """Splits two products into three, at random; False where none of 200 draws could be."""
        before = self.rank
        self.rank = int(_plus(self.vectors, self.signs, before, state, self.ring == "Z"))
        return self.rank > before

    def rotated(self) -> Scheme:
        """The scheme for (m, p, n): the factors change places."""
        n, m, p = self.shape
        turned = np.ascontiguousarray(self.vectors[:, [1, 2, 0]])
        return self._like(m, p, n, turned, self.signs.copy())

    def transposed(self) -> Scheme:
        """The scheme for (p, m, n), by (A B)^T = B^T A^T."""
        u, v, w = self.matrices()
        n, m, p = self.shape
        flipped = [
            matrix.reshape(-1, rows, columns).swapaxes(1, 2).reshape(-1, rows * columns)
            for matrix, rows, columns in ((v, m, p), (u, n, m), (w, p, n))
        ]
        return Scheme.of(*flipped, (p, m, n), self.ring)

    def extended(self, n: int, m: int, p: int) -> Scheme:
        """The scheme for a larger format: this one, and one product for each that it leaves out."""
        n0, m0, p0 = self.shape if self.rank else (0, 0, 0)
        if n < n0 or m < m0 or p < p0:
            raise ValueError(f"{n}x{m}x{p} does not contain {n0}x{m0}x{p0}")
        larger = Scheme(n, m, p, self.ring)
        larger.rank = self.rank
        larger.signs[:] = self.signs
        for mode, (width, wider) in enumerate(((m0, m), (p0, p), (n0, n))):
            rows = (n0, m0, p0)[mode]
            for row in range(rows):
                mask = np.uint64((1 << width) - 1)
                part = (self.vectors[:, mode] >> np.uint64(row * width)) & mask
                larger.vectors[:, mode] |= part << np.uint64(row * wider)
        one = np.uint64(1)
        for i, j, k in np.ndindex(n, m, p):
            if i >= n0 or j >= m0 or k >= p0:
                for mode, bit in enumerate((i * m + j, j * p + k, k * n + i)):
                    larger.vectors[0, mode, larger.rank] = one << np.uint64(bit)
                larger.signs[larger.rank] = 1
                larger.rank += 1
        return larger

    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The factor matrices, int8, one row a product."""
        n, m, p = self.shape
        found = []
        for mode, size in enumerate((n * m, m * p, p * n)):
            bits = np.arange(size, dtype=np.uint64)
            halves = (self.vectors[:, mode, : self.rank, None] >> bits) & np.uint64(1)
            found.append(halves[0].astype(np.int8) - halves[1].astype(np.int8))
        found[0] *= self.signs[: self.rank, None].astype(np.int8)
        if self.ring == "GF2":
            found[0] &= 1
        return found[0], found[1], found[2]

    def _like(self, n: int, m: int, p: int, vectors: np.ndarray, signs: np.ndarray) -> Scheme:
        scheme = Scheme.__new__(Scheme)
        scheme.shape, scheme.ring, scheme.rank = (n, m, p), self.ring, self.rank
        scheme.vectors, scheme.signs = vectors, signs
        return scheme
