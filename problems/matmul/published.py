"""Published ranks, and schemes to extend from the folder that EVOLVE_PUBLISHED names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from evaluators import Invalid, bilinear, bilinear_files
from evolve import Record
from evolve.problem import ProblemError

Shape = tuple[int, int, int]
_SMALLEST = 2
_FILE_BYTES = 16 << 20

TABLE = """
2x2x2 7 7 7 7 7 - -
2x2x3 11 11 11 11 11 - -
2x2x4 14 14 14 14 14 - -
2x2x5 18 18 18 18 18 - -
2x2x6 21 21 21 21 - - -
2x2x7 25 25 25 25 - - -
2x2x8 28 28 28 28 - - -
2x3x3 15 15 15 15 15 - -
2x3x4 20 20 20 20 20 - -
2x3x5 25 25 25 25 25 - -
2x3x6 30 30 30 - - - -
2x3x7 35 35 35 - - - -
2x3x8 40 40 40 - - - -
2x4x4 26 26 26 26 26 - -
2x4x5 33 32 33 33 33 32 Q
2x4x6 39 39 39 - - - -
2x4x7 45 45 45 - - 45 Z
2x4x8 51 51 51 - - 51 Z
2x5x5 40 40 40 40 40 - -
2x5x6 47 47 47 - - 47 Z
2x5x7 55 55 55 - - - -
2x5x8 63 63 63 - - - -
2x6x6 56 56 56 - - - -
2x6x7 66 66 66 - - - -
2x6x8 75 75 75 - - - -
2x7x7 76 76 76 - - - -
2x7x8 88 88 88 - - - -
2x8x8 100 100 100 - - - -
3x3x3 23 23 23 23 23 23 Z
3x3x4 29 29 29 29 29 - -
3x3x5 36 36 36 36 36 - -
3x3x6 42 40 42 - - - -
3x3x7 49 49 49 - - - -
3x3x8 56 55 56 - - - -
3x4x4 38 38 38 38 38 - -
3x4x5 47 47 47 47 47 - -
3x4x6 54 54 54 - - 54 Q
3x4x7 64 63 64 - - 63 Q[i]
3x4x8 73 73 73 - - 74 Z
3x5x5 58 58 58 58 58 - -
3x5x6 68 68 68 - - 68 Z
3x5x7 79 79 79 - - 80 Z
3x5x8 90 90 90 - - - -
3x6x6 83 80 83 - - - -
3x6x7 96 94 96 - - - -
3x6x8 108 108 108 - - - -
3x7x7 111 111 111 - - - -
3x7x8 128 126 128 - - - -
3x8x8 146 145 146 - - - -
4x4x4 49 48 47 49 47 48 Q[i]
4x4x5 61 61 60 63 63 61 Z
4x4x6 73 73 73 - - - -
4x4x7 85 85 85 - - 85 Z
4x4x8 96 96 94 - - 96 Q[i]
4x5x5 76 76 73 76 76 - -
4x5x6 90 90 90 - - 90 Z
4x5x7 104 104 104 - - - -
4x5x8 118 118 118 - - - -
4x6x6 105 105 105 - - - -
4x6x7 123 123 123 - - - -
4x6x8 140 140 140 - - - -
4x7x7 144 144 144 - - - -
4x7x8 161 161 161 - - - -
4x8x8 180 180 180 - - - -
5x5x5 93 93 93 98 96 93 Z
5x5x6 110 110 110 - - - -
5x5x7 127 127 127 134 - - -
5x5x8 144 144 144 - - - -
5x6x6 130 130 130 - - - -
5x6x7 150 150 150 - - - -
5x6x8 170 170 170 - - - -
5x7x7 176 176 176 - - - -
5x7x8 204 204 204 - - - -
5x8x8 230 230 230 - - - -
6x6x6 153 153 153 - - - -
6x6x7 183 183 183 - - - -
6x6x8 203 203 203 - - - -
6x7x7 212 212 212 - - - -
6x7x8 238 238 238 - - - -
6x8x8 266 266 266 - - - -
7x7x7 250 249 250 - - - -
7x7x8 278 277 278 - - - -
7x8x8 310 306 310 - - - -
8x8x8 343 336 329 - - - -
"""
"""Format; best known rank over Z, over Q and C (the same for all of these) and over GF(2);
AlphaTensor's, its standard and modulo 2; AlphaEvolve's and the ring of that. Best known: state of
2 July 2026."""

_BEST = (
    "FMM catalogue, as mirrored",
    "github.com/dronperminov/FastMatrixMultiplication, README; fmm.univ-lille.fr",
    "2026-07-02",
)
_TENSOR = (
    "AlphaTensor",
    "Fawzi et al., Nature 610, 47-53, Fig. 3; released factors",
    "2022-10-05",
)
_EVOLVE = ("AlphaEvolve", "arXiv:2506.13131, Table 2", "2025-05-14")


class Row:
    """The published ranks of one format, its sides in order."""

    def __init__(self, line: str) -> None:
        name, *ranks, ring = line.split()
        n, m, p = (int(side) for side in name.split("x"))
        self.shape: Shape = (n, m, p)
        z, q, gf2, *numbers = [None if text == "-" else int(text) for text in ranks]
        self.best = {"Z": z, "GF2": gf2, "Q": q, "Z[i]/2": q, "Q(i)": q}
        self.alphatensor = {"Z": numbers[0], "GF2": numbers[1]}
        self.alphaevolve = numbers[2]
        self.alphaevolve_ring = "" if ring == "-" else ring


def rows() -> list[Row]:
    """The table, from small formats to large."""
    return [Row(line) for line in TABLE.strip().splitlines()]


LARGER = {
    (4, 4, 9): 104, (4, 4, 10): 115, (4, 5, 9): 132, (4, 5, 10): 146, (4, 5, 11): 160,
    (4, 5, 12): 174, (5, 5, 9): 161, (5, 5, 10): 178, (5, 5, 12): 204, (6, 7, 9): 264,
    (9, 9, 9): 498, (16, 16, 16): 2304,
}  # fmt: skip
"""Best known ranks of larger formats over Q, from the same list; over Z <4,4,9> takes 107."""


def is_quadratic(ring: object) -> bool:
    """Whether this is the name of a Q(sqrtD); what is known over Q holds there too."""
    return isinstance(ring, str) and ring.startswith("Q(sqrt")


def _larger() -> Iterator[Record]:
    who, source, date = _BEST
    for shape, rank in LARGER.items():
        known: list[tuple[object, int]] = [(x, rank) for x in ("Q", "Q(i)", is_quadratic)]
        if shape == (4, 4, 9):
            known.append(("Z", 107))
        for ring, best in known:
            for n, m, p in sorted(set(permutations(shape))):
                yield Record(
                    value=best,
                    who="AlphaTensor" if shape == (9, 9, 9) else who,
                    source=source,
                    date=date,
                    objective="rank",
                    when={"n": n, "m": m, "p": p, "ring": ring, "also": ""},
                )


def records() -> Iterator[Record]:
    """The table as records of the problem; a rank holds for every order of the sides.

    What is possible over a ring is possible over one that contains it.
    """
    yield from _larger()
    for row in rows():
        over = [*row.best.items(), (is_quadratic, row.best["Q"])]
        for ring, best in over:
            over_z = None if ring == "GF2" else row.alphatensor["Z"]
            found = (
                (best, _BEST),
                (row.alphatensor["GF2"] if ring == "GF2" else over_z, _TENSOR),
                (row.alphaevolve if _within(row.alphaevolve_ring, ring) else None, _EVOLVE),
            )
            for value, origin in found:
                if value is None:
                    continue
                who, source, date = origin
                for n, m, p in sorted(set(permutations(row.shape))):
                    yield Record(
                        value=value,
                        who=who,
                        source=source,
                        date=date,
                        objective="rank",
                        when={"n": n, "m": m, "p": p, "ring": ring, "also": ""},
                    )


def _within(ring: str, other: object) -> bool:
    """Whether entries of the first ring, as the table calls it, are entries of the second."""
    chain = ("Z", "Q", "Q[i]")
    at = {"Z": 0, "Q": 1, is_quadratic: 1, "Z[i]/2": 2, "Q(i)": 2}.get(other, -1)
    return ring in chain and chain.index(ring) <= at


def schemes(shapes: Sequence[Shape], ring: str) -> list[bilinear.Scheme]:
    """Verified schemes from EVOLVE_PUBLISHED that fit into a format, with entries -1, 0 and 1.

    Over GF(2) also those over the integers, reduced.

    Raises:
        ProblemError: no folder is named, or no file in it is of use.
    """
    folder = os.environ.get("EVOLVE_PUBLISHED", "")
    if not folder or not Path(folder).is_dir():
        raise ProblemError("known=published: set EVOLVE_PUBLISHED to a folder with schemes")
    found = []
    for path in sorted(Path(folder).glob("*.json")):
        scheme = _read(path, ring)
        if scheme is not None and any(_fits(scheme, shape) for shape in shapes):
            found.append(scheme)
    if not found:
        raise ProblemError(
            f"known=published: no file in {folder} holds a valid scheme over {ring} that fits"
        )
    return found


def _read(path: Path, ring: str) -> bilinear.Scheme | None:
    """A valid scheme over `ring`; None for anything else the folder may hold."""
    try:
        if path.stat().st_size > _FILE_BYTES:
            return None
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    scheme = bilinear_files.scheme_of(data)
    if isinstance(scheme, Invalid) or isinstance(bilinear.verify(scheme), Invalid):
        return None
    if scheme.denominator != 1 or scheme.ring not in ("Z", "Q", "GF2"):
        return None
    u, v, w = scheme.factors
    if ring == "GF2":
        u, v, w = u % 2, v % 2, w % 2
        terms = u.any(axis=1) & v.any(axis=1) & w.any(axis=1)
        u, v, w = u[terms], v[terms], w[terms]
    elif scheme.ring == "GF2" or any(np.abs(factor).max() > 1 for factor in (u, v, w)):
        return None
    return bilinear.Scheme(scheme.n, scheme.m, scheme.p, ring, u, v, w)


def _fits(scheme: bilinear.Scheme, shape: Shape) -> bool:
    sides = sorted((scheme.n, scheme.m, scheme.p))
    return min(sides) >= _SMALLEST and all(
        small <= large for small, large in zip(sides, sorted(shape), strict=True)
    )
