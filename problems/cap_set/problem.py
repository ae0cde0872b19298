"""Cap sets in F_3^n as in FunSearch: evolve the priority by which vectors are taken greedily."""

from __future__ import annotations

import numpy as np

from evaluators import Invalid, cap_sets
from evolve import Feature, Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle

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


problem = Problem(
    name="cap_set",
    statement="statement.md",
    seeds=["seed.py"],
    objective="max size",
    parameters={"n": 6},
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
    requires=["numpy"],
    preload=["numpy"],
    primitives=["abs", "min", "max", "sum"],
    verifier="cap_set",
    certify="best",
)  # fmt: skip


def judge(candidate: CandidateHandle, n: int) -> Score | Invalid:
    """Asks for all priorities, takes vectors greedily, and verifies what came of it."""
    if not 1 <= n <= 9:
        raise ValueError(f"n is {n}, expected 1 to 9")
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
    found = greedy(points, priorities)
    result = cap_sets.verify(n, found)
    if isinstance(result, Invalid):
        return result
    return Score(
        size=int(result.value),
        features={"zeros": float((found == 0).mean())},
        feedback=f"the greedy set in dimension {n} has {result.value} vectors",
        artifact={"n": n, "vectors": found.tolist()},
    )


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


@problem.stage(timeout_s=5.0, memory_mb=512)
def smaller(candidate: CandidateHandle, *, n: int) -> Score | Invalid:
    """One dimension less: quick, and what is invalid there goes no further."""
    score = judge(candidate, max(n - 1, 1))
    if isinstance(score, Invalid):
        return score
    return Score(size=score.values["size"], features=score.features)


@problem.stage(timeout_s=20.0, memory_mb=512)
def full(candidate: CandidateHandle, *, n: int) -> Score | Invalid:
    """The dimension asked for."""
    return judge(candidate, n)


@problem.test(timeout_s=20.0, memory_mb=512)
def test(candidate: CandidateHandle, *, n: int) -> Score | Invalid:
    """The same again: nothing is drawn here, the set is what is published."""
    return judge(candidate, n)


@problem.baseline("all vectors equal")
def equal(*, seed: int, split: SplitKind, n: int) -> Score | Invalid:
    points = np.indices((3,) * n).reshape(n, -1).T
    result = cap_sets.verify(n, greedy(points, np.zeros(len(points))))
    return result if isinstance(result, Invalid) else Score(size=int(result.value))


problem.draw(draw)
