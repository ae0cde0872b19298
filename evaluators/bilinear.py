"""Bilinear schemes for matrix multiplication, and the exact verifier of the tensor identity.

A scheme for <n,m,p> computes the product of an n x m and an m x p matrix by `rank` products of
linear forms: sum over r of u_r (x) v_r (x) w_r = T(n,m,p), where T[a,b,c] = 1 for a = i m + j,
b = j p + k, c = k n + i, and 0 elsewhere. (So the third factor is indexed by the transpose of the
product: the convention of AlphaTensor and AlphaEvolve, under which T is cyclically symmetric.)

What `verify` establishes: this identity, entry by entry, exactly, over the ring named. How: all
entries are integers (over an extension, pairs of integers) over one common denominator d, so the
claim is sum u v w = d^3 T in integers. If no partial sum can reach 2^53, double precision computes
every one of them without rounding, in whatever order (single precision below 2^24). Otherwise both
sides are compared modulo primes whose product exceeds twice the largest possible difference, which
decides equality. No term may be zero, so a change of any single entry breaks the identity: it adds
a multiple of the other two vectors of that term, and rings here have no zero divisors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.results import Invalid, Valid

Factor = NDArray[np.int64] | NDArray[np.object_]
"""(rank, size) integers, or (rank, size, 2) over an extension: the pair a, b of a + b sqrt(d)."""

MAX_SIDE = 32
MAX_BITS = 256
"""Of one entry and of the denominator."""
MAX_ENTRIES = 2_000_000
"""Of u, v and w together, before anything is done with them."""
MAX_WORK = 4 * 10**9
"""Multiplications of doubles in one check, under half a second; see `_work`."""
_EXACT_FLOAT, _EXACT_SINGLE = 2**53, 2**24
_QUADRATIC = re.compile(r"Q\(sqrt(-?[1-9][0-9]{0,5})\)")


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """A claimed scheme; nothing about it is trusted before `verify`.

    Attributes:
        ring: "Z", "Q", "GF2", "Z[i]/2" (Gaussian integers over 2), "Q(i)" or "Q(sqrtD)" for a
            squarefree integer D, such as "Q(sqrt2)" and "Q(sqrt-3)".
        u: Integers of shape (rank, n m); over Z[i]/2, Q(i) and Q(sqrtD) (rank, n m, 2).
        v: The same for m p.
        w: The same for p n.
        denominator: What every entry of the three is divided by; 1 over Z and GF2, 1 or 2 over
            Z[i]/2.
    """

    n: int
    m: int
    p: int
    ring: str
    u: Factor
    v: Factor
    w: Factor
    denominator: int = field(default=1)

    @property
    def rank(self) -> int:
        return len(self.u)

    @property
    def light(self) -> bool:
        """Whether checking it takes so little that it may be done several times."""
        n, m, p = self.n, self.m, self.p
        huge = any(factor.dtype == np.object_ for factor in self.factors)
        return not huge and self.rank * n * m * m * p * p * n <= MAX_WORK // 8

    @property
    def factors(self) -> tuple[Factor, Factor, Factor]:
        return self.u, self.v, self.w


def radicand(ring: object) -> int | Invalid | None:
    """The D of an extension by sqrt(D), None for a ring that is none, `Invalid` if unknown."""
    if ring in ("Z", "Q", "GF2"):
        return None
    if ring in ("Z[i]/2", "Q(i)"):
        return -1
    match = _QUADRATIC.fullmatch(ring) if isinstance(ring, str) else None
    if match is None:
        return Invalid(
            f"ring {str(ring)[:40]!r}: expected Z, Q, GF2, Z[i]/2, Q(i) or Q(sqrtD) with an "
            "integer D of at most six digits"
        )
    d = int(match[1])
    if d == 1 or any(d % (k * k) == 0 for k in range(2, isqrt(abs(d)) + 1)):
        return Invalid(f"ring {ring}: {d} is 1 or divisible by a square, so it names another field")
    return d


def verify(scheme: Scheme) -> Valid | Invalid:
    """Checks the tensor identity; the value is the rank.

    The metric `additions` counts the additions and subtractions of a straightforward evaluation,
    without reuse of common parts.
    """
    checked = _checked(scheme)
    if isinstance(checked, Invalid):
        return checked
    fault = _identity(checked)
    if fault is not None:
        return fault
    return Valid(
        checked.rank,
        {"additions": additions(checked)},
        facts={"n": checked.n, "m": checked.m, "p": checked.p, "ring": checked.ring},
    )


def _checked(scheme: Scheme) -> Scheme | Invalid:
    """The same scheme with entries that are known to be in the ring, of known shapes."""
    sides = (scheme.n, scheme.m, scheme.p)
    for name, side in zip("nmp", sides, strict=True):
        if type(side) is not int or not 1 <= side <= MAX_SIDE:
            return Invalid(f"{name} is {_shown(side)}, expected an integer from 1 to {MAX_SIDE}")
    n, m, p = sides
    d = radicand(scheme.ring)
    if isinstance(d, Invalid):
        return d
    fault = _denominator_fault(scheme)
    if fault is not None:
        return fault
    sizes = (n * m, m * p, p * n)
    fault = _size_fault(scheme, sizes, pairs=d is not None)
    if fault is not None:
        return fault
    factors: list[Factor] = []
    for name, factor, size in zip("uvw", scheme.factors, sizes, strict=True):
        entries = integers(name, factor, size=size, pairs=d is not None)
        if isinstance(entries, Invalid):
            return entries
        factors.append(entries)
    ranks = [len(entries) for entries in factors]
    if len(set(ranks)) != 1:
        return Invalid(f"u, v and w have {ranks[0]}, {ranks[1]} and {ranks[2]} terms")
    if not 1 <= ranks[0] <= n * m * p:
        return Invalid(f"{ranks[0]} terms, expected 1 to {n * m * p}, which the definition takes")
    for name, entries in zip("uvw", factors, strict=True):
        if scheme.ring == "GF2" and ((entries < 0) | (entries > 1)).any():
            return Invalid(f"{name} has an entry that is not 0 or 1, the elements of GF2")
        empty = ~_support(entries).any(axis=1)
        if empty.any():
            return Invalid(f"{name} of term {int(empty.argmax())} is zero, so is the whole term")
    u, v, w = factors
    return Scheme(n, m, p, scheme.ring, u, v, w, scheme.denominator)


def _size_fault(scheme: Scheme, sizes: Sequence[int], *, pairs: bool) -> Invalid | None:
    try:
        rows = [len(factor) for factor in scheme.factors]
    except TypeError:
        return None  # said better by `integers`
    entries = sum(x * y for x, y in zip(rows, sizes, strict=True)) * (2 if pairs else 1)
    if entries > MAX_ENTRIES:
        return Invalid(f"{entries} entries in u, v and w, at most {MAX_ENTRIES} are checked")
    return None


def _denominator_fault(scheme: Scheme) -> Invalid | None:
    d = scheme.denominator
    if type(d) is not int or d < 1 or d.bit_length() > MAX_BITS:
        return Invalid(f"denominator is {_shown(d)}, expected a positive integer")
    most = {"Z": 1, "GF2": 1, "Z[i]/2": 2}.get(scheme.ring)
    if most is not None and d > most:
        return Invalid(f"denominator is {_shown(d)}, {scheme.ring} allows at most {most}")
    return None


def integers(
    name: str, factor: object, *, size: int, pairs: bool, row: str = "term"
) -> Factor | Invalid:
    """One factor as int64, or as Python integers where some do not fit, or what is wrong with it.

    Args:
        name: What to call it in a reason.
        factor: Array or nested lists, not trusted; bool and float are not integers.
        size: Numbers (or pairs) in a row.
        pairs: Whether the elements are pairs.
        row: What a row stands for, in a reason.
    """
    tail = (size, 2) if pairs else (size,)
    expected = "terms by " + " by ".join(map(str, tail))
    if isinstance(factor, np.ndarray) and factor.dtype.kind != "O":
        if factor.dtype.kind not in "iu":
            return Invalid(f"{name} is an array of {factor.dtype}, expected integers")
        if factor.ndim != 1 + len(tail) or factor.shape[1:] != tail:
            return Invalid(f"{name} has shape {factor.shape}, expected {expected}")
        if factor.dtype != np.uint64:
            return factor.astype(np.int64)
        fits = not factor.size or factor.max() < 2**63
        return factor.astype(np.int64) if fits else factor.astype(np.object_)
    rows = factor.tolist() if isinstance(factor, np.ndarray) else factor
    if not isinstance(rows, list | tuple):
        return Invalid(f"{name} is {type(rows).__name__}, expected {expected}")
    for r, entries in enumerate(rows):
        if not isinstance(entries, list | tuple) or len(entries) != size:
            found = len(entries) if isinstance(entries, list | tuple) else type(entries).__name__
            return Invalid(f"{name}, {row} {r}: expected {size} entries, found {found}")
        if not pairs and set(map(type, entries)) == {int} and max(map(abs, entries)) < 2**63:
            continue  # quicker than entry by entry
        for index, entry in enumerate(entries):
            if pairs and (not isinstance(entry, list | tuple) or len(entry) != 2):
                return Invalid(f"{name}, {row} {r}, entry {index}: expected a pair of integers")
            for part in entry if pairs else (entry,):
                if type(part) is not int:
                    kind = type(part).__name__
                    return Invalid(f"{name}, {row} {r}, entry {index}: {kind}, expected an integer")
                if part.bit_length() > MAX_BITS:
                    return Invalid(f"{name}, {row} {r}, entry {index}: over {MAX_BITS} bits long")
    if not rows:
        return np.zeros((0, *tail), dtype=np.int64)
    try:
        return np.array(rows, dtype=np.int64)
    except OverflowError:
        return np.array(rows, dtype=np.object_)


def _support(factor: Factor) -> NDArray[np.bool_]:
    """(rank, size): which elements are not zero."""
    present = np.asarray(factor != 0, dtype=np.bool_)
    return np.asarray(present.any(axis=2)) if factor.ndim == 3 else present


def additions(scheme: Scheme) -> int:
    """Additions and subtractions of a scheme as written: forms of A and of B, then entries of C."""
    forms = sum(int(_support(x).sum()) - scheme.rank for x in (scheme.u, scheme.v))
    outputs = _support(scheme.w)
    return forms + int(outputs.sum()) - int(outputs.any(axis=0).sum())


def coefficients(scheme: Scheme) -> list[str]:
    """The elements that occur in a verified scheme, such as ["-1", "0", "1/2"], in order."""
    d = radicand(scheme.ring)
    found: set[tuple[Fraction, ...]] = set()
    for factor in scheme.factors:
        flat = factor.reshape(-1, 2) if factor.ndim == 3 else factor.reshape(-1, 1)
        rows = np.unique(flat, axis=0) if flat.dtype != np.object_ else flat
        found.update(tuple(Fraction(x, scheme.denominator) for x in row) for row in rows.tolist())
    root = "i" if d == -1 else f"sqrt({d})"
    return [" + ".join([str(x[0]), *(f"{y} {root}" for y in x[1:] if y)]) for x in sorted(found)]


def matmul_tensor(n: int, m: int, p: int) -> NDArray[np.int64]:
    """T(n,m,p) of shape (n m, m p, p n)."""
    tensor = np.zeros((n * m, m * p, p * n), dtype=np.int64)
    i, j, k = (x.ravel() for x in np.indices((n, m, p)))
    tensor[i * m + j, j * p + k, k * n + i] = 1
    return tensor


def _identity(scheme: Scheme) -> Invalid | None:
    """The first entry (by its index in T) at which the identity fails."""
    d = radicand(scheme.ring)
    assert not isinstance(d, Invalid)
    bound = _bound(scheme, d)
    work = _work(scheme, d, bound)
    if work > MAX_WORK:
        return Invalid(f"checking it takes {work:.0e} multiplications, {MAX_WORK:.0e} are allowed")
    precision = np.float32 if bound < _EXACT_SINGLE else np.float64
    for modulus in [2] if scheme.ring == "GF2" else _moduli(scheme, d, bound):
        at = _first_difference(scheme, d, modulus, precision)
        if at is not None:
            return _fault(scheme, d, *at)
    return None


def _bound(scheme: Scheme, d: int | None) -> int:
    """What no partial sum of the identity exceeds, in integers; modulo 2 all are reduced."""
    growth = 1 if d is None else (1 + abs(d)) ** 2  # of a product of three elements
    bound = scheme.rank * growth
    for factor in scheme.factors:
        bound *= max(abs(int(factor.max())), abs(int(factor.min())))
    return bound + scheme.denominator**3


def _work(scheme: Scheme, d: int | None, bound: int) -> int:
    """Multiplications of doubles that a check takes, and what takes as long as them."""
    n, m, p = scheme.n, scheme.m, scheme.p
    products = int(_support(scheme.u).sum()) * m * p * p * n * (1 if d is None else 4)
    # as measured: Python's integers modulo a prime, and what a slice of T costs beside products
    huge = sum(factor.size for factor in scheme.factors if factor.dtype == np.object_)
    work = products + 1_000 * huge + 200_000 * n * m
    if bound < _EXACT_SINGLE:
        return work // 2
    if bound < _EXACT_FLOAT or scheme.ring == "GF2":
        return work
    return work * (1 + bound.bit_length() // max(_below(scheme, d).bit_length() - 1, 1))


def _below(scheme: Scheme, d: int | None) -> int:
    """Below this, reduced entries keep rank (1 + |d|) products of two exact in doubles."""
    return isqrt(_EXACT_FLOAT // (scheme.rank * (1 + abs(d or 0)) + 1))


def _moduli(scheme: Scheme, d: int | None, bound: int) -> Iterator[int]:
    """0 if the floats are exact without reduction, else primes that together decide equality."""
    if bound < _EXACT_FLOAT:
        yield 0
        return
    reach = 1
    q = _below(scheme, d)
    while reach <= 2 * bound:
        q -= 1
        while any(q % k == 0 for k in range(2, isqrt(q) + 1)):
            q -= 1
        reach *= q
        yield q


def _first_difference(
    scheme: Scheme, d: int | None, modulus: int, precision: type[np.floating[Any]]
) -> tuple[int, int, int] | None:
    """Compares T with the sum of the terms, modulo `modulus` unless that is 0."""
    n, m, p = scheme.n, scheme.m, scheme.p
    u, v, w = (_components(factor, modulus, precision) for factor in scheme.factors)
    scale = scheme.denominator**3 % modulus if modulus else scheme.denominator**3
    j, k = (x.ravel() for x in np.indices((m, p)))
    rows, columns = j * p + k, k * n
    for a in range(n * m):
        used = np.flatnonzero(np.logical_or.reduce([x[:, a] != 0 for x in u]))
        left = _times([x[used, a, None] for x in u], [x[used] for x in v], d, np.multiply)
        if modulus:
            left = [x % modulus for x in left]
        sums = _times([x.T for x in left], [x[used] for x in w], d, np.matmul)
        here = j == a % m
        sums[0][rows[here], columns[here] + a // m] -= scale
        if modulus:
            sums = [x % modulus for x in sums]
        wrong = np.logical_or.reduce([x != 0 for x in sums])
        if wrong.any():
            b, c = divmod(int(wrong.argmax()), p * n)
            return a, b, c
    return None


Floats = NDArray[np.floating[Any]]


def _components(factor: Factor, modulus: int, precision: type[np.floating[Any]]) -> list[Floats]:
    """The factor's integers as floats: one array, or two over an extension."""
    entries = factor % modulus if modulus else factor
    parts = [entries[..., 0], entries[..., 1]] if entries.ndim == 3 else [entries]
    return [part.astype(precision) for part in parts]


def _times(
    x: Sequence[Floats], y: Sequence[Floats], d: int | None, by: Callable[..., Floats]
) -> list[Floats]:
    """The product in the ring, with `by` the product of integers (or of matrices of them)."""
    if d is None:
        return [by(x[0], y[0])]
    return [by(x[0], y[0]) + d * by(x[1], y[1]), by(x[0], y[1]) + by(x[1], y[0])]


def _fault(scheme: Scheme, d: int | None, a: int, b: int, c: int) -> Invalid:
    n, m, p = scheme.n, scheme.m, scheme.p
    found = entry(scheme, a, b, c)
    (i, j), (j2, k), (k2, i2) = divmod(a, m), divmod(b, p), divmod(c, n)
    expected = int((j, k, i) == (j2, k2, i2))
    shown = " + ".join([_shown(found[0]), *(f"{_shown(x)} sqrt({d})" for x in found[1:] if x)])
    return Invalid(
        f"A[{i},{j}] B[{j2},{k}] occurs in C[{i2},{k2}] {shown} times, expected {expected}"
        f"{' (modulo 2)' if scheme.ring == 'GF2' else ''}"
    )


def entry(scheme: Scheme, a: int, b: int, c: int) -> tuple[Fraction, ...]:
    """One entry of the sum of the terms, exactly; over an extension its two components.

    Slow and obvious: Python integers, term by term.
    """
    d = radicand(scheme.ring)
    total = (0, 0)
    for x, y, z in zip(
        *(f[:, at].tolist() for f, at in zip(scheme.factors, (a, b, c), strict=True)), strict=True
    ):
        if d is None:
            total = (total[0] + x * y * z, 0)
            continue
        assert isinstance(d, int)
        first = (x[0] * y[0] + d * x[1] * y[1], x[0] * y[1] + x[1] * y[0])
        total = (
            total[0] + first[0] * z[0] + d * first[1] * z[1],
            total[1] + first[0] * z[1] + first[1] * z[0],
        )
    if scheme.ring == "GF2":
        total = (total[0] % 2, 0)
    parts = tuple(Fraction(x, scheme.denominator**3) for x in total)
    return parts if d is not None else parts[:1]


def _shown(value: object) -> str:
    # converting a huge integer to text is what is slow, so it is not done
    if isinstance(value, int) and value.bit_length() > 4 * MAX_BITS:
        return "a huge integer"
    if isinstance(value, Fraction) and value.numerator.bit_length() > 4 * MAX_BITS:
        return "a huge number of"
    return f"{value!s:.60}"
