"""Matrix multiplication schemes: evolve the search that finds them.

A program gets a format, a ring, a seed and a time, and hands over factor matrices; their tensor
identity is checked here, exactly, and the rank is the score. `flip_graph.py` is the library that
programs find compiled in their sandbox.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from evaluators import Invalid, bilinear, bilinear_files
from evolve import Problem, Score, SplitKind
from evolve.problem import CandidateHandle, Parameters, ProblemError

from .drawing import draw
from .published import Shape, records, schemes

COORDINATES = 64
"""Entries of a matrix: the library holds a vector in one machine word for each sign."""
LONGEST_S = 3600.0
_GRACE_S = 5.0
"""For starting, answering and decoding, beyond the time a program is told it has."""
_FORMAT = re.compile(r"([0-9]{1,2})x([0-9]{1,2})x([0-9]{1,2})")


def formats(n: int, m: int, p: int, also: str) -> list[Shape]:
    """The formats a program is scored on, from small to large.

    Raises:
        ProblemError: one is malformed, too large, or named twice.
    """
    found = [(n, m, p)]
    for name in also.split(",") if also else []:
        match = _FORMAT.fullmatch(name.strip())
        if match is None:
            raise ProblemError(f"also={also}: expected formats such as 3x3x4,3x4x4")
        a, b, c = (int(side) for side in match.groups())
        found.append((a, b, c))
    for a, b, c in found:
        if min(a, b, c) < 1 or max(a * b, b * c, c * a) > COORDINATES:
            raise ProblemError(
                f"format {a}x{b}x{c}: sides from 1 on, and at most {COORDINATES} entries a matrix"
            )
    if len(set(found)) < len(found):
        raise ProblemError(f"also={also}: a format is named twice")
    return sorted(found, key=lambda shape: (shape[0] * shape[1] * shape[2], shape))


def smaller(shapes: Sequence[Shape]) -> list[Shape]:
    """Formats with sides half as long, rounded up but not below 2 where the side is not."""
    halves = {tuple(max(min(side, 2), (side + 1) // 2) for side in shape) for shape in shapes}
    return sorted((a, b, c) for a, b, c in halves)


def _formats_of(parameters: Parameters) -> list[Shape]:
    n, m, p, also = (parameters[name] for name in ("n", "m", "p", "also"))
    assert isinstance(n, int)
    assert isinstance(m, int)
    assert isinstance(p, int)
    return formats(n, m, p, str(also))


def _limit(parameters: Parameters, share: float = 1.0) -> float:
    shapes, seconds = _formats_of(parameters), parameters["seconds"]
    assert isinstance(seconds, float)
    if not 0.1 <= seconds <= LONGEST_S:
        raise ProblemError(f"seconds={seconds:g}: expected 0.1 to {LONGEST_S:g}")
    return len(shapes) * (_GRACE_S + share * seconds)


def _small_limit(parameters: Parameters) -> float:
    return _limit(parameters, _SMALL_SHARE)


def _seeds(parameters: Parameters) -> Sequence[str]:
    if parameters["known"] == "published":
        schemes(_formats_of(parameters), str(parameters["ring"]))  # said before the search
    flips = "seed_flip_graph.py"
    return [flips, "seed_gradient.py"] if parameters["ring"] == "Z" else [flips]


problem = Problem(
    name="matmul",
    statement="statement.md",
    seeds=_seeds,
    measurement=(
        "One search a format, with one seed, ended by the clock: on another seed, or a busier "
        "machine, the same program may come to another rank, most often by 1 or 2."
    ),
    objective="min rank",
    parameters={
        "n": 3,
        "m": 3,
        "p": 3,
        "ring": ("Z", "GF2"),
        "seconds": 10.0,
        "also": "",
        "known": ("none", "published"),
    },
    shorthand="{n}x{m}x{p}",
    records=list(records()),
    known_bad=["known_bad/*.py"],
    requires=["numpy", "numba"],
    preload=["numpy", "numba", "flip_graph.py"],
    primitives=["abs", "min", "max", "len", "range", "sorted"],
    verifier="matmul_scheme",
    certify="best",
)

_SMALL_SHARE = 0.1
"""Of the time, for the formats of the first stage."""


@problem.stage(timeout_s=_small_limit, memory_mb=1024)
def small(
    candidate: CandidateHandle, *, n: int, m: int, p: int, also: str, ring: str,
    seconds: float, seed: int,
) -> Score | Invalid:  # fmt: skip
    """Formats with sides half as long, in a tenth of the time: drops programs that do not work."""
    return _search(candidate, smaller(formats(n, m, p, also)), ring, seconds * _SMALL_SHARE, seed)


@problem.stage(timeout_s=_limit, memory_mb=1024)
def large(
    candidate: CandidateHandle, *, n: int, m: int, p: int, also: str, ring: str,
    seconds: float, known: str, seed: int,
) -> Score | Invalid:  # fmt: skip
    """Every format, from small to large."""
    return _search(
        candidate, formats(n, m, p, also), ring, seconds, seed, known=known, certify=True
    )


@problem.validation(timeout_s=_limit, memory_mb=1024)
def validation(
    candidate: CandidateHandle, *, n: int, m: int, p: int, also: str, ring: str,
    seconds: float, known: str, seed: int,
) -> Score | Invalid:  # fmt: skip
    """The same from another seed: a program that was lucky once is not picked for it."""
    return _search(
        candidate, formats(n, m, p, also), ring, seconds, seed, known=known, certify=True
    )


@problem.test(timeout_s=_limit, memory_mb=1024)
def test(
    candidate: CandidateHandle, *, n: int, m: int, p: int, also: str, ring: str,
    seconds: float, known: str, seed: int,
) -> Score | Invalid:  # fmt: skip
    """The same once more, on a draw that nothing knew."""
    return _search(
        candidate, formats(n, m, p, also), ring, seconds, seed, known=known, certify=True
    )


def _search(
    candidate: CandidateHandle,
    shapes: Sequence[Shape],
    ring: str,
    seconds: float,
    seed: int,
    *,
    known: str = "none",
    certify: bool = False,
) -> Score | Invalid:
    given = schemes(shapes, ring) if known == "published" else []
    total = additions = 0
    lines: list[str] = []
    artifact: object = None
    for shape in shapes:
        extend = [(s.n, s.m, s.p, s.u, s.v, s.w) for s in given]
        began = time.monotonic()
        answer = candidate.call("decompose", *shape, ring, seed, seconds, extend)
        took = time.monotonic() - began
        name = "x".join(map(str, shape))
        if took > seconds + _GRACE_S:
            return Invalid(f"{name}: decompose took {took:.1f} s, it had {seconds:g}")
        scheme = _scheme(answer, shape, ring)
        verdict = scheme if isinstance(scheme, Invalid) else bilinear.verify(scheme)
        if isinstance(scheme, Invalid) or isinstance(verdict, Invalid):
            assert isinstance(verdict, Invalid)
            return Invalid(f"{name}: {verdict.reason}")
        total += int(verdict.value)
        additions += int(verdict.metrics["additions"])
        n, m, p = shape
        lines.append(f"{name}: rank {verdict.value} of {n * m * p} products in {took:.1f} s")
        artifact = bilinear_files.data_of(scheme)
    return Score(
        rank=total,
        metrics={"additions": additions},
        feedback="; ".join(lines),
        # one object is one certificate
        artifact=artifact if certify and len(shapes) == 1 else None,
    )


def _scheme(answer: object, shape: Shape, ring: str) -> bilinear.Scheme | Invalid:
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        return Invalid(
            f"decompose gave {type(answer).__name__}, expected the three factor matrices"
        )
    n, m, p = shape
    factors = []
    for name, factor, size in zip("uvw", answer, (n * m, m * p, p * n), strict=True):
        entries = bilinear.integers(name, factor, size=size, pairs=False)
        if isinstance(entries, Invalid):
            return entries
        factors.append(entries)
    u, v, w = factors
    return bilinear.Scheme(n, m, p, ring, u, v, w)


@problem.baseline("definition")
def definition(
    *, seed: int, split: SplitKind, n: int, m: int, p: int, also: str, ring: str,
    seconds: float, known: str,
) -> Score | Invalid:  # fmt: skip
    """Every product of the definition: n m p each."""
    return Score(rank=sum(a * b * c for a, b, c in formats(n, m, p, also)))


problem.draw(draw)
