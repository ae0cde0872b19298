"""Lifting of schemes over GF(2) to the integers (Hensel).

A scheme that is right modulo 2^k becomes right modulo 2^(k+1) by adding 2^k times a solution of a
linear system over GF(2), whose matrix, the Jacobian of the identity, is the same at every step.
Where the system has no solution this scheme does not lift this way; another choice at an earlier
step is not tried. The residues nearest to zero are taken for the integers, and `bilinear.verify`
decides. (Kauers and Moosbauer, Flip graphs for matrix multiplication, arXiv 2212.01175.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluators import bilinear
from evaluators.bilinear import Scheme
from evaluators.results import Invalid, Valid

Bits = NDArray[np.uint8]
_MAX_CELLS = 200_000_000


def lift(scheme: Scheme, *, steps: int = 12) -> Scheme | Invalid:
    """A scheme over Z that is `scheme` modulo 2.

    Args:
        scheme: Over GF2; it is verified first.
        steps: Bits to lift by, 1 to 16; coefficients are between -2^steps and 2^steps.

    Returns:
        A verified scheme, or `Invalid` if there is none of this kind.
    """
    if scheme.ring != "GF2":
        return Invalid(f"a scheme over {scheme.ring}, expected GF2")
    sound = bilinear.verify(scheme)
    if isinstance(sound, Invalid):
        return sound
    tensor = bilinear.matmul_tensor(scheme.n, scheme.m, scheme.p)
    unknowns = sum(factor.size for factor in scheme.factors)
    if tensor.size * unknowns > _MAX_CELLS:
        return Invalid(f"{tensor.size} equations in {unknowns} unknowns are too many")
    u, v, w = (factor.astype(np.int64) for factor in scheme.factors)
    solve = _Solver(_jacobian(u, v, w))
    modulus = 2
    for _ in range(steps):
        # entries stay below 2^steps, sums of three of them below 2^63 for any rank here
        error = tensor - np.einsum("ra,rb,rc->abc", u, v, w)
        if not error.any():
            break
        change = solve((error // modulus % 2).astype(np.uint8).ravel())
        if change is None:
            return Invalid(f"it does not lift from modulo {modulus} to modulo {2 * modulus}")
        parts = np.split(change.astype(np.int64), np.cumsum([u.size, v.size]))
        u, v, w = (
            factor + modulus * part.reshape(factor.shape)
            for factor, part in zip((u, v, w), parts, strict=True)
        )
        modulus *= 2
    half = modulus // 2
    centred = [(x + half) % modulus - half for x in (u, v, w)]
    for x, y, z in ([u, v, w], centred):
        lifted = Scheme(scheme.n, scheme.m, scheme.p, "Z", x, y, z)
        if isinstance(bilinear.verify(lifted), Valid):
            return lifted
    return Invalid(f"it lifts to modulo {modulus}, and its residues are no small integers")


def _jacobian(u: NDArray[np.int64], v: NDArray[np.int64], w: NDArray[np.int64]) -> Bits:
    """(equations, unknowns) over GF(2): how each entry of the sum changes with each of a factor."""
    rank = len(u)
    sizes = [factor.shape[1] for factor in (u, v, w)]
    blocks = []
    for which, form in enumerate(("rb,rc,ax->abcrx", "ra,rc,bx->abcrx", "ra,rb,cx->abcrx")):
        others = [factor for index, factor in enumerate((u, v, w)) if index != which]
        block = np.einsum(form, *others, np.eye(sizes[which], dtype=np.int64), optimize=True)
        blocks.append((block % 2).astype(np.uint8).reshape(-1, rank * sizes[which]))
    return np.concatenate(blocks, axis=1)


class _Solver:
    """Solves matrix x = b over GF(2) for many b, by one elimination on packed rows."""

    def __init__(self, matrix: Bits) -> None:
        equations, self._unknowns = matrix.shape
        # rows: the matrix and beside it the identity, which records what was added to what
        rows = np.packbits(
            np.concatenate([matrix, np.eye(equations, dtype=np.uint8)], axis=1), axis=1
        )
        self._pivots: list[int] = []
        for column in range(self._unknowns):
            byte, bit = divmod(column, 8)
            has = rows[:, byte] >> (7 - bit) & 1
            below = np.flatnonzero(has[len(self._pivots) :])
            if not len(below):
                continue
            top = len(self._pivots)
            rows[[top, top + below[0]]] = rows[[top + below[0], top]]
            has = rows[:, byte] >> (7 - bit) & 1
            has[top] = 0
            rows[has.astype(np.bool_)] ^= rows[top]
            self._pivots.append(column)
        whole = np.unpackbits(rows, axis=1)[:, self._unknowns : self._unknowns + equations]
        self._record = whole.astype(np.float32)

    def __call__(self, right: Bits) -> Bits | None:
        reduced = (self._record @ right.astype(np.float32)).astype(np.int64) % 2
        if reduced[len(self._pivots) :].any():
            return None
        solution = np.zeros(self._unknowns, dtype=np.uint8)
        solution[self._pivots] = reduced[: len(self._pivots)]
        return solution
