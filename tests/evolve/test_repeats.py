"""Repeated measurement of noisy scores, and the race against the parent."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from evolve.evaluation import judge
from evolve.loading import load
from evolve.messages import Judged
from evolve.problem import Problem, ProblemError, Score, SplitKind, Stage
from evolve.repeats import behind, mean_score
from evolve.worker import open_sandbox
from islands_db import Status

SEED = "def answer(): return 3 * 7"


def test_a_race_needs_two_measurements_and_a_clear_gap() -> None:
    assert not behind([0.0], 100.0)
    assert behind([0.0, 0.0], 0.1)
    assert not behind([0.0, 10.0], 14.0)  # 5 + 2 * 5
    assert behind([0.0, 10.0], 15.1)
    assert not behind([0.0, 0.0], None)
    assert not behind([3.0, 3.0], 3.0)


def test_means_are_exact_where_nothing_is_a_float() -> None:
    scores = [Score(points=1, extra=Fraction(1, 3)), Score(points=2, extra=1, feedback="no")]
    mean = mean_score(scores, "points")
    assert mean.values["points"] == Fraction(3, 2)
    assert mean.values["extra"] == Fraction(2, 3)
    assert mean.values["measurements"] == 2
    assert mean.values["standard_error"] == 0.5
    assert mean.feedback == ""
    assert mean_score(
        [Score(points=1, cases=[1, 0.5]), Score(points=2, cases=[2, 1])], "points"
    ).cases == (Fraction(3, 2), 0.75)
    assert mean_score([Score(points=1, cases=[1]), Score(points=2, cases=[])], "points").cases == ()
    assert mean_score([Score(points=7)], "points").values == {"points": 7, "measurements": 1}


FOUR_TIMES = (
    "@problem.stage(timeout_s=2.0, memory_mb=256)\ndef close",
    """MEASURED = []


@problem.stage(timeout_s=2.0, memory_mb=256, repeats=4)
def close""",
)


@pytest.fixture
def noisy(variant: Callable[..., Path]) -> Path:
    """The toy problem with a stage whose measurements go 10, 20, 30, ... above the truth."""
    drifting = """MEASURED.append(1)
    return Score(distance=abs(found - goal) + 10 * len(MEASURED))"""
    return variant("toy", FOUR_TIMES, ("return Score(distance=abs(found - goal))", drifting))


def judged(folder: Path, mark: float | None = None, mark_at: int = 0) -> Judged:
    task = load(str(folder), {})
    with open_sandbox(task) as sandbox:
        files = {"program.py": SEED}
        return judge(
            task, sandbox, files, split=SplitKind.TRAINING, seed=1, mark=mark, mark_at=mark_at
        )


def test_a_stage_measures_as_often_as_it_says_and_the_mean_counts(noisy: Path) -> None:
    verdict = judged(noisy).verdicts[0]
    assert verdict.values["measurements"] == 4
    assert verdict.exact["distance"] == "1004"  # 979 and the mean of 10, 20, 30, 40
    assert verdict.fitness == -1004
    assert verdict.values["standard_error"] == pytest.approx(6.455, abs=1e-3)


@pytest.mark.parametrize("each", ["1.7e308", "1.7e308 * (-1) ** len(MEASURED)"])
def test_measurements_too_large_for_a_mean_are_no_score(
    each: str, variant: Callable[..., Path]
) -> None:
    huge = f"MEASURED.append(1)\n    return Score(distance={each})"
    folder = variant("toy", FOUR_TIMES, ("return Score(distance=abs(found - goal))", huge))
    verdict = judged(folder).verdicts[0]
    assert (verdict.status, verdict.fitness, verdict.values) == (Status.INVALID, None, {})
    assert "too large for a mean" in verdict.reason


def test_a_program_clearly_behind_its_parent_is_measured_no_further(noisy: Path) -> None:
    assert judged(noisy, mark=-900.0).verdicts[0].values["measurements"] == 2
    assert judged(noisy, mark=-990.0).verdicts[0].values["measurements"] == 4
    # the parent's value is of another stage
    assert judged(noisy, mark=-900.0, mark_at=1).verdicts[0].values["measurements"] == 4


def test_a_failure_in_a_later_measurement_is_the_result(variant: Callable[..., Path]) -> None:
    failing = """MEASURED.append(1)
    found = candidate.call("answer" if len(MEASURED) < 3 else "nothing")"""
    folder = variant("toy", FOUR_TIMES, ('found = candidate.call("answer")', failing))
    found = judged(folder)
    assert found.fitness is None
    assert found.verdicts[0].status is not Status.OK
    assert found.stopped


@pytest.mark.parametrize("repeats", [0, -1, 1.5, True])
def test_impossible_repeats_are_refused(repeats: int) -> None:
    problem = Problem(name="a", statement="s", seeds=["s"], objective="min x")
    with pytest.raises(ProblemError, match="expected an integer from 1"):
        problem.stage(repeats=repeats)(lambda candidate: Score(x=1))
    assert Stage(name="a", function=lambda candidate: Score(x=1)).repeats == 1
