"""Bilinear schemes as text: nested lists, products of sums, and plain numbers."""

from __future__ import annotations

import re

import numpy as np

from evaluators import bilinear
from evaluators.bilinear import Scheme
from evaluators.bilinear_layouts import MAX_TERMS, Found, of_lists, scheme
from evaluators.lists import nested
from evaluators.results import Invalid, Valid

_MAX_TEXT = 4 << 20
_LONG = re.compile(r"[0-9]{19}")
_FORM = r"(?:\(([^()]*)\)|([^()*]*))"
_PRODUCT = re.compile(rf"(?:m\d{{1,5}} ?= ?)?{_FORM}\*{_FORM}\*{_FORM}", re.ASCII)
_VARIABLE = re.compile(
    r"([-+]?)(?:(\d{1,9})\*?)?([abc])(?:_?\{?(\d{1,2})[,_]?(\d{1,2})\}?)", re.ASCII
)


def of_text(text: str) -> Found | None:
    """A scheme in a text, or None for a text of another kind."""
    if len(text) > _MAX_TEXT:
        return None
    start = text.lstrip()[:1]
    if "*" in text and "a" in text and "c" in text:
        return _of_products(text)
    if start.isdigit() and text.isascii():
        return _of_numbers(text)
    if start in ("{", "[", "(") or "array" in text[:200] or "=" in text[:100]:
        lists = nested(text)
        return None if lists is None else of_lists(lists)
    return None


def _of_products(text: str) -> Found | None:
    """A product a line, (a11 + a22)*(b11 - b12)*(c21): C's entries by row of its transpose."""
    terms: list[list[dict[tuple[int, int], int]]] = []
    for line in filter(None, (raw.replace(" ", "").rstrip(",;+") for raw in text.splitlines())):
        product = _PRODUCT.fullmatch(line) if len(line) < 20_000 else None
        if product is None or len(terms) == MAX_TERMS:
            return None
        parts = [part for part in product.groups() if part is not None]
        forms = [_form(part, name) for part, name in zip(parts, "abc", strict=True)]
        if any(form is None for form in forms):
            return None
        terms.append([form for form in forms if form is not None])
    if not terms:
        return None
    sides = [
        [max(place[at] for term in terms for place in term[which]) for at in (0, 1)]
        for which in range(3)
    ]
    n, m, p = sides[0][0], sides[0][1], sides[1][1]
    if max(n, m, p) > bilinear.MAX_SIDE or min(min(pair) for pair in sides) < 1:
        return Invalid(f"sides {n}, {m} and {p}, expected 1 to {bilinear.MAX_SIDE}")
    if sides[1][0] != m or sides[2] not in ([p, n], [n, p]):
        return Invalid(f"indices up to {sides} are none of a product of matrices")
    shapes = ((n, m), (m, p), (sides[2][0], sides[2][1]))
    factors = [np.zeros((len(terms), rows * columns), dtype=np.int64) for rows, columns in shapes]
    for r, term in enumerate(terms):
        for factor, (_, columns), form in zip(factors, shapes, term, strict=True):
            for (i, j), by in form.items():
                factor[r, (i - 1) * columns + j - 1] += by
    if sides[2] != [p, n]:
        factors[2] = factors[2][:, np.arange(n * p).reshape(n, p).T.ravel()]
    return scheme(factors, (n, m, p), turned=n == p)


def _form(text: str, name: str) -> dict[tuple[int, int], int] | None:
    """A sum such as a11-2*a12, by the indices; single digits need no comma between them."""
    found: dict[tuple[int, int], int] = {}
    end = 0
    for match in _VARIABLE.finditer(text):
        if match.start() != end or match[3] != name or (end and not match[1]):
            return None
        end = match.end()
        by = int(match[2] or 1) * (-1 if match[1] == "-" else 1)
        place = int(match[4]), int(match[5])
        found[place] = found.get(place, 0) + by
    return found if found and end == len(text) else None


def _of_numbers(text: str) -> Found | None:
    """n m p rank, and then u, v and w: a row of n m, m p or p n numbers for each term."""
    if not set(text) <= set("0123456789- \t\r\n") or re.search(r"-(?![0-9])|[0-9]-", text):
        return None
    if _LONG.search(text):  # it would be read as the largest that fits
        return Invalid("a number of over 18 digits")
    numbers = np.fromstring(text, dtype=np.int64, sep=" ")
    if len(numbers) < 7 or len(numbers) > bilinear.MAX_ENTRIES:
        return None
    n, m, p, rank = (int(number) for number in numbers[:4])
    if not all(1 <= side <= bilinear.MAX_SIDE for side in (n, m, p)):
        return None
    widths = (n * m, m * p, p * n)
    if len(numbers) - 4 != rank * sum(widths):
        return None
    numbers = numbers[4:]
    ends = np.cumsum([rank * width for width in widths])
    by_term = [part.reshape(rank, -1) for part in np.split(numbers, ends[:-1].tolist())]
    found = scheme(by_term, (n, m, p))
    if isinstance(found, Scheme) and isinstance(bilinear.verify(found), Valid):
        return found
    by_index = [part.reshape(width, rank).T for part, width in zip(by_term, widths, strict=True)]
    other = scheme(by_index, (n, m, p))
    valid = isinstance(other, Scheme) and isinstance(bilinear.verify(other), Valid)
    return other if valid else found
