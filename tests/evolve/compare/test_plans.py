"""What a plan may say, and how a wrong one is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evolve.compare import plan as plans
from evolve.compare.methods import NAMED, configured
from evolve.config import DEFAULT_PROPOSERS
from evolve.errors import UsageError
from evolve.proposers import REGISTRY
from islands_db.selection.policies import POLICIES


def test_every_policy_and_baseline_is_a_method() -> None:
    assert set(POLICIES) - {"mix"} <= set(NAMED)
    assert {"default", "greedy", "tree_only", "tuner_only", "llm_only"} <= set(NAMED)
    for name, method in NAMED.items():
        if not method.llm and set(method.proposers or {}) <= set(REGISTRY):
            proposers = configured(name, {}, (), where="here").proposers
            assert proposers == (method.proposers or DEFAULT_PROPOSERS)


def test_runs_differ_in_their_method_and_seed_alone(plan: Callable[..., Path]) -> None:
    comparison = plans.read(plan(methods='["default", "greedy"]'))
    assert len(comparison.cells) == 4
    files = [comparison.run_file(cell) for cell in comparison.cells]
    assert {f.seed for f in files} == {0, 1}
    assert all(f.deterministic and f.workers == 1 and f.lag == 1 for f in files)
    assert all(f.budget.evals == 25 and f.parameters == {"goal": 1000} for f in files)
    assert [f.islands.population for f in files] == [50, 1, 50, 1]
    assert [f.islands.inspirations for f in files] == [2, 0, 2, 0]


def test_a_problem_may_have_seeds_of_its_own(plan: Callable[..., Path]) -> None:
    problems = '["./toy", {problem = "./toy", name = "dear", seeds = [7, 5]}]'
    comparison = plans.read(plan(problems=problems, seeds="3", methods='["default", "greedy"]'))
    # one turn after another, so that what was cut off is balanced
    assert [(cell.problem, cell.seed) for cell in comparison.cells if cell.method == "greedy"] == [
        ("toy", 0), ("dear", 7), ("toy", 1), ("dear", 5), ("toy", 2),
    ]  # fmt: skip
    assert len(comparison.cells) == len({cell.path for cell in comparison.cells}) == 10


def test_a_method_of_the_file_starts_from_another(plan: Callable[..., Path]) -> None:
    own = '[method.wide]\nlike = "funsearch"\nislands = {count = 8}\nlag = 3\n'
    comparison = plans.read(plan(methods='["default", "wide"]', more=own))
    wide = comparison.methods["wide"]
    assert (wide.islands.policy, wide.islands.count, wide.lag) == ("funsearch", 8, 3)


def test_seconds_and_dollars_are_budgets_too(plan: Callable[..., Path]) -> None:
    comparison = plans.read(plan(budget="{seconds = 90}"))
    file = comparison.run_file(comparison.cells[0])
    assert (file.budget.minutes, file.budget.evals, file.deterministic) == (1.5, None, False)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"methods": '["default", "gredy"]'}, "did you mean 'greedy'"),
        ({"methods": '["default", "default"]'}, "named twice"),
        ({"methods": '["default"]'}, "length >= 2"),
        ({"methods": '["default", "../x"]'}, "names a folder"),
        ({"methods": '["default", "llm_only"]'}, "the file names none"),
        ({"seeds": "1"}, ">= 2"),
        ({"seeds": "[3, 3]"}, "toy: seeds: expected at least two, each different"),
        ({"seeds": "[3, -1]"}, "not below 0"),
        ({"seeds": "[]"}, "at least two"),
        ({"problems": '[{problem = "./toy", seeds = []}]'}, "toy: seeds: expected at least two"),
        ({"problems": '[{problem = "./toy", seeds = 201}]'}, "<= 200"),
        ({"budget": "{evals = 5, seconds = 2}"}, "expected one of"),
        ({"budget": "{}"}, "expected one of"),
        ({"budget": "{usd = 1}"}, "no method asks a model"),
        ({"budget": "{evals = 0}"}, ">= 1"),
        ({"budget": "{seconds = nan}"}, "seconds"),
        ({"budget": "{seconds = inf}"}, "a finite figure"),
        ({"problems": '[{problem = "./toy", target = nan}]'}, "not finite"),
        ({"budget": None}, "missing required field `budget`"),
        ({"alpha": "1.5"}, "< 1"),
        ({"reference": '"greedy"'}, "none of the methods"),
        ({"problems": '["./toy", "./toy"]'}, "two problems are called 'toy'"),
        ({"problems": "[]"}, "length >= 1"),
        ({"problems": '["./nowhere"]'}, "no problem.py there"),
        ({"problems": '["./toy"]', "measure": '"to_target"'}, "has no target"),
        ({"measure": '"best"'}, "measure"),
        ({"problem": '"toy"'}, "did you mean 'problems'"),
        (
            {"method": '{a = {like = "b"}, b = {like = "a"}}', "methods": '["a", "b"]'},
            "like itself",
        ),
        ({"method": "{a = {islands = {cuont = 2}}}", "methods": '["default", "a"]'}, "'count'"),
        ({"method": "{a = {}}"}, "is not among methods"),
        ({"method": "{a = {proposers = {tee = 1}}}", "methods": '["default", "a"]'}, "'tree'"),
        ({"method": "{a = {proposers = {}}}", "methods": '["default", "a"]'}, "above 0"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_in_one_line(
    keys: dict[str, str | None], complaint: str, plan: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError) as refused:
        plans.read(plan(**keys))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", [b"\xff", b"x = ", b"", b'"'])
def test_a_file_that_is_no_plan_is_refused_in_one_line(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_bytes(text)
    with pytest.raises(UsageError):
        plans.read(file)
    with pytest.raises(UsageError, match="cannot read"):
        plans.read(tmp_path / "missing.toml")
