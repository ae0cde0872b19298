"""Circles in the unit square, sum of radii as large as possible.

Evolve a construction (`centres`: where each circle goes, in a few lines that one can read), or a
whole search that takes some seconds (`search`; its seed presses packings tight by linear programs).
"""

from __future__ import annotations

from fractions import Fraction

from evaluators import Invalid, circle_packings
from evolve import Feature, Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle, Parameters, ProblemError

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
_TES = "github.com/wq-will/SimpleTES; after exact repair"
_TABLE = "Numaro's table for 33 to 42 circles"
_LARGER = {
    33: "2.9872850086", 36: "3.1210039084", 40: "3.2923915726", 41: "3.3346864337",
    42: "3.3769116039",
}  # fmt: skip
_LIST = "E. Friedman, Packing Center, as cited in arXiv 2506.13131"

LONGEST_S = 3600.0
_GRACE_S = 5.0
"""For starting, answering and decoding, beyond the time that a search is told it has."""
_SMALL_SHARE = 0.1
"""Of the time, for the five circles of the first stage."""


def _searches(parameters: Parameters) -> bool:
    return parameters["interface"] == "search"


def _limit(parameters: Parameters, share: float = 1.0) -> float:
    seconds = parameters["seconds"]
    assert isinstance(seconds, float)
    if not _searches(parameters):
        return 10.0 if share == 1.0 else 2.0
    if not 0.1 <= seconds <= LONGEST_S:
        raise ProblemError(f"seconds={seconds:g}: expected 0.1 to {LONGEST_S:g}")
    return _GRACE_S + share * seconds


def _small_limit(parameters: Parameters) -> float:
    return _limit(parameters, _SMALL_SHARE)


def _measurement(parameters: Parameters) -> str:
    if _searches(parameters):
        return (
            "One search with one seed, ended by the clock: on another seed, or a busier machine, "
            "the same program may come to another sum. Good programs differ in the third digit "
            "behind the point and later."
        )
    return (
        f"One instance, {parameters['circles']} circles. Nothing is drawn and nothing is timed: a "
        "program always gets the same score, and every difference is real."
    )


problem = Problem(
    name="circle_packing",
    statement="statement.md",
    contract=lambda parameters: f"contract_{parameters['interface']}.md",
    measurement=lambda parameters: _measurement(parameters),
    seeds=lambda parameters: (
        ["seed_search.py"] if _searches(parameters) else ["seed_centres.py", "seed_relaxed.py"]
    ),
    objective="max sum_radii",
    parameters={"circles": 26, "interface": ("centres", "search"), "seconds": 20.0},
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
        _record(26, "2.634292402", "OpenEvolve", "openevolve repository, README", "by 2026-11"),
        _record(26, "2.63598308", "ThetaEvolve", "github.com/ypwang61/ThetaEvolve", "by 2026-11"),
        _record(26, "2.635983084673", "SimpleTES", _TES, "by 2026-11"),
        _record(32, "2.936", "Friedman's list", _LIST, "2025"),
        _record(32, "2.937944526205", "AlphaEvolve", _V1, "2025-05"),
        _record(32, "2.939572771206", "AlphaEvolve, second version", _V2, "2025-11"),
        _record(32, "2.93957277099", "SimpleTES", _TES, "by 2026-11"),
        *(_record(count, value, "Numaro", _TABLE, "2026") for count, value in _LARGER.items()),
    ],
    known_bad=["known_bad/*.py"],
    requires=lambda parameters: ["numpy", "scipy"] if _searches(parameters) else [],
    preload=lambda parameters: ["numpy", "scipy.optimize"] if _searches(parameters) else [],
    primitives=["abs", "min", "max", "math.sqrt", "math.cos", "math.sin"],
    verifier="circle_packing",
    certify="best",
)  # fmt: skip


def judge(
    candidate: CandidateHandle, count: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """Asks for circles, shrinks what misses by rounding, and verifies the result exactly."""
    if not 1 <= count <= 200:
        raise ValueError(f"circles is {count}, expected 1 to 200")
    more = (seed, seconds) if interface == "search" else ()
    circles = candidate.call("circles", count, *more)
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


@problem.stage(timeout_s=_small_limit, memory_mb=1024)
def few(
    candidate: CandidateHandle, *, circles: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """Five circles: what fails there goes no further."""
    score = judge(candidate, min(5, circles), interface, seconds * _SMALL_SHARE, seed)
    if isinstance(score, Invalid):
        return score
    return Score(sum_radii=score.values["sum_radii"], features=score.features)


@problem.stage(timeout_s=_limit, memory_mb=1024)
def full(
    candidate: CandidateHandle, *, circles: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """The number of circles asked for."""
    return judge(candidate, circles, interface, seconds, seed)


@problem.test(timeout_s=_limit, memory_mb=1024)
def test(
    candidate: CandidateHandle, *, circles: int, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """The same again: of a construction nothing is drawn, a search gets another seed."""
    return judge(candidate, circles, interface, seconds, seed)


@problem.baseline("equal circles on a grid")
def grid(
    *, seed: int, split: SplitKind, circles: int, interface: str, seconds: float
) -> Score | Invalid:
    side = next(k for k in range(1, circles + 1) if k * k >= circles)
    return Score(sum_radii=Fraction(circles, 2 * side))


problem.draw(draw)
