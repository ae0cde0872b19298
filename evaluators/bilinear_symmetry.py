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

import numpy as np
from numpy.typing import NDArray

from evaluators.bilinear import Scheme

Type = tuple[tuple[int, int, int], int]


def invariant(scheme: Scheme) -> tuple[Type, ...] | None:
    """How many terms have which three ranks: the same for all equivalent schemes.

    Returns:
        ((ranks of u_r, v_r, w_r), count) in order, the least over those orders of the factors that
        the sizes allow; None over extensions, where ranks are not computed.

    The scheme must have passed `bilinear.verify`.
    """
    if scheme.u.ndim == 3:
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
    return False if invariant(one) != invariant(other) else None


def is_strassen(scheme: Scheme) -> bool:
    """Whether a verified scheme is Strassen's up to equivalence: all of rank 7 for <2,2,2> are."""
    return (scheme.n, scheme.m, scheme.p, scheme.rank) == (2, 2, 2, 7)
