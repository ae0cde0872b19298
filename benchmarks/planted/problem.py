"""A regression whose truth is known, so that edits of known effect can be planted in lineages."""

from __future__ import annotations

import math
import random

from evaluators import Invalid
from evolve import Problem, Score
from evolve.problem import CandidateHandle

SIZE = 6
POINTS = 60
NOISE = 0.2

problem = Problem(
    name="planted",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min error",
    parameters={"truth": 0},
)


def weights(truth: int) -> list[float]:
    """The terms of the truth, none of them small."""
    rng = random.Random(f"truth {truth}")
    return [rng.choice((-1, 1)) * rng.uniform(1.0, 3.0) for _ in range(SIZE)]


def points(truth: int, seed: int) -> list[tuple[list[float], float]]:
    """A draw: points and what is measured there, noise included."""
    rng = random.Random(f"points {seed}")
    found = []
    for _ in range(POINTS):
        x = [rng.uniform(-1, 1) for _ in range(SIZE)]
        y = sum(w * one for w, one in zip(weights(truth), x, strict=True))
        found.append((x, y + rng.gauss(0, NOISE)))
    return found


def _error(candidate: CandidateHandle, truth: int, seed: int) -> Score | Invalid:
    drawn = points(truth, seed)
    found = candidate.call("predict_all", [x for x, _ in drawn])
    if not isinstance(found, list) or len(found) != len(drawn):
        return Invalid("predict must give a number for each point")
    if any(type(value) not in (int, float) or not math.isfinite(value) for value in found):
        return Invalid("predict must give finite numbers")
    values = [float(value) for value in found]
    errors = [abs(value - y) for value, (_, y) in zip(values, drawn, strict=True)]
    return Score(error=sum(errors) / len(errors))


@problem.stage(timeout_s=5.0, memory_mb=512)
def training(candidate: CandidateHandle, *, truth: int, seed: int) -> Score | Invalid:
    return _error(candidate, truth, seed)


@problem.validation(timeout_s=5.0, memory_mb=512)
def validation(candidate: CandidateHandle, *, truth: int, seed: int) -> Score | Invalid:
    return _error(candidate, truth, seed)
