"""Bilinear schemes as plain data: the JSON layout of certificates and published files, and npz.

JSON: {"n", "m", "p", "field", "denominator", "u", "v", "w"}, where u has n m rows, v m p and w p n,
each of `rank` integers (over an extension: pairs of integers); other keys are ignored. npz: under
a size such as "4,4,4" or "4x4x4" the three factor matrices, stacked or as `u`, `v`, `w`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from evaluators import bilinear
from evaluators.bilinear import Factor, Scheme
from evaluators.results import Invalid, Valid, Verifier

KEYS = ("n", "m", "p", "field", "u", "v", "w")
RINGS = {
    "Z": "Z", "ZZ": "Z", "ZT": "Z", "Q": "Q", "QQ": "Q", "R": "Q", "GF2": "GF2", "F2": "GF2",
    "Z2": "GF2", "GF(2)": "GF2", "Z/2Z": "GF2", "Z[i]/2": "Z[i]/2", "Q[i]": "Q(i)",
    "Q(i)": "Q(i)", "C": "Q(i)",
}  # fmt: skip
"""What files call a ring, and what it is called here; Q(sqrtD) and Q[sqrtD] besides."""

_SIZE = re.compile(r"([0-9]{1,2})[x,_ ]([0-9]{1,2})[x,_ ]([0-9]{1,2})")
_MAX_ENTRIES = 4_000_000
"""Of one factor, before anything is done with it."""
_MAX_HALVINGS = 20


def ring_named(name: object) -> str | Invalid:
    """The ring a file names, in the words of `Scheme.ring`."""
    if isinstance(name, str):
        text = name.strip().replace("[sqrt", "(sqrt").replace("sqrt(", "sqrt").rstrip(")]")
        for known in (name, f"{text})"):
            ring = RINGS.get(known, known)
            if not isinstance(bilinear.radicand(ring), Invalid):
                return ring
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
    if size * lengths.pop() > _MAX_ENTRIES:
        return Invalid(f"{name}: over {_MAX_ENTRIES} entries")
    return None


def data_of(scheme: Scheme) -> dict[str, object]:
    """The JSON data of a scheme, which `scheme_of` reads; what certificates hold."""
    u, v, w = (factor.swapaxes(0, 1).tolist() for factor in scheme.factors)
    return {
        "n": scheme.n, "m": scheme.m, "p": scheme.p, "field": scheme.ring,
        "denominator": scheme.denominator, "u": u, "v": v, "w": w,
    }  # fmt: skip


def check(data: object) -> Valid | Invalid:
    """Checks the JSON data of a scheme, which may be anything; the value is the rank.

    A `rank` in the data is a claim and must be the number of terms.
    """
    scheme = scheme_of(data)
    if isinstance(scheme, Invalid):
        return scheme
    assert isinstance(data, dict)
    if "rank" in data and (type(data["rank"]) is not int or data["rank"] != scheme.rank):
        return Invalid(f"the rank claimed is {data['rank']!r:.40}, but it has {scheme.rank} terms")
    result = bilinear.verify(scheme)
    return _explained(scheme, result) if isinstance(result, Invalid) else result


def _explained(scheme: Scheme, fault: Invalid) -> Invalid:
    """Says so if the scheme would be right with a factor's index read the other way round."""
    n, m, p = scheme.n, scheme.m, scheme.p
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


def exact(values: NDArray[np.generic]) -> tuple[NDArray[np.int64], int] | Invalid:
    """Floats (or complex floats) as integers over a power of two, without rounding.

    Returns:
        Integers of the same shape (complex: with a last axis of two) and the power of two.
    """
    if values.dtype.kind == "c":
        values = np.stack([values.real, values.imag], axis=-1)
    if values.dtype.kind in "iu":
        if values.dtype == np.uint64 and values.size and values.max() >= 2**63:
            return Invalid("an entry is over 63 bits long")
        return values.astype(np.int64), 1
    if values.dtype.kind != "f":
        return Invalid(f"an array of {values.dtype}, expected integers, floats or complex floats")
    floats = values.astype(np.float64)
    if not np.isfinite(floats).all():
        return Invalid("an entry is not a finite number")
    scale = 1
    while (floats != np.rint(floats)).any():
        if scale == 1 << _MAX_HALVINGS:
            return Invalid(f"an entry is no multiple of 1/{scale}: rounded, so not exact")
        scale, floats = scale * 2, floats * 2
    if (np.abs(floats) >= 2.0**62).any():
        return Invalid("an entry is over 62 bits long")
    return floats.astype(np.int64), scale


def _from_arrays(size: tuple[int, int, int], arrays: list[NDArray[np.generic]]) -> object:
    """JSON data of three factor matrices (rows by tensor index), or `Invalid`."""
    found = []
    for name, array in zip("uvw", arrays, strict=True):
        if array.ndim != 2 or array.size > _MAX_ENTRIES:
            return Invalid(f"{name} has shape {array.shape}, expected tensor index by term")
        integral = exact(array)
        if isinstance(integral, Invalid):
            return Invalid(f"{name}: {integral.reason}")
        found.append(integral)
    scale = max(s for _, s in found)
    gaussian = any(a.ndim == 3 for a, _ in found)
    rows = []
    for integers, own in found:
        scaled = integers * (scale // own)
        if gaussian and scaled.ndim == 2:
            scaled = np.stack([scaled, np.zeros_like(scaled)], axis=-1)
        rows.append(scaled.tolist())
    field = "Q" if scale > 1 else "Z"
    if gaussian:
        field = "Z[i]/2" if scale <= 2 else "Q(i)"
    n, m, p = size
    u, v, w = rows
    return {
        "n": n, "m": m, "p": p, "field": field, "denominator": scale, "u": u, "v": v, "w": w,
    }  # fmt: skip


def published(content: object) -> Mapping[str, object] | None:
    """The schemes in a JSON object or in the arrays of an npz, by size."""
    if not isinstance(content, dict):
        return None
    if all(key in content for key in ("u", "v", "w")) and not _are_arrays(content):
        return {"scheme": content}
    if not _are_arrays(content):
        return None
    found: dict[str, object] = {}
    for key, array in content.items():
        size = _SIZE.search(key)
        if size is None:
            continue
        n, m, p = (int(x) for x in size.groups())
        rest = key[: size.start()] + key[size.end() :]
        label = f"{n}x{m}x{p}"
        if array.ndim == 3 and len(array) == 3:
            found[key] = _from_arrays((n, m, p), list(array))
        elif rest.strip("_/ .:-") in ("u", "v", "w"):
            parts = [_part(content, key, size, name) for name in "uvw"]
            if label not in found:
                found[label] = (
                    Invalid(f"{label}: u, v and w are not all there")
                    if any(part is None for part in parts)
                    else _from_arrays((n, m, p), [part for part in parts if part is not None])
                )
        else:
            found[key] = Invalid(f"shape {array.shape}, expected three factor matrices")
    if not found and set("uvw") <= set(content):
        arrays = [content[name] for name in "uvw"]
        size_of = _sides([array.shape[0] if array.ndim == 2 else 0 for array in arrays])
        found["scheme"] = (
            Invalid("the factors' sizes are no n m, m p and p n")
            if size_of is None
            else _from_arrays(size_of, arrays)
        )
    return found or None


def _are_arrays(content: Mapping[object, object]) -> bool:
    return bool(content) and all(isinstance(x, np.ndarray) for x in content.values())


def _part(
    content: Mapping[str, NDArray[np.generic]], key: str, size: re.Match[str], name: str
) -> NDArray[np.generic] | None:
    before, after = key[: size.start()], key[size.end() :]
    swap = dict.fromkeys("uvw", name)
    other = (
        "".join(swap.get(x, x) for x in before) + size[0] + "".join(swap.get(x, x) for x in after)
    )
    return content.get(other)


def _sides(sizes: list[int]) -> tuple[int, int, int] | None:
    """n, m, p from n m, m p and p n."""
    nm, mp, pn = sizes
    if min(sizes) < 1 or max(sizes) > bilinear.MAX_SIDE**2:
        return None
    n = isqrt(nm * pn // mp)
    if n < 1 or nm % n or pn % n or (nm // n) * (pn // n) != mp:
        return None
    return n, nm // n, pn // n


matmul_scheme = Verifier(
    name="matmul_scheme",
    version="1",
    objective="rank",
    direction="min",
    check=check,
    published=published,
)
