"""Scores by test case: from a stage to the parents that are drawn by them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from struct import pack, unpack

import pytest

from evolve.evaluation import judge
from evolve.loading import load
from evolve.messages import Judged
from evolve.problem import SplitKind
from evolve.scores import MOST_CASES, Score
from evolve.worker import open_sandbox
from islands_db import Status, Store

from .conftest import Evolve

GIVEN = "return Score(distance=abs(found - goal))"


def judged(folder: Path, text: str) -> Judged:
    task = load(str(folder), {})
    with open_sandbox(task) as sandbox:
        files = {"program.py": text}
        return judge(task, sandbox, files, split=SplitKind.TRAINING, seed=1)


@pytest.fixture
def by_digit(variant: Callable[..., Path]) -> Path:
    """The toy problem, with a case for each digit of the goal."""
    cases = """digits = zip(f"{int(found) % 10**4:04}", f"{int(goal):04}", strict=True)
    return Score(distance=abs(found - goal), cases=[abs(int(a) - int(b)) for a, b in digits])"""
    return variant("toy", (GIVEN, cases))


def test_cases_are_kept_in_the_objective_s_own_direction(by_digit: Path) -> None:
    found = judged(by_digit, "def answer(): return 230")
    assert found.fitness == -770
    assert found.cases == pack("<4f", -1, -2, -3, 0)  # the goal is 1000, and less is better


def test_a_program_that_fails_has_no_cases(by_digit: Path) -> None:
    assert judged(by_digit, "def answer(): return 'x'").cases == b""


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ("[float('nan')]", Status.EVALUATOR_ERROR, "'cases' is nan, expected a finite number"),
        ("[True]", Status.EVALUATOR_ERROR, "'cases' is bool"),
        (f"[0] * {MOST_CASES + 1}", Status.EVALUATOR_ERROR, "means of groups"),
        ("iter(int, 1)", Status.EVALUATOR_ERROR, "means of groups"),
        ("{0: 1.0}", Status.EVALUATOR_ERROR, "'cases' is dict, expected a list of numbers"),
        ("{1, 2}", Status.EVALUATOR_ERROR, "'cases' is set"),
        ("'12'", Status.EVALUATOR_ERROR, "'cases' is str"),
        ("__import__('numpy').ones((2, 1))", Status.EVALUATOR_ERROR, "'cases' is ndarray"),
        ("7", Status.EVALUATOR_ERROR, "not iterable"),
    ],
)
def test_cases_that_cannot_be_kept(
    given: str, status: Status, said: str, variant: Callable[..., Path]
) -> None:
    folder = variant("toy", (GIVEN, f"return Score(distance=abs(found - goal), cases={given})"))
    found = judged(folder, "def answer(): return 1")
    assert (found.verdicts[-1].status, found.fitness, found.cases) == (status, None, b"")
    assert said in found.verdicts[-1].reason


def test_a_case_beyond_a_float_is_the_largest(variant: Callable[..., Path]) -> None:
    cases = "[10.0 ** 39, -(10 ** 400), Fraction(1, 3), __import__('numpy').float32(2.5)]"
    given = f"from fractions import Fraction\n    return Score(distance=1, cases={cases})"
    largest = 3.4028234663852886e38
    found = judged(variant("toy", (GIVEN, given)), "def answer(): return 1")
    assert found.verdicts[-1].status is Status.OK
    assert found.cases == pack("<4f", -largest, largest, -1 / 3, -2.5)


def test_an_objective_cannot_be_called_cases() -> None:
    with pytest.raises(TypeError):
        Score(cases=3)  # type: ignore[arg-type]


def test_a_run_keeps_them_and_goes_on_from_them(evolve: Evolve, by_digit: Path) -> None:
    run = evolve("run", by_digit, "--evals", 60, "--seed", 5, "--name", "mine", "--json")
    assert run.code == 0, run.err
    path = evolve.folder / "runs" / "mine" / "run.db"
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT p.fitness, c.scores FROM programs p LEFT JOIN cases c ON c.program = p.id"
        ).fetchall()
    assert len(rows) > 20
    for fitness, scores in rows:
        assert (scores is None) == (fitness is None)
        if scores is not None:
            assert all(score <= 0 for score in unpack("<4f", scores))
    store = Store.open(path)
    members = store._state.islands.all[0].population.columns
    assert all(len(one) == 16 for one in members.cases)
    drawn = [store.sample(n, random.Random(n), proposer="tree") for n in range(20)]
    store.close()
    store = Store.open(path)
    assert [store.sample(n, random.Random(n), proposer="tree") for n in range(20)] == drawn
    store.close()
