"""A definition that cannot be meant is one line, before anything runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve import Feature, Problem, Record, Score
from evolve.definition import check
from evolve.errors import ProblemError

SOUND: dict[str, Any] = {
    "name": "toy",
    "statement": "statement.md",
    "seeds": ["seed.py"],
    "objective": "max size",
    "parameters": {"n": 3, "ring": ("Z", "GF2")},
    "shorthand": "{n}",
    "features": [Feature(name="spread", low=0.0, high=1.0)],
    "records": [Record(value=9, who="Doe", source="a paper", when={"n": 3})],
}


@pytest.fixture
def defined(tmp_path: Path) -> Callable[..., Problem]:
    (tmp_path / "statement.md").write_text("What is asked.")

    def define(**arguments: Any) -> Problem:
        problem = Problem(**{**SOUND, **arguments})
        problem.folder = tmp_path
        return problem

    return define


def stage(candidate: Any, *, n: int, seed: int) -> Score:
    return Score(size=n + seed)


def test_a_sound_definition_passes(defined: Callable[..., Problem]) -> None:
    problem = defined()
    problem.stage(timeout_s=lambda parameters: parameters["n"])(stage)
    problem.validation()(stage)
    problem.test()(stage)
    check(problem)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": "my toy"}, "'my toy' is not an identifier"),
        ({"name": 3}, "3 is not an identifier"),
        ({"seeds": "seed.py"}, "seeds = 'seed.py': expected a list of texts"),
        ({"requires": "numpy"}, "requires = 'numpy': expected a list of texts"),
        ({"statement": None}, "statement = None: expected text"),
        ({"statement": "none.md"}, "none.md: No such file or directory"),
        ({"contract": 3}, "contract = 3: expected text or a function"),
        ({"driver": ["driver.py"]}, "driver = ['driver.py']: expected text"),
        ({"known_bad": ["/etc/*.py"]}, "expected patterns of files below the problem's folder"),
        ({"certify": "all"}, "certify = 'all': expected 'test' or 'best'"),
        ({"objective": 3}, "objective = 3: expected 'min NAME'"),
        ({"objective": []}, "no objective"),
        ({"objective": ["max size", "min size"]}, "two objectives are named 'size'"),
        ({"objective": "max features"}, "Score's 'features' is something else"),
        ({"parameters": ["n"]}, "parameters is list, expected a dict"),
        ({"parameters": {"seed": 3}}, "parameter 'seed': every stage has its own"),
        ({"parameters": {"n": [3, 4]}}, "a tuple of them as choices"),
        ({"parameters": {"n": ()}}, "parameter 'n' has no choices"),
        ({"shorthand": "{m}"}, "no parameter 'm'; it has: n, ring"),
        ({"shorthand": "{n}x{n}"}, "fills 'n' twice"),
        ({"features": ["spread"]}, "expected a list of Feature(...)"),
        ({"features": [Feature(name="a", low=1, high=0)]}, "low = 1 is not below high = 0"),
        ({"features": [Feature(name="a", low=-1e308, high=1e308)]}, "a finite way apart"),
        ({"features": [Feature(name="a", low=0, high=1, cells=2**60)]}, "cells together"),
        ({"features": [Feature(name="a", low=0, high=1, cells=0)]}, "cells = 0: expected an int"),
        ({"features": [Feature(name="a", low=0, high=float("inf"))]}, "high = inf: expected a fin"),
        ({"records": [Record(value="9", who="Doe", source="")]}, "'9': expected a finite number"),  # type: ignore[arg-type]
        (
            {"records": [Record(value=9, who="Doe", source="", objective="sise")]},
            "expected one of size",
        ),
        ({"records": [Record(value=9, who="Doe", source="", when={"m": 3})]}, "no parameter"),
    ],
)
def test_an_argument_that_cannot_be_meant(
    defined: Callable[..., Problem], arguments: dict[str, Any], expected: str
) -> None:
    problem = defined(**{"records": (), **arguments})
    problem.stage()(lambda candidate: Score(size=1))
    with pytest.raises(ProblemError) as raised:
        check(problem)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"timeout_s": 0}, "timeout_s = 0, expected seconds above 0"),
        ({"timeout_s": "2"}, "timeout_s = '2', expected seconds above 0"),
        ({"timeout_s": float("nan")}, "timeout_s = nan, expected"),
        ({"memory_mb": 0.5}, "memory_mb = 0.5, expected an integer from 1"),
        ({"cores": 0}, "cores = 0, expected an integer from 1"),
        ({"pass_mark": "3"}, "pass_mark = '3', expected a number"),
    ],
)
def test_a_limit_that_is_none(
    defined: Callable[..., Problem], options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ProblemError, match="stage 'stage': ") as raised:
        defined().stage(**options)(stage)
    assert expected in str(raised.value)


def test_a_limit_whose_function_fails_or_gives_none(defined: Callable[..., Problem]) -> None:
    for limit, expected in ((lambda p: p["m"], "KeyError: 'm'"), (lambda p: -1, "expected sec")):
        problem = defined()
        problem.stage(timeout_s=limit)(stage)
        with pytest.raises(ProblemError, match=expected):
            problem.settle({"n": 3})


def test_decorators_that_are_not_called(defined: Callable[..., Problem]) -> None:
    problem: Any = defined()
    for decorate in (problem.stage, problem.validation, problem.test):
        with pytest.raises(ProblemError, match="with parentheses"):
            decorate(stage)
    with pytest.raises(ProblemError, match=r'write @problem.baseline\("NAME"\)'):
        problem.baseline(stage)


def test_what_a_stage_may_ask_for(defined: Callable[..., Problem]) -> None:
    def misspelt(candidate: Any, *, m: int) -> Score: ...
    def without(*, n: int) -> Score: ...
    def anything(candidate: Any, **parameters: Any) -> Score: ...
    def defaulted(candidate: Any, m: int = 3) -> Score: ...
    async def later(candidate: Any) -> Score: ...

    @functools.wraps(stage)
    def around(*args: Any, **keywords: Any) -> Score:
        return stage(*args, **keywords)

    for function, expected in (
        (misspelt, "stage 'misspelt' asks for 'm'; stages are given by name: seed, n"),
        (without, "stage 'without' takes no candidate"),
    ):
        problem = defined()
        problem.stage()(function)
        with pytest.raises(ProblemError, match=expected):
            check(problem)
    for function in (anything, defaulted, around):
        problem = defined()
        problem.stage()(function)
        check(problem)
    assert problem.stages[0].takes("n")
    assert not problem.stages[0].takes("ring")
    with pytest.raises(ProblemError, match="stage 'later': expected a plain function"):
        defined().stage()(later)
    problem = defined()
    problem.test()(stage)
    with pytest.raises(ProblemError, match="two functions are"):
        problem.test()


def test_two_stages_of_one_name(defined: Callable[..., Problem]) -> None:
    problem = defined()
    problem.stage()(stage)
    problem.stage()(stage)
    with pytest.raises(ProblemError, match="two stages are named 'stage'"):
        check(problem)
