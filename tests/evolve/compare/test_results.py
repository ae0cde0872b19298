"""What a comparison says of traces whose truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from evolve.compare import Trace, evaluated, hopeless, showing
from evolve.compare import plan as plans
from evolve.compare.curves import area, measured, value_at
from evolve.compare.plan import Measure

Traces = Callable[..., list[Trace]]


def chance(method: str, problem: str, seed: int) -> float:
    return 500 + random.Random(f"{method} {problem} {seed}").gauss(0, 50)


@pytest.fixture
def twenty(plan: Callable[..., Path]) -> plans.Comparison:
    methods = '["default", "best_of_n", "greedy", "random_walk"]'
    return plans.read(plan(methods=methods, seeds="20", measure='"final"'))


def test_a_real_difference_is_found_and_named(twenty: plans.Comparison, traces: Traces) -> None:
    def value(method: str, problem: str, seed: int) -> float:
        shift = {"best_of_n": 120, "greedy": -120}.get(method, 0)
        return chance(method, problem, seed) + shift

    results = evaluated(twenty, traces(twenty, value))
    outcomes = {test.method: test.outcome(results.alpha) for test in results.tests}
    assert outcomes == {"best_of_n": "better", "greedy": "worse", "random_walk": "undecided"}
    text = "\n".join(results.sentences)
    assert "default against best_of_n: significantly better on toy" in text
    assert "default against greedy: significantly worse on toy" in text
    assert "default against random_walk: undecided everywhere" in text
    assert "nothing is significant" not in text
    assert results.overall == ()
    assert "on average" not in text
    assert results.control is not None
    assert results.control["holds"]


def test_over_several_problems_there_is_a_mean_with_its_interval(
    plan: Callable[..., Path], traces: Traces
) -> None:
    problems = '[{problem = "./toy", target = 900}, {problem = "./toy", name = "again"}]'
    methods = '["default", "best_of_n", "greedy"]'
    comparison = plans.read(plan(problems=problems, methods=methods, seeds="20", measure='"final"'))

    def value(method: str, problem: str, seed: int) -> float:
        if method == "best_of_n":  # far behind on one, far ahead on the other
            return chance(method, problem, seed) + (300 if problem == "toy" else -300)
        return chance(method, problem, seed) + 300 * (method == "greedy")

    results = evaluated(comparison, traces(comparison, value))
    torn, behind = results.overall
    assert (torn.method, behind.method) == ("best_of_n", "greedy")
    assert torn.low <= torn.ahead <= torn.high
    assert torn.ahead == pytest.approx(0.5, abs=0.02)
    assert 0.95 < behind.low <= behind.ahead <= behind.high <= 1
    line = next(said for said in results.sentences if "against greedy" in said)
    assert line.startswith("default against greedy: significantly better on toy, again; ahead ")
    short = traces(comparison, value)[1:]
    assert evaluated(comparison, short).overall == ()


def test_where_there_is_nothing_it_says_so(twenty: plans.Comparison, traces: Traces) -> None:
    results = evaluated(twenty, traces(twenty, chance))
    assert any(line.startswith("nothing is significant") for line in results.sentences)
    assert all(test.adjusted > 0.05 for test in results.tests)
    everywhere = evaluated(twenty, traces(twenty, lambda *_: 3.0))
    assert all(test.p == 1 for test in everywhere.tests)
    assert any(line.startswith("nothing is significant") for line in everywhere.sentences)


def test_the_same_traces_give_the_same_results_in_any_order(
    twenty: plans.Comparison, traces: Traces
) -> None:
    found = traces(twenty, chance)
    assert evaluated(twenty, found) == evaluated(twenty, found[::-1])


def test_nothing_is_tested_before_every_run_has_its_result(
    twenty: plans.Comparison, traces: Traces
) -> None:
    found = traces(twenty, chance)
    found[7] = Trace(method=found[7].method, problem="toy", seed=found[7].seed, fault="broke")
    results = evaluated(twenty, found)
    assert not results.tests
    assert results.control is None
    assert results.sentences == ("not tested: 1 of 80 runs have no result yet",)
    assert results.faults == (f"{found[7].method} on toy, seed {found[7].seed}: broke",)
    assert evaluated(twenty, []).runs == 0


def test_maximised_objectives_keep_their_sign(
    plan: Callable[..., Path], toy: Path, traces: Traces
) -> None:
    text = (toy / "problem.py").read_text().replace("min distance", "max distance")
    (toy / "problem.py").write_text(text)
    comparison = plans.read(plan(seeds="20", measure='"area"'))
    grown = traces(comparison, lambda method, *_: 2000.0 if method == "default" else 1000.0)
    results = evaluated(comparison, grown)
    line = results.lines[0]
    assert (line.method, line.final.median) == ("default", 2000.0)
    assert line.area.median == pytest.approx((5 * 979 + 20 * 2000) / 25)
    assert [test.outcome(0.05) for test in results.tests] == ["better"]
    assert results.tests[0].ahead == 1.0
    assert line.reached == 20  # 979 is above the target of 900 at once
    assert line.to_target is not None
    assert line.to_target.median == 1


def test_a_run_without_a_value_is_behind_every_other(
    twenty: plans.Comparison, traces: Traces
) -> None:
    found = [
        trace if trace.method == "default" else msgspec.structs.replace(trace, final=None, steps=[])
        for trace in traces(twenty, lambda *_: 1e12)
    ]
    results = evaluated(twenty, found)
    assert {test.outcome(0.05) for test in results.tests} == {"better"}
    other = next(line for line in results.lines if line.method == "greedy")
    assert (other.final.median, other.area.median, other.reached) == (None, None, 0)
    assert "none" in "\n".join(showing.shown(results))


def test_the_area_is_the_mean_of_the_steps() -> None:
    steps = [(1.0, 10.0), (4.0, 6.0), (9.0, 0.0)]
    assert area(steps, 10) == pytest.approx((4 * 10 + 5 * 6 + 1 * 0) / 10)
    assert area(steps, 4) == 10
    assert area([(7.0, 3.0)], 5) == 3
    assert [value_at(steps, at) for at in (0.5, 1, 8, 9)] == [None, 10, 6, 0]


def test_what_was_reached_beyond_the_budget_does_not_count(
    twenty: plans.Comparison,
) -> None:
    late = Trace(method="default", problem="toy", seed=0, steps=[(1.0, 979.0), (26.0, 5.0)])
    assert measured(late, twenty, Measure.TO_TARGET) == math.inf


def test_names_from_a_plan_cannot_command_the_terminal(
    twenty: plans.Comparison, traces: Traces
) -> None:
    found = traces(twenty, chance)
    found[0] = msgspec.structs.replace(found[0], fault="\x1b[2Jgone")
    assert "\x1b" not in "\n".join(showing.shown(evaluated(twenty, found)))
    assert "\x1b" not in showing.progress(1, 80, found[0], 2.0)


@pytest.mark.parametrize("measure", ["final", "area", "to_target"])
def test_a_table_leaves_out_what_is_empty_or_has_no_room(
    plan: Callable[..., Path], traces: Traces, measure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"measure": f'"{measure}"', "seeds": "20"}
    methods = ["default", "best_of_n", "a" * 40]
    given["methods"] = str(methods)
    more = f'[method.{methods[2]}]\nlike = "greedy"\n'
    targeted = plans.read(plan(more=more, **given))
    results = evaluated(targeted, traces(targeted, chance))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    lines = showing.shown(results)
    assert max(len(line) for text in lines for line in text.splitlines()) <= 80
    assert measure.replace("_", " ") in lines[1]
    assert any(line.startswith("no room for") for line in lines)
    assert all(f"{test.adjusted:.2g}" in "\n".join(lines) for test in results.tests)
    monkeypatch.setenv("COLUMNS", "200")
    lines = showing.shown(results)
    assert lines[1].split() == ["reached", "to", "target", "area", "final", "ahead", "p"]
    assert lines[2].count("[") == 2  # all came to the target at the same evaluation
    assert not any(line.startswith("no room for") for line in lines)
    if measure != "to_target":
        without = plans.read(plan(more=more, **given, problems='["./toy"]'))
        lines = showing.shown(evaluated(without, traces(without, chance)))
        assert lines[1].split() == ["area", "final", "ahead", "p"]


def test_problems_with_seeds_of_their_own_are_tested_on_all_of_them(
    plan: Callable[..., Path], traces: Traces
) -> None:
    problems = '["./toy", {problem = "./toy", name = "dear", seeds = 2}]'
    comparison = plans.read(plan(problems=problems, seeds="8", measure='"final"'))
    assert hopeless(comparison) == ""  # the one with eight can show something
    apart = traces(comparison, lambda method, _, seed: seed + (0 if method == "default" else 500))
    results = evaluated(comparison, apart)
    assert {line.problem: line.runs for line in results.lines} == {"toy": 8, "dear": 2}
    found = {test.problem: (test.p, test.outcome(results.alpha)) for test in results.tests}
    assert found["toy"] == (pytest.approx(2 / math.comb(16, 8)), "better")
    assert found["dear"] == (pytest.approx(2 / math.comb(4, 2)), "undecided")
    lines = showing.shown(results)
    assert lines[0] == "toy, 8 seeds"
    assert "dear, 2 seeds" in lines
    assert "20 of 20 runs, each of 25 evaluations, 2 to 8 seeds" in "\n".join(lines)


@pytest.mark.parametrize(
    ("seeds", "methods", "alpha", "said"),
    [
        ("3", 2, "0.05", "with 3 seeds no p is below 0.1, corrected over 1 test 0.1, and alpha"),
        (
            "2",
            3,
            "0.05",
            "below 0.33, corrected over 2 tests 0.67, and alpha is 0.05; take 5 seeds",
        ),
        ("3", 2, "0.1", ""),
        ("4", 2, "0.05", ""),
        ("4", 3, "0.05", "take 5 seeds or more"),
        ("[5, 9]", 2, "0.4", ""),
    ],
)
def test_a_plan_that_can_find_nothing_is_told_from_one_that_can(
    plan: Callable[..., Path], traces: Traces, seeds: str, methods: int, alpha: str, said: str
) -> None:
    names = str(["default", "best_of_n", "greedy"][:methods])
    comparison = plans.read(plan(seeds=seeds, methods=names, alpha=alpha))
    note = hopeless(comparison)
    assert said in note if said else note == ""
    apart = traces(comparison, lambda method, _, seed: seed + (0 if method == "default" else 500))
    significant = [t for t in evaluated(comparison, apart).tests if t.adjusted <= float(alpha)]
    assert bool(significant) == (note == "")
