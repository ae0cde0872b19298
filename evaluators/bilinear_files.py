"""Bilinear schemes as plain data: the JSON layout of certificates, and the verifier that reads it.

{"n", "m", "p", "field", "denominator", "u", "v", "w"}, where u has n m rows, v m p and w p n, each
of `rank` integers (over an extension: pairs of integers); other keys are ignored. The layouts that
others publish are read by `bilinear_published`.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from evaluators import bilinear, bilinear_published
from evaluators.bilinear import Factor, Scheme
from evaluators.bilinear_symmetry import compared, invariant, is_strassen
from evaluators.results import Invalid, Valid, Verifier

KEYS = ("n", "m", "p", "field", "u", "v", "w")
RINGS = {
    "z": "Z", "zz": "Z", "zt": "Z", "q": "Q", "qq": "Q", "r": "Q", "rr": "Q", "c": "Q(i)",
    "gf2": "GF2", "f2": "GF2", "z2": "GF2", "z/2": "GF2", "z/2z": "GF2", "zz/2zz": "GF2",
    "zi/2": "Z[i]/2", "qi": "Q(i)", "qqi": "Q(i)", "qsqrt-1": "Q(i)",
}  # fmt: skip
"""What files call a ring, without brackets, underscores and capitals, and its name here."""
_SPARE = re.compile(r"[\s_()\[\]]")
_ROOT = re.compile(r"qq?sqrt(-?[1-9][0-9]{0,5})", re.ASCII)


def ring_named(name: object) -> str | Invalid:
    """The ring a file names, in the words of `Scheme.ring`."""
    if isinstance(name, str) and len(name) < 100:
        plain = _SPARE.sub("", name.casefold().replace("√", "sqrt"))
        root = _ROOT.fullmatch(plain)
        ring = RINGS.get(plain) or (f"Q(sqrt{root[1]})" if root is not None else name)
        found = bilinear.radicand(ring)
        return found if isinstance(found, Invalid) else ring
    fault = bilinear.radicand(name)
    assert isinstance(fault, Invalid)
    return fault


def scheme_of(data: object) -> Scheme | Invalid:
    """The scheme that JSON data describe; shapes are looked at, the identity is not."""
    if not isinstance(data, dict) or any(key not in data for key in KEYS):
        return Invalid(f"expected an object with the keys {', '.join(KEYS)}")
    ring = ring_named(data["field"])
    if isinstance(ring, Invalid):
        return ring
    sides = [data[name] for name in "nmp"]
    for name, side in zip("nmp", sides, strict=True):
        if type(side) is not int or not 1 <= side <= bilinear.MAX_SIDE:
            return Invalid(f"{name}: expected an integer from 1 to {bilinear.MAX_SIDE}")
    n, m, p = sides
    factors: list[Factor] = []
    for name, size in zip("uvw", (n * m, m * p, p * n), strict=True):
        rows = data[name]
        fault = _rows_fault(name, rows, size)
        if fault is not None:
            return fault
        pairs = bilinear.radicand(ring) is not None
        if pairs:
            rows = [[[x, 0] if type(x) is int else x for x in row] for row in rows]
        # the row length is what the first row says; `integers` checks the others against it
        entries = bilinear.integers(name, rows, size=len(rows[0]), pairs=pairs, row="row")
        if isinstance(entries, Invalid):
            return entries
        factors.append(entries.swapaxes(0, 1))
    u, v, w = factors
    return Scheme(n, m, p, ring, u, v, w, data.get("denominator", 1))


def _rows_fault(name: str, rows: object, size: int) -> Invalid | None:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return Invalid(f"{name}: expected {size} rows, one for each tensor index")
    lengths = {len(row) for row in rows}
    if len(rows) != size:
        if lengths == {size}:
            return Invalid(
                f"{name} is transposed: {len(rows)} rows of {size}; expected {size} rows, one for "
                "each tensor index, and a column for each term"
            )
        return Invalid(f"{name}: {len(rows)} rows, expected {size}, one for each tensor index")
    if len(lengths) != 1 or 0 in lengths:
        return Invalid(
            f"{name}: rows of {min(lengths)} to {max(lengths)} entries, expected as many as terms"
        )
    return None


def data_of(scheme: Scheme) -> dict[str, object]:
    """The JSON data of a scheme, which `scheme_of` reads; what certificates hold."""
    u, v, w = (factor.swapaxes(0, 1).tolist() for factor in scheme.factors)
    return {
        "n": scheme.n, "m": scheme.m, "p": scheme.p, "field": scheme.ring,
        "denominator": scheme.denominator, "u": u, "v": v, "w": w,
    }  # fmt: skip


def check(data: object) -> Valid | Invalid:
    """Checks a scheme or its JSON data, which may be anything; the value is the rank.

    A `rank` in the data is a claim and must be the number of terms.
    """
    scheme = data if isinstance(data, Scheme) else scheme_of(data)
    if isinstance(scheme, Invalid):
        return scheme
    if (
        isinstance(data, dict)
        and "rank" in data
        and (type(data["rank"]) is not int or data["rank"] != scheme.rank)
    ):
        return Invalid(f"the rank claimed is {data['rank']!r:.40}, but it has {scheme.rank} terms")
    result = bilinear.verify(scheme)
    if isinstance(result, Invalid):
        return _explained(scheme, result)
    notes: tuple[str, ...] = (f"its coefficients: {', '.join(bilinear.coefficients(scheme)[:40])}",)
    types = invariant(scheme)
    if types is not None and len(types) <= 12:
        shown = ", ".join(f"{count} of {a},{b},{c}" for (a, b, c), count in types)
        notes += (f"ranks of the matrices of its terms (equal for equivalent schemes): {shown}",)
    if is_strassen(scheme):
        notes += ("equivalent to Strassen's scheme of 1969, as all of rank 7 are (de Groote 1978)",)
    return replace(result, notes=notes)


def _explained(scheme: Scheme, fault: Invalid) -> Invalid:
    """Says so if the scheme would be right with a factor's index read the other way round."""
    n, m, p = scheme.n, scheme.m, scheme.p
    if not scheme.light:
        return fault
    for name, at, rows, columns in (("u", 0, n, m), ("v", 1, m, p), ("w", 2, p, n)):
        factors = list(scheme.factors)
        if factors[at].shape[1:2] != (rows * columns,):
            return fault
        # from the order of the transposed matrix to that of the matrix
        order = np.arange(rows * columns).reshape(columns, rows).T.ravel()
        factors[at] = factors[at][:, order]
        u, v, w = factors
        turned = Scheme(n, m, p, scheme.ring, u, v, w, scheme.denominator)
        if isinstance(bilinear.verify(turned), Valid):
            index = {"u": "i*m + j of A", "v": "j*p + k of B", "w": "k*n + i (C transposed)"}[name]
            return Invalid(f"{name} is transposed: its rows are to be indexed by {index}")
    return fault


def compare(one: object, other: object) -> str:
    """What is settled about the equivalence of two artifacts that `check` accepts, in words."""
    schemes = [x if isinstance(x, Scheme) else scheme_of(x) for x in (one, other)]
    first, second = schemes
    if isinstance(first, Invalid) or isinstance(second, Invalid):
        return "not settled"
    return compared(first, second)


matmul_scheme = Verifier(
    name="matmul_scheme",
    version="3",
    objective="rank",
    direction="min",
    check=check,
    published=bilinear_published.published,
    compare=compare,
)
