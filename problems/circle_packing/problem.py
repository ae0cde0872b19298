"""Circles in the unit square, sum of radii as large as possible: evolve a construction."""

from __future__ import annotations

from fractions import Fraction

from evaluators import Invalid, circle_packings
from evolve import Feature, Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle

from .drawing import draw


def _record(
    circles: int, value: str, who: str, source: str, date: str, *, claimed: bool = False
) -> Record:
    return Record(
        value=Fraction(value), who=who, source=source, date=date, objective="sum_radii",
        when={"circles": circles}, claimed=claimed,
    )  # fmt: skip


_V1 = "arXiv 2506.13131, B.12; alphaevolve_results notebook"
_V2 = "arXiv 2511.02864; alphaevolve_repository_of_problems; after exact repair"
_LIST = "E. Friedman, Packing Center, as cited in arXiv 2506.13131"

problem = Problem(
    name="circle_packing",
    statement="statement.md",
    seeds=["seed.py"],
    objective="max sum_radii",
    parameters={"circles": 26},
    shorthand="{circles}",
    features=[Feature(name="largest", low=0.05, high=0.25, cells=8)],
    records=[
        _record(26, "2.634", "Friedman's list", _LIST, "2025"),
        _record(26, "2.635862756413", "AlphaEvolve", _V1, "2025-05"),
        _record(26, "2.635983084917", "AlphaEvolve, second version", _V2, "2025-11"),
        _record(
            26, "2.63598325", "ShinkaEvolve, with a tolerance", "arXiv 2509.19349", "2025-09",
            claimed=True,
        ),
        _record(32, "2.936", "Friedman's list", _LIST, "2025"),
        _record(32, "2.937944526205", "AlphaEvolve", _V1, "2025-05"),
        _record(32, "2.939572771206", "AlphaEvolve, second version", _V2, "2025-11"),
    ],
    known_bad=["known_bad/*.py"],
    primitives=["abs", "min", "max", "math.sqrt", "math.cos", "math.sin"],
    verifier="circle_packing",
    certify="best",
)  # fmt: skip


def judge(candidate: CandidateHandle, count: int) -> Score | Invalid:
    """Asks for circles, shrinks what misses by rounding, and verifies the result exactly."""
    if not 1 <= count <= 200:
        raise ValueError(f"circles is {count}, expected 1 to 200")
    circles = candidate.call("circles", count)
    found = circle_packings.packing(circles)
    if isinstance(found, Invalid):
        return found
    if len(found.circles) != count:
        return Invalid(f"{len(found.circles)} circles, expected {count}")
    repaired = circle_packings.repair(found)
    if isinstance(repaired, Invalid):
        return repaired
    result = circle_packings.verify(repaired)
    if isinstance(result, Invalid):
        return result
    radii = sorted(float(Fraction(r, repaired.scale)) for _, _, r in repaired.circles)
    return Score(
        sum_radii=result.value,
        features={"largest": radii[-1]},
        feedback=(
            f"sum of radii {float(result.value):.9f}; smallest radius {radii[0]:.5f}, "
            f"largest {radii[-1]:.5f}"
        ),
        artifact=circle_packings.data_of(repaired),
    )


@problem.stage(timeout_s=2.0, memory_mb=256)
def few(candidate: CandidateHandle, *, circles: int) -> Score | Invalid:
    """Five circles: what fails there goes no further."""
    score = judge(candidate, min(5, circles))
    if isinstance(score, Invalid):
        return score
    return Score(sum_radii=score.values["sum_radii"], features=score.features)


@problem.stage(timeout_s=10.0, memory_mb=256)
def full(candidate: CandidateHandle, *, circles: int) -> Score | Invalid:
    """The number of circles asked for."""
    return judge(candidate, circles)


@problem.test(timeout_s=10.0, memory_mb=256)
def test(candidate: CandidateHandle, *, circles: int) -> Score | Invalid:
    """The same again: nothing is drawn here, the packing is what is published."""
    return judge(candidate, circles)


@problem.baseline("equal circles on a grid")
def grid(*, seed: int, split: SplitKind, circles: int) -> Score | Invalid:
    side = next(k for k in range(1, circles + 1) if k * k >= circles)
    return Score(sum_radii=Fraction(circles, 2 * side))


problem.draw(draw)
