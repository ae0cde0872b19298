"""Invariants of bilinear schemes, and what they settle about equivalence.

Two schemes for <n,m,p> over a field are equivalent when one goes over into the other by changes of
basis (X, Y, Z) of the three spaces, u_r -> X u_r Y^-1 and so on, by scaling within a term, by the
order of terms and, where sizes agree, by cyclic shifts of the three factors and by transposition
(de Groote, On varieties of optimal algorithms I, Theor. Comput. Sci. 7, 1978). All of these keep,
term by term, the ranks of the three matrices u_r, v_r, w_r, up to one order of the three for all
terms. So schemes in which another number of terms has some three ranks are not equivalent.
Equal counts settle nothing, except for <2,2,2> of rank 7, where all schemes are equivalent.
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import gcd

import numpy as np
from numpy.typing import NDArray

from evaluators.bilinear import Scheme

Type = tuple[tuple[int, int, int], int]


def invariant(scheme: Scheme) -> tuple[Type, ...] | None:
    """How many terms have which three ranks: the same for all equivalent schemes.

    Returns:
        ((ranks of u_r, v_r, w_r), count) in order, the least over those orders of the factors that
        the sizes allow; None over extensions and for large schemes, where no ranks are computed.

    The scheme must have passed `bilinear.verify`.
    """
    if scheme.u.ndim == 3 or not scheme.light:
        return None
    prime = 2 if scheme.ring == "GF2" else 0
    sides = ((scheme.n, scheme.m), (scheme.m, scheme.p), (scheme.p, scheme.n))
    ranks = [
        [rank(row.reshape(shape), prime) for row in factor]
        for factor, shape in zip(scheme.factors, sides, strict=True)
    ]
    found = []
    for order in permutations(range(3)):
        # the order of the factors changes the sizes; only those that keep them are symmetries,
        # and odd ones go with a transposition of every matrix
        if tuple(sorted(sides[i]) for i in order) == tuple(sorted(side) for side in sides):
            types = Counter(zip(*(ranks[i] for i in order), strict=True))
            found.append(tuple(sorted(types.items())))
    return min(found)


def rank(matrix: NDArray[np.int64] | NDArray[np.object_], prime: int) -> int:
    """Rank over GF(prime), or over Q if that is 0, by elimination without fractions."""
    rows = [[int(x) for x in row] for row in matrix.tolist()]
    found = 0
    for column in range(len(rows[0])):
        at = next((i for i in range(found, len(rows)) if _residue(rows[i][column], prime)), None)
        if at is None:
            continue
        rows[found], rows[at] = rows[at], rows[found]
        pivot = rows[found]
        for i in range(found + 1, len(rows)):
            by = rows[i][column]
            rows[i] = [
                _residue(pivot[column] * x - by * y, prime)
                for x, y in zip(rows[i], pivot, strict=True)
            ]
        found += 1
    return found


def _residue(value: int, prime: int) -> int:
    return value % prime if prime else value


def equivalent(one: Scheme, other: Scheme) -> bool | None:
    """Whether two verified schemes over one ring are equivalent; None where that is not settled."""
    if (one.n, one.m, one.p, one.ring) != (other.n, other.m, other.p, other.ring):
        return False
    if one.rank != other.rank:
        return False
    if is_strassen(one):
        return True
    ours, theirs = invariant(one), invariant(other)
    return None if None in (ours, theirs) or ours == theirs else False


def compared(one: Scheme, other: Scheme) -> str:
    """What is settled about two verified schemes, in words."""
    if (one.n, one.m, one.p) != (other.n, other.m, other.p):
        return "of another format"
    if one.ring != other.ring:
        return f"over another ring, {other.ring}"
    if one.rank != other.rank:
        return f"not equivalent: that one has {other.rank} terms"
    if _terms(one) is not None and _terms(one) == _terms(other):
        return "the same scheme, up to the order and the scaling of its terms"
    same = equivalent(one, other)
    if same is None:
        return "not settled: as many terms have the same three ranks in both"
    return "equivalent" if same else "not equivalent: the ranks of the terms' matrices differ"


def _terms(scheme: Scheme) -> Counter[bytes] | None:
    """The terms with their scale taken out; over extensions None."""
    if scheme.u.ndim == 3:
        return None
    found: Counter[bytes] = Counter()
    for term in zip(*(factor.tolist() for factor in scheme.factors), strict=True):
        parts = []
        for vector in term:
            by = gcd(*vector) * (-1 if next(x for x in vector if x) < 0 else 1)
            parts.append([x // by for x in vector])
        found[repr(parts).encode()] += 1
    return found


def is_strassen(scheme: Scheme) -> bool:
    """Whether a verified scheme is Strassen's up to equivalence: all of rank 7 for <2,2,2> are."""
    return (scheme.n, scheme.m, scheme.p, scheme.rank) == (2, 2, 2, 7)
