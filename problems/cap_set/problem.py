"""Cap sets in F_3^n: evolve a priority by which vectors are taken greedily, or a whole search.

`priority` is FunSearch's interface (Romera-Paredes et al., Nature 625, 468-475): what the search
finds is in a few lines that one can read. In `search` the program does what it likes for some
seconds and hands over vectors; its seed takes whole orbits of random symmetry groups.
"""

from __future__ import annotations

import numpy as np

from evaluators import Invalid, cap_sets
from evolve import Feature, Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle, Parameters, ProblemError

from .drawing import draw

KNOWN = {1: 2, 2: 4, 3: 9, 4: 20, 5: 45, 6: 112, 7: 236, 8: 512}
"""Best known sizes; up to n = 6 they are the largest there are."""


def _record(n: int, size: int) -> Record:
    if n == 8:
        who, source, date = "FunSearch", "Romera-Paredes et al., Nature 625, 468-475", "2023-12-14"
    else:
        who = "proven optimal" if n <= 6 else "best known"
        source, date = "table 1 of Romera-Paredes et al., Nature 625, and references there", "2023"
    return Record(value=size, who=who, source=source, date=date, objective="size", when={"n": n})


LONGEST_S = 3600.0
_GRACE_S = 5.0
"""For starting, answering and decoding, beyond the time that a search is told it has."""
_SMALL_SHARE = 0.1
"""Of the time, for the dimension of the first stage."""


def _searches(parameters: Parameters) -> bool:
    return parameters["interface"] == "search"


def _limit(parameters: Parameters, share: float = 1.0) -> float:
    seconds = parameters["seconds"]
    assert isinstance(seconds, float)
    if not _searches(parameters):
        return 20.0 if share == 1.0 else 5.0
    if not 0.1 <= seconds <= LONGEST_S:
        raise ProblemError(f"seconds={seconds:g}: expected 0.1 to {LONGEST_S:g}")
    n = parameters["n"]
    assert isinstance(n, int)
    if n > 8:
        raise ProblemError(f"n={n}: interface=search goes up to 8")
    return _GRACE_S + share * seconds


def _small_limit(parameters: Parameters) -> float:
    return _limit(parameters, _SMALL_SHARE)


def _measurement(parameters: Parameters) -> str:
    if _searches(parameters):
        return (
            "One search with one seed, ended by the clock: on another seed, or a busier machine, "
            "the same program may come to another size. Sizes that differ by a few vectors are "
            "alike where none of them is near the record."
        )
    return (
        f"One instance, n = {parameters['n']}. Nothing is drawn and nothing is timed: a program "
        "always gets the same score, and a difference of 1 is real."
    )


problem = Problem(
    name="cap_set",
    statement="statement.md",
    contract=lambda parameters: f"contract_{parameters['interface']}.md",
    measurement=lambda parameters: _measurement(parameters),
    seeds=lambda parameters: [f"seed_{parameters['interface']}.py"],
    objective="max size",
    parameters={"n": 6, "interface": ("priority", "search"), "seconds": 10.0},
    shorthand="{n}",
    features=[Feature(name="zeros", low=0.0, high=0.6, cells=8)],
    records=[
        *(_record(n, size) for n, size in KNOWN.items()),
        Record(
            value=496, who="best before FunSearch",
            source="as Romera-Paredes et al., Nature 625, 468-475, cite it",
            date="2023-12-14", objective="size", when={"n": 8},
        ),
    ],
    known_bad=["known_bad/*.py"],
    driver="driver.py",
    requires=lambda parameters: ["numpy", "numba"][: 1 + _searches(parameters)],
    # a fork with numba loaded costs several times as much
    preload=lambda parameters: ["numpy", "numba", "orbits.py"][: 3 if _searches(parameters) else 1],
    primitives=["abs", "min", "max", "sum"],
    verifier="cap_set",
    certify="best",
)  # fmt: skip


def judge(
    candidate: CandidateHandle, n: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """Asks for all priorities or for vectors, and verifies what came of it."""
    if not 1 <= n <= 9:
        raise ValueError(f"n is {n}, expected 1 to 9")
    vectors = (
        candidate.call("construct", n, seed, seconds)
        if interface == "search"
        else _by_priority(candidate, n)
    )
    if isinstance(vectors, Invalid):
        return vectors
    result = cap_sets.verify(n, vectors)
    if isinstance(result, Invalid):
        return result
    found = np.asarray(vectors)
    return Score(
        size=int(result.value),
        features={"zeros": float((found == 0).mean())},
        feedback=f"the set in dimension {n} has {result.value} vectors",
        artifact={"n": n, "vectors": found.tolist()},
    )


def _by_priority(candidate: CandidateHandle, n: int) -> np.ndarray | Invalid:
    points = np.indices((3,) * n).reshape(n, -1).T
    priorities = candidate.drive("priorities", points.astype(np.int8))
    if (
        not isinstance(priorities, np.ndarray)
        or priorities.dtype != np.float64
        or priorities.shape != (len(points),)
    ):
        return Invalid("the driver did not hand out one number for each vector")
    if np.isnan(priorities).any():
        vector = "".join(map(str, points[int(np.isnan(priorities).argmax())]))
        return Invalid(f"priority({vector}) is nan, expected a number")
    return greedy(points, priorities)


def greedy(points: np.ndarray, priorities: np.ndarray) -> np.ndarray:
    """Takes the vectors from the highest priority down, each that makes no line; of equals first.

    Args:
        points: (3^n, n) all vectors, in lexicographic order.
        priorities: (3^n,) floats without NaN.
    """
    weights = 3 ** np.arange(points.shape[1])[::-1]
    free = np.ones(len(points), dtype=np.bool_)
    taken: list[int] = []
    for index in np.argsort(-priorities, kind="stable").tolist():
        if not free[index]:
            continue
        # every third point of a line through the new vector and one taken before is closed
        free[-(points[index] + points[taken]) % 3 @ weights] = False
        taken.append(index)
    return points[taken]


@problem.stage(timeout_s=_small_limit, memory_mb=1024)
def smaller(
    candidate: CandidateHandle, *, n: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """One dimension less: quick, and what is invalid there goes no further."""
    score = judge(candidate, max(n - 1, 1), interface, seconds * _SMALL_SHARE, seed)
    if isinstance(score, Invalid):
        return score
    return Score(size=score.values["size"], features=score.features)


@problem.stage(timeout_s=_limit, memory_mb=1024)
def full(
    candidate: CandidateHandle, *, n: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """The dimension asked for."""
    return judge(candidate, n, interface, seconds, seed)


@problem.test(timeout_s=_limit, memory_mb=1024)
def test(
    candidate: CandidateHandle, *, n: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """The same again: of a priority nothing is drawn, a search gets another seed."""
    return judge(candidate, n, interface, seconds, seed)


@problem.baseline("all vectors equal")
def equal(
    *, seed: int, split: SplitKind, n: int, interface: str, seconds: float
) -> Score | Invalid:
    points = np.indices((3,) * n).reshape(n, -1).T
    result = cap_sets.verify(n, greedy(points, np.zeros(len(points))))
    return result if isinstance(result, Invalid) else Score(size=int(result.value))


problem.draw(draw)
