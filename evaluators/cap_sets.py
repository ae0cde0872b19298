"""Cap sets: sets of vectors over {0, 1, 2} with no three on a line, and their exact verifier.

Three distinct vectors of F_3^n are on a line when they add up to zero, coordinate by coordinate.

What `verify` establishes: all vectors are distinct, and no pair has its third point in the set.
Every pair is looked at: the third point of a and b is -(a + b), found by tables of 3^6 by 3^6 for
six coordinates at a time, and looked up in a table of all 3^n points.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluators.results import Invalid, Valid, Verifier

MAX_DIMENSION = 12
MAX_SIZE = 20_000
_CHUNK = 6


def verify(n: object, vectors: object) -> Valid | Invalid:
    """Checks a cap set; the value is its size.

    Args:
        n: The dimension, not trusted.
        vectors: Integer array (size, n) or lists of n integers 0 to 2, not trusted.
    """
    if type(n) is not int or not 1 <= n <= MAX_DIMENSION:
        return Invalid(f"n is {str(n)[:40]}, expected an integer from 1 to {MAX_DIMENSION}")
    points = _points(n, vectors)
    if isinstance(points, Invalid):
        return points
    codes = points @ 3 ** np.arange(n)
    member = np.zeros(3**n, dtype=np.bool_)
    member[codes] = True
    if np.count_nonzero(member) != len(codes):
        _, first, counts = np.unique(codes, return_index=True, return_counts=True)
        twice = points[first[int((counts > 1).argmax())]]
        return Invalid(f"{_digits(twice)} occurs twice")
    low, high = codes % 3**_CHUNK, codes // 3**_CHUNK
    third = _third_points()
    for index in range(len(codes) - 1):
        rest = slice(index + 1, None)
        line = third[low[index]][low[rest]] + third[high[index]][high[rest]] * 3**_CHUNK
        bad = member[line]
        if bad.any():
            other = index + 1 + int(bad.argmax())
            a, b = points[index], points[other]
            return Invalid(f"{_digits(a)}, {_digits(b)} and {_digits(-(a + b) % 3)} are on a line")
    return Valid(len(codes), facts={"n": n})


def _points(n: int, vectors: object) -> NDArray[np.int64] | Invalid:
    if isinstance(vectors, np.ndarray):
        if vectors.dtype.kind not in "iu" or vectors.ndim != 2 or vectors.shape[1] != n:
            return Invalid(
                f"an array of {vectors.dtype}, shape {vectors.shape}, expected integers (size, {n})"
            )
        if len(vectors) > MAX_SIZE:
            return Invalid(f"{len(vectors)} vectors, at most {MAX_SIZE} are checked")
        if ((vectors < 0) | (vectors > 2)).any():
            return Invalid("a coordinate is not 0, 1 or 2")
        points = vectors.astype(np.int64)
    else:
        if not isinstance(vectors, list | tuple):
            return Invalid(f"vectors is {type(vectors).__name__}, expected a list")
        if len(vectors) > MAX_SIZE:
            return Invalid(f"{len(vectors)} vectors, at most {MAX_SIZE} are checked")
        for index, vector in enumerate(vectors):
            if not isinstance(vector, list | tuple) or len(vector) != n:
                return Invalid(f"vector {index}: expected {n} coordinates")
            if any(type(x) is not int or not 0 <= x <= 2 for x in vector):
                return Invalid(f"vector {index}: a coordinate is not 0, 1 or 2")
        points = np.array(vectors, dtype=np.int64).reshape(-1, n)
    return points if len(points) else Invalid("the set is empty")


@lru_cache(maxsize=1)
def _third_points() -> NDArray[np.int32]:
    """(3^6, 3^6): the code of -(a + b) from those of a and b."""
    weights = 3 ** np.arange(_CHUNK)
    digits = np.arange(3**_CHUNK)[:, None] // weights % 3
    table = np.zeros((3**_CHUNK, 3**_CHUNK), dtype=np.int32)
    for place, weight in zip(digits.T, weights, strict=True):
        table += (-(place[:, None] + place) % 3 * weight).astype(np.int32)
    return table


def _digits(vector: NDArray[np.int64]) -> str:
    return "".join(map(str, vector.tolist()))


def check(data: object) -> Valid | Invalid:
    """Checks {"n": n, "vectors": [[...], ...]}, which may be anything; a `size` is a claim."""
    if not isinstance(data, dict) or "vectors" not in data:
        return Invalid('expected an object with the keys "n" and "vectors"')
    result = verify(data.get("n"), data["vectors"])
    if isinstance(result, Invalid):
        return result
    if "size" in data and (type(data["size"]) is not int or data["size"] != result.value):
        return Invalid(f"the size claimed is {str(data['size'])[:40]}, it is {result.value}")
    return result


def published(content: object) -> Mapping[str, object] | None:
    """A cap set as a JSON object or list, as text, or as the one integer array of an npz."""
    if isinstance(content, str):
        content = _vectors_of(content)
    if isinstance(content, list):
        return {"cap set": {"n": len(content[0]), "vectors": content}} if _fits(content) else None
    if not isinstance(content, dict):
        return None
    if "vectors" in content and not isinstance(content["vectors"], np.ndarray):
        return {"cap set": content}
    arrays = {key: content[key] for key in _NAMES if isinstance(content.get(key), np.ndarray)}
    return {
        key: {"n": x.shape[1], "vectors": x}
        for key, x in arrays.items()
        if x.ndim == 2 and x.dtype.kind in "iu"
    } or None


_NAMES = ("vectors", "capset", "cap_set", "arr_0")
_LINE = re.compile(r"\[?\(? {0,9}[012](?:[, ]{0,9}[012]){0,11} {0,9}\)?\]?,?")


def _vectors_of(text: str) -> list[list[int]] | None:
    """A vector a line: [0, 1, 2], 0 1 2 or 012."""
    vectors: list[list[int]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line[0] == "#":
            continue
        if len(line) > 200 or len(vectors) > MAX_SIZE or _LINE.fullmatch(line) is None:
            return None
        vectors.append([int(digit) for digit in line if digit in "012"])
    return vectors


def _fits(rows: list[object]) -> bool:
    """Whether these are rows of 0, 1 and 2, all of one length, and no comparators."""
    first = rows[0] if rows else None
    width = len(first) if isinstance(first, list) else 0
    fits = width > 0 and all(
        isinstance(row, list) and len(row) == width and set(map(repr, row)) <= _DIGITS
        for row in rows
    )
    pairs = [row for row in rows if isinstance(row, list)] if width == 2 else [[1, 0]]
    return fits and any(row[0] >= row[1] for row in pairs)


_DIGITS = frozenset({"0", "1", "2"})


cap_set = Verifier(
    name="cap_set",
    version="1",
    objective="size",
    direction="max",
    check=check,
    published=published,
)
