"""Circles in the unit square: the exact verifier of a packing, and its exact repair.

What `verify` establishes: every circle lies in [0, 1]^2 and no two overlap; touching is allowed,
and no tolerance is. Coordinates are rationals that decimals or doubles denote, brought to one
denominator D, so that containment is 0 <= x - r and x + r <= D, and disjointness of i and j is
(x_i - x_j)^2 + (y_i - y_j)^2 >= (r_i + r_j)^2, all in integers.

Doubles, and decimals printed from them, miss this by some 1e-17 where circles touch. `repair`
shrinks those circles, and only those: each gives up half of its worst overlap or all it sticks
out, rounded up to a multiple of 1e-30. The result is exact, valid, does not depend on the order,
and its value is the one that counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import isfinite, isqrt, lcm, log

import numpy as np

from evaluators.lists import nested
from evaluators.results import Invalid, Valid, Verifier

MAX_CIRCLES = 1000
MOST_REPAIRED = Fraction(1, 10**5)
"""What one circle may give up: a larger overlap is no rounding."""
MAX_PLACES = 360
"""Decimals of a coordinate, few enough that a repaired packing can be printed and read again."""
MAX_WORK = 2 * 10**8
"""Circles squared times the bits of their common denominator: what bounds the time of a check."""
_OVERLAPS_EACH = 10
"""Touching circles make a planar graph, so honest ones have under 3 such pairs each."""
_GRAIN = 10**30
_FINEST = 10**MAX_PLACES
_DECIMAL = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Packing:
    """Circles (x, y, r) in integers, in units of 1 / `scale`."""

    circles: Sequence[tuple[int, int, int]]
    scale: int


def packing(circles: object) -> Packing | Invalid:
    """The circles as exact numbers; their places are not looked at.

    Args:
        circles: Array (count, 3) of doubles, or a list of [x, y, r], each a decimal as text, an
            integer or a double, which stands for its exact value; not trusted.
    """
    if isinstance(circles, np.ndarray):
        if circles.ndim != 2 or circles.shape[1] != 3 or circles.dtype.kind not in "iuf":
            return Invalid(
                f"an array of {circles.dtype}, shape {circles.shape}, expected (count, 3)"
            )
        if len(circles) > MAX_CIRCLES:
            return Invalid(f"{len(circles)} circles, at most {MAX_CIRCLES} are checked")
        circles = circles.astype(np.float64).tolist()
    if not isinstance(circles, list | tuple):
        return Invalid(f"circles is {type(circles).__name__}, expected a list of [x, y, r]")
    if not 1 <= len(circles) <= MAX_CIRCLES:
        return Invalid(f"{len(circles)} circles, expected 1 to {MAX_CIRCLES}")
    numbers: list[Fraction] = []
    for index, circle in enumerate(circles):
        if not isinstance(circle, list | tuple) or len(circle) != 3:
            return Invalid(f"circle {index}: expected x, y and r")
        for name, value in zip("xyr", circle, strict=True):
            exact = _exact(value)
            if isinstance(exact, Invalid):
                return Invalid(f"circle {index}: {name} is {exact.reason}")
            numbers.append(exact)
    scale = lcm(*(number.denominator for number in numbers))
    # counted with the grain, so that what `repair` returns is within the bound as well
    bits = lcm(scale, _GRAIN).bit_length()
    if len(circles) ** 2 * bits > MAX_WORK:
        return Invalid(
            f"{len(circles)} circles over a denominator of {bits} bits, "
            f"more work than is done: circles squared times bits is at most {MAX_WORK}"
        )
    scaled = [number.numerator * (scale // number.denominator) for number in numbers]
    return Packing(list(zip(scaled[::3], scaled[1::3], scaled[2::3], strict=True)), scale)


def _exact(value: object) -> Fraction | Invalid:
    if isinstance(value, str):
        if len(value) > 400:
            return Invalid(f"{len(value)} characters long, expected a decimal of at most 400")
        if _DECIMAL.fullmatch(value) is None:
            return Invalid(f"{value[:40]!r}, expected a decimal")
        return _in_range(Fraction(value))
    if type(value) is int:
        return _in_range(Fraction(value)) if value.bit_length() < 64 else Invalid("a huge integer")
    if type(value) is not float:
        return Invalid(f"{type(value).__name__}, expected a number")
    if not isfinite(value):
        return Invalid(f"{value}, expected a finite number")
    return _in_range(Fraction(value))


def _in_range(value: Fraction) -> Fraction | Invalid:
    if not -1 <= value <= 2:
        return Invalid("far outside the unit square")
    if _FINEST % value.denominator:
        return Invalid(f"given to more than {MAX_PLACES} decimals")
    return value


def verify(found: Packing) -> Valid | Invalid:
    """Checks a packing as it stands; the value is the sum of the radii."""
    for index, (x, y, r) in enumerate(found.circles):
        if r <= 0:
            return Invalid(f"circle {index}: its radius is not positive")
        out = _sticks_out(x, y, r, found.scale)
        if out > 0:
            return Invalid(f"circle {index} leaves the square by {_small(out, found.scale)}")
    for j, (x, y, r) in enumerate(found.circles):
        for i, (x2, y2, r2) in enumerate(found.circles[:j]):
            if (x - x2) ** 2 + (y - y2) ** 2 < (r + r2) ** 2:
                overlap = r + r2 - _root((x - x2) ** 2 + (y - y2) ** 2, found.scale)
                return Invalid(f"circles {i} and {j} overlap by {float(overlap / found.scale):.1e}")
    total = Fraction(sum(r for _, _, r in found.circles), found.scale)
    return Valid(total, facts={"circles": len(found.circles)})


def _sticks_out(x: int, y: int, r: int, scale: int) -> int:
    return max(r - x, r - y, x + r - scale, y + r - scale)


def _small(value: int, scale: int) -> str:
    return f"{float(Fraction(value, scale)):.1e}"


def _root(square: int, scale: int) -> Fraction:
    """The square root from below, to a grain of 1e-30 of the unit."""
    # square is in units of scale^-2; the root comes out in units of scale^-1
    fine = -(-_GRAIN // scale) + 1
    return Fraction(isqrt(square * fine * fine), fine)


def repair(found: Packing) -> Packing | Invalid:
    """Shrinks the circles that overlap or stick out, as far as needed, see above.

    Returns:
        A packing that `verify` accepts, or `Invalid` where a circle would have to give up more
        than `MOST_REPAIRED` or its whole radius.
    """
    least = [Fraction(0)] * len(found.circles)
    overlaps = 0
    for j, (x, y, r) in enumerate(found.circles):
        if r <= 0:
            return Invalid(f"circle {j}: its radius is not positive")
        least[j] = max(least[j], Fraction(_sticks_out(x, y, r, found.scale)))
        for i, (x2, y2, r2) in enumerate(found.circles[:j]):
            square = (x - x2) ** 2 + (y - y2) ** 2
            if square < (r + r2) ** 2:
                overlaps += 1
                if overlaps > _OVERLAPS_EACH * len(found.circles):
                    return Invalid(f"over {overlaps - 1} pairs overlap, too many for rounding")
                half = (r + r2 - _root(square, found.scale)) / 2
                least[i], least[j] = max(least[i], half), max(least[j], half)
    scale = lcm(found.scale, _GRAIN)
    factor = scale // found.scale
    circles = []
    for index, ((x, y, r), give) in enumerate(zip(found.circles, least, strict=True)):
        if give > MOST_REPAIRED * found.scale:
            return Invalid(
                f"circle {index} overlaps or sticks out by {float(give / found.scale):.1e}, "
                "too much for a rounding error"
            )
        grains = -(-give * _GRAIN // found.scale)
        radius = r * factor - int(grains) * (scale // _GRAIN)
        if radius <= 0:
            return Invalid(f"circle {index} is smaller than what it would have to give up")
        circles.append((x * factor, y * factor, radius))
    return Packing(circles, scale)


def data_of(found: Packing) -> dict[str, object]:
    """The JSON data of a packing: decimals as text, exactly."""
    return {
        "n": len(found.circles),
        "circles": [[_decimal(Fraction(x, found.scale)) for x in c] for c in found.circles],
    }


def _decimal(value: Fraction) -> str:
    twos = (value.denominator & -value.denominator).bit_length() - 1
    places = max(twos, round(log(value.denominator >> twos, 5)))
    digits = f"{abs(value.numerator) * (10**places // value.denominator):0{places + 1}d}"
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return f"{'-' if value < 0 else ''}{whole}{'.' if part else ''}{part}"


def _packing_of(data: object) -> Packing | Invalid:
    if not isinstance(data, dict) or "circles" not in data:
        return Invalid('expected an object with the key "circles"')
    found = packing(data["circles"])
    if isinstance(found, Packing) and "n" in data and data["n"] != len(found.circles):
        return Invalid(f"n is {str(data['n'])[:40]}, but there are {len(found.circles)} circles")
    return found


def check(data: object) -> Valid | Invalid:
    """Checks {"circles": [["x", "y", "r"], ...]} as printed; data may be anything."""
    found = _packing_of(data)
    return found if isinstance(found, Invalid) else verify(found)


def repaired(data: object) -> object:
    """The same data with the exact repair applied, or `Invalid`."""
    found = _packing_of(data)
    shrunk = found if isinstance(found, Invalid) else repair(found)
    return shrunk if isinstance(shrunk, Invalid) else data_of(shrunk)


def published(content: object) -> Mapping[str, object] | None:
    """Circles as a JSON object or list, as text (x y r a line), or as an array of an npz."""
    if isinstance(content, str):
        lines = [x for x in map(str.strip, content.splitlines()) if x and x[0] not in "#%"]
        rows = [re.split(r"[\s,;]+", line) if len(line) < 2000 else [] for line in lines]
        if rows and all(row and all(map(_DECIMAL.fullmatch, row)) for row in rows):
            return _of_rows(rows)
        listed = nested(content) if len(content) <= _MAX_TEXT else None
        return None if listed is None else _of_rows(listed)
    if isinstance(content, list):
        return _of_rows(content)
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("circles"), np.ndarray):
        return {"packing": {"circles": content["circles"]}}
    if "circles" in content:
        return {"packing": content}
    alone = content.get("arr_0")
    if len(content) == 1 and isinstance(alone, np.ndarray):
        fits = alone.ndim == 2 and alone.shape[1] == 3 and alone.dtype.kind == "f"
        return {"packing": {"circles": alone}} if fits else None
    if {"centers", "radii"} <= content.keys():
        centres, radii = (
            x.tolist() if isinstance(x, np.ndarray) else x
            for x in (content["centers"], content["radii"])
        )
        if isinstance(centres, list) and isinstance(radii, list) and len(centres) == len(radii):
            joined = [
                [*c, r] if isinstance(c, list) else c for c, r in zip(centres, radii, strict=True)
            ]
            return {"packing": {"circles": joined}}
    return None


_MAX_TEXT = 4 << 20


def _of_rows(rows: Sequence[object]) -> Mapping[str, object] | None:
    """Rows of x, y and r, or of a number from 1 on and these."""
    if not rows or not all(isinstance(row, list) for row in rows):
        return None
    widths = {len(row) for row in rows if isinstance(row, list)}
    if widths not in ({3}, {4}):
        return None
    if any(isinstance(x, list) for row in rows if isinstance(row, list) for x in row):
        return None
    numbered = len(rows) > 1 and all(
        isinstance(row, list) and str(row[0]) == str(number)
        for number, row in enumerate(rows, start=1)
    )
    if widths == {3}:
        if numbered:
            return {"packing": Invalid("rows of a number, x and y: the radii are missing")}
        return {"packing": {"circles": rows}}
    if not numbered:
        return None
    circles = [row[1:] for row in rows if isinstance(row, list)]
    return {"packing": {"circles": _shifted(circles)}}


def _shifted(circles: list[list[object]]) -> list[list[object]]:
    """Lists that number their circles may have the square's centre for origin: then its corner."""
    places = [x for circle in circles for x in circle[:2]]
    if not all(isinstance(x, str) and _DECIMAL.fullmatch(x) and len(x) < 400 for x in places):
        return circles
    numbers = [Decimal(str(x)) for x in places]
    if min(numbers) >= 0:
        return circles
    exact = Context(prec=1000)
    moved = [f"{exact.add(x, Decimal('0.5')):f}" for x in numbers]
    return [
        [x, y, circle[2]] for x, y, circle in zip(moved[::2], moved[1::2], circles, strict=True)
    ]


circle_packing = Verifier(
    name="circle_packing",
    version="2",
    objective="sum_radii",
    direction="max",
    check=check,
    published=published,
    repair=repaired,
)
