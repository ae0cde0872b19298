"""From factor matrices in one of the published layouts to a scheme over the least ring.

The rings are Z, Q, Z[i]/2 and Q(i), as the entries need. Files modulo 2 seldom say so: where all
entries are 0 and 1 and the identity fails over Z but holds modulo 2, the scheme is one over GF2.
Where a layout leaves open how the third factor is indexed, the identity decides between the two;
nothing else is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import isqrt, lcm

import numpy as np
from numpy.typing import NDArray

from evaluators import bilinear
from evaluators.bilinear import Factor, Scheme
from evaluators.lists import NUMBER
from evaluators.results import Invalid, Valid

Size = tuple[int, int, int]
Found = Scheme | Invalid
"""A scheme that is not verified yet, or why there is none."""

MAX_TERMS = 4096
_PARTS = re.compile(rf"([-+]?{NUMBER})?(?:([-+]?{NUMBER})[jI])?", re.ASCII)
_MAX_HALVINGS = 20


def of_matrices(parts: Sequence[object], size: Size | None) -> Found:
    """Three matrices, each with a row for each tensor index and a column for each term."""
    arrays = []
    for name, part in zip("uvw", parts, strict=True):
        array = part if isinstance(part, np.ndarray) else _array(part)
        if isinstance(array, Invalid):
            return Invalid(f"{name}: {array.reason}")
        if array.ndim != 2:
            return Invalid(f"{name} has shape {array.shape}, expected tensor index by term")
        arrays.append(array)
    rows, terms = ([array.shape[axis] for array in arrays] for axis in (0, 1))
    if size is not None:
        n, m, p = size
        expected = [n * m, m * p, p * n]
        transposed = rows != expected and terms == expected
    else:
        size = _sides(rows) if len(set(terms)) == 1 else None
        transposed = size is None and len(set(rows)) == 1 and _sides(terms) is not None
        expected = rows
    if size is None or rows != expected or len(set(terms)) != 1:
        if transposed:
            return Invalid(
                f"u, v and w are transposed: {rows[0]} rows each; expected a row for each tensor "
                "index and a column for each term"
            )
        return Invalid(f"matrices of {rows} rows and {terms} columns are no factors of a scheme")
    return scheme([array.T for array in arrays], size)


def scheme(factors: Sequence[NDArray[np.generic]], *sizes: Size, turned: bool = False) -> Found:
    """From factors with a row for each term, over the least ring; see `_settled`."""
    found = []
    if sum(factor.size for factor in factors) > bilinear.MAX_ENTRIES:
        return Invalid(f"over {bilinear.MAX_ENTRIES} entries in u, v and w")
    for name, factor in zip("uvw", factors, strict=True):
        if not factor.size:
            return Invalid(f"{name} is empty")
        integral = exact(factor)
        if isinstance(integral, Invalid):
            return Invalid(f"{name}: {integral.reason}")
        found.append(integral)
    scale = lcm(*(s for _, s in found))
    gaussian = any(entries.ndim == 3 for entries, _ in found)
    scaled = []
    for entries, own in found:
        by = scale // own
        if by > 1 and by * max(abs(int(entries.max())), abs(int(entries.min()))) >= 2**62:
            entries = entries.astype(np.object_)
        whole = entries if by == 1 else entries * by
        if gaussian and whole.ndim == 2:
            whole = np.stack([whole, np.zeros_like(whole)], axis=-1)
        scaled.append(whole)
    ring = "Q" if scale > 1 else "Z"
    if gaussian:
        ring = "Z[i]/2" if scale <= 2 else "Q(i)"
    u, v, w = scaled
    n, m, p = sizes[0]
    first = Scheme(n, m, p, ring, u, v, w, scale)
    return _settled([first, _turned(first)] if turned else [first])


def _turned(scheme: Scheme) -> Scheme:
    """The same with the third factor indexed by i p + k, as C is and not its transpose."""
    order = np.arange(scheme.p * scheme.n).reshape(scheme.n, scheme.p).T.ravel()
    width = scheme.w.shape[1:2]
    return replace(scheme, w=scheme.w[:, order]) if width == order.shape else scheme


def _settled(candidates: Iterable[Scheme]) -> Scheme:
    """The first that is valid, over GF2 too where entries are 0 and 1; else the first."""
    readings = list(candidates)
    first = readings[0]
    binary = first.ring == "Z" and all(((f == 0) | (f == 1)).all() for f in first.factors)
    if binary:
        readings = [replace(x, ring=ring) for ring in ("Z", "GF2") for x in readings]
    if len(readings) == 1 or not first.light:
        return first
    return next((x for x in readings if isinstance(bilinear.verify(x), Valid)), first)


def exact(values: NDArray[np.generic]) -> tuple[Factor, int] | Invalid:
    """Floats (or complex floats) as integers over a power of two, without rounding.

    Returns:
        Integers of the same shape (complex: with a last axis of two) and the power of two.
    """
    if values.dtype.kind == "c":
        values = np.stack([values.real, values.imag], axis=-1)
    if values.dtype.kind == "O":
        return _exact_objects(values)
    if values.dtype.kind in "iu":
        if values.dtype == np.uint64 and values.size and values.max() >= 2**63:
            return Invalid("an entry is over 63 bits long")
        return values.astype(np.int64), 1
    if values.dtype.kind != "f":
        return Invalid(f"an array of {values.dtype}, expected integers, floats or complex floats")
    floats = values.astype(np.float64)
    if not np.isfinite(floats).all():
        return Invalid("an entry is not a finite number")
    if (np.abs(floats) >= 2.0**40).any():
        return Invalid("an entry is over 40 bits long")
    scale = 1
    while (floats != np.rint(floats)).any():
        if scale == 1 << _MAX_HALVINGS:
            return Invalid(f"an entry is no multiple of 1/{scale}: rounded, so not exact")
        scale, floats = scale * 2, floats * 2
    return floats.astype(np.int64), scale


def _exact_objects(values: NDArray[np.generic]) -> tuple[Factor, int] | Invalid:
    """The same for Python integers and for fractions, one or two to an entry."""
    flat = values.ravel().tolist()
    if any(type(x) not in (int, Fraction) for x in flat):
        return Invalid("an array of objects that are no integers")
    if max((max(abs(x.numerator), x.denominator) for x in flat), default=0) >> bilinear.MAX_BITS:
        return Invalid(f"an entry is over {bilinear.MAX_BITS} bits long")
    scale = 1
    for x in flat:
        scale = lcm(scale, x.denominator)
        if scale >> bilinear.MAX_BITS:
            return Invalid(f"the common denominator is over {bilinear.MAX_BITS} bits long")
    scaled = [int(x * scale) for x in flat]
    kind = np.int64 if max(map(abs, scaled), default=0) < 2**62 else np.object_
    return np.array(scaled, dtype=kind).reshape(values.shape), scale  # type: ignore[return-value]


def _sides(sizes: Sequence[int]) -> Size | None:
    """n, m, p from n m, m p and p n."""
    nm, mp, pn = sizes
    if min(sizes) < 1 or max(sizes) > bilinear.MAX_SIDE**2:
        return None
    n = isqrt(nm * pn // mp)
    if n < 1 or nm % n or pn % n or (nm // n) * (pn // n) != mp:
        return None
    return n, nm // n, pn // n


def of_lists(content: list[object]) -> Found | None:
    """Three factor matrices, or a list of terms, each three matrices of A, B and C."""
    if _are_comparators(content):
        return None
    if len(content) == 3 and all(_depth(part) in (2, 3) for part in content):
        parts = [_opened(part) for part in content]
        if all(_depth(part) == 2 for part in parts):
            return of_matrices(parts, None)
    if not 1 <= len(content) <= MAX_TERMS:
        return None
    if not all(isinstance(term, list) and len(term) == 3 for term in content):
        return None
    if not all(_depth(part) == 2 for term in content for part in term):  # type: ignore[attr-defined]
        return None
    stacks = []
    for at, name in enumerate("uvw"):
        array = _array([term[at] for term in content])  # type: ignore[index]
        if isinstance(array, Invalid):
            return Invalid(f"{name}: {array.reason}")
        stacks.append(array)
    (n, m), (m2, p), last = (array.shape[1:3] for array in stacks)
    if m != m2 or last not in ((p, n), (n, p)):
        return Invalid(f"terms of matrices {n} by {m}, {m2} by {p} and {last[0]} by {last[1]}")
    flat = [array.reshape(len(content), -1) for array in stacks]
    if last == (n, p) and n != p:
        order = np.arange(n * p).reshape(n, p).T.ravel()
        flat[2] = flat[2][:, order]
    return scheme(flat, (n, m, p), turned=n == p)


def _are_comparators(content: list[object]) -> bool:
    """Whether these are layers of a network: pairs (a, b) with 0 <= a < b throughout.

    No scheme of two terms is lost: an identity matrix is no product of such rows.
    """
    return all(isinstance(layer, list) for layer in content) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(wire) is int for wire in pair)
        and 0 <= pair[0] < pair[1]
        for layer in content
        if isinstance(layer, list)
        for pair in layer
    )


def _opened(part: object) -> object:
    """What `array(...)` leaves: a list of one list."""
    return part[0] if isinstance(part, list) and len(part) == 1 and _depth(part) == 3 else part


def _depth(value: object) -> int:
    depth = 0
    while isinstance(value, list) and value:
        depth, value = depth + 1, value[0]
        if depth > 4:
            break
    return depth


def _array(rows: object) -> NDArray[np.generic] | Invalid:
    """Nested lists of one shape, of integers, floats and texts such as 1/2 and 0.5-0.5j."""
    try:
        found = np.array(rows)
    except (ValueError, OverflowError):
        return Invalid("rows of unequal lengths, or a huge number")
    if found.dtype.kind in "ifc":
        return found
    if found.dtype.kind not in "UO":
        return Invalid(f"entries that are no numbers ({found.dtype})")
    mixed = np.array(rows, dtype=np.object_)
    values = [_value(x) for x in mixed.ravel().tolist()]
    if any(value is None for value in values):
        return Invalid("an entry is no number")
    pairs = [value for value in values if value is not None]
    if any(value[1] for value in pairs):
        whole = [complex(value[0], value[1]) for value in pairs]
        if any(
            (Fraction(x.real), Fraction(x.imag)) != value
            for x, value in zip(whole, pairs, strict=True)
        ):
            return Invalid("a complex entry with more digits than a double has")
        return np.array(whole).reshape(mixed.shape)
    alone = np.empty(len(pairs), dtype=np.object_)
    alone[:] = [value[0] for value in pairs]
    return alone.reshape(mixed.shape)


def _value(entry: object) -> tuple[Fraction, Fraction] | None:
    if isinstance(entry, int | float) and not isinstance(entry, bool):
        return (Fraction(entry), Fraction(0)) if np.isfinite(entry) else None
    parts = _PARTS.fullmatch(entry) if isinstance(entry, str) and entry else None
    if parts is None:
        return None
    try:
        real, imaginary = (Fraction(_ratio(x)) for x in parts.groups())
    except ZeroDivisionError:
        return None
    return real, imaginary


def _ratio(text: str | None) -> Fraction:
    above, _, below = (text or "0").partition("/")
    return Fraction(above) / Fraction(below or 1)
