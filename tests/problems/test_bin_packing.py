"""Online bin packing: seeds, stages, certificates, cheats."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluators import Invalid
from evaluators import bin_packing as packing
from evaluators.bin_packing import check
from evaluators.bin_packing_instances import distributions, draw, names
from evolve import Score, SplitKind
from evolve.evaluation import judge
from evolve.loading import BUILT_IN, load
from evolve.problem import ProblemError
from islands_db.records import Status
from problems.bin_packing.asked import pairs

SEEDS = {"table": "seed_table.py", "bins": "seed_bins.py"}


def stage_of(task, split):
    problem = task.problem
    stages = {
        SplitKind.TRAINING: problem.stages[0],
        SplitKind.VALIDATION: problem.validation_stage,
        SplitKind.TEST: problem.test_stage,
    }
    return stages[split].function


def evaluate(
    task,
    handle,
    split=SplitKind.TRAINING,
    *,
    distribution="or3",
    interface="table",
    instances="drawn",
    seed=11,
):
    given = {"distribution": distribution, "interface": interface, "seed": seed}
    if split is SplitKind.TEST:
        given["instances"] = instances
    return stage_of(task, split)(handle, **given)


def baseline(task, name, split, **parameters):
    (found,) = [b for b in task.problem.baselines if b.name == name]
    return found.function(split=split, **parameters).values["excess_percent"]


@pytest.mark.parametrize("distribution", names())
@pytest.mark.parametrize("split", list(SplitKind))
def test_the_seed_of_the_table_interface_is_best_fit(bin_packing, candidate, distribution, split):
    score = evaluate(bin_packing, candidate("seed_table.py"), split, distribution=distribution)
    expected = baseline(
        bin_packing,
        "best fit",
        split,
        distribution=distribution,
        interface="table",
        instances="drawn",
        seed=11,
    )
    assert score.values["excess_percent"] == expected
    assert score.features["early"] == 0


@pytest.mark.parametrize("split", [SplitKind.TRAINING, SplitKind.VALIDATION])
@pytest.mark.parametrize("distribution", ["or1", "or3"])
def test_the_seed_of_the_bins_interface_is_best_fit(bin_packing, candidate, split, distribution):
    score = evaluate(
        bin_packing,
        candidate("seed_bins.py"),
        split,
        distribution=distribution,
        interface="bins",
    )
    expected = baseline(
        bin_packing,
        "best fit",
        split,
        distribution=distribution,
        interface="bins",
        instances="drawn",
        seed=11,
    )
    assert score.values["excess_percent"] == expected


def test_the_parameter_chooses_the_seed(bin_packing):
    for interface, seed in SEEDS.items():
        parameters = bin_packing.problem.resolve("or1", {"interface": interface})
        assert bin_packing.problem.seed_files(parameters) == [seed]


def test_first_fit_is_worse_than_best_fit(bin_packing):
    for distribution in names():
        for split in SplitKind:
            given = {
                "distribution": distribution,
                "interface": "table",
                "instances": "drawn",
                "seed": 5,
            }
            first = baseline(bin_packing, "first fit", split, **given)
            assert first > baseline(bin_packing, "best fit", split, **given)


@pytest.fixture
def own_instances(monkeypatch, tmp_path):
    """Three short instances of one's own in the place of the published or3."""
    rows = [{"capacity": 150, "items": items.tolist()} for items in draw("or1", 3, 77)]
    (tmp_path / "orlib_binpack3_OR3_u500.json").write_text(json.dumps({"instances": rows}))
    monkeypatch.setenv("EVOLVE_PUBLISHED", str(tmp_path))


def test_a_test_score_comes_with_a_certificate_of_the_same_value(bin_packing, candidate):
    handle = candidate("seed_table.py")
    score = evaluate(bin_packing, handle, SplitKind.TEST)
    verdict = check(json.loads(json.dumps(score.artifact)))
    assert verdict.value == score.values["excess_percent"]
    assert (verdict.metrics["drawn"], verdict.metrics["online"]) == (1, 1)
    for split in (SplitKind.TRAINING, SplitKind.VALIDATION):
        assert evaluate(bin_packing, handle, split).artifact is None


@pytest.mark.usefixtures("own_instances")
@pytest.mark.parametrize("interface", SEEDS)
def test_own_instances_can_take_the_place_of_the_published_ones(bin_packing, candidate, interface):
    score = evaluate(
        bin_packing,
        candidate(SEEDS[interface]),
        SplitKind.TEST,
        interface=interface,
        instances="published",
    )
    assert score.values["instances"] == 3
    verdict = check(json.loads(json.dumps(score.artifact)))
    assert verdict.value == score.values["excess_percent"]
    assert (verdict.metrics["drawn"], verdict.metrics["published"]) == (0, 0)
    assert verdict.metrics["online"] == (interface == "table")


def test_a_score_is_the_same_every_time_and_another_seed_draws_other_instances(
    bin_packing, candidate
):
    handle = candidate("seed_table.py")
    first, again = evaluate(bin_packing, handle), evaluate(bin_packing, handle)
    assert (first.values, first.features) == (again.values, again.features)
    assert evaluate(bin_packing, handle, seed=12).values != first.values


def known_bad():
    return sorted(path.stem for path in (BUILT_IN / "bin_packing" / "known_bad").glob("*.py"))


@pytest.mark.parametrize("interface", SEEDS)
@pytest.mark.parametrize("name", known_bad())
def test_known_bad_programs_get_no_score(bin_packing, bin_packing_sandbox, name, interface):
    task = load("bin_packing", {"interface": interface})
    # an endless loop need not be watched for the full five seconds
    task.problem.stages[0] = replace(task.problem.stages[0], timeout_s=1.0)
    files = dict(task.program(f"known_bad/{name}.py").files)
    judged = judge(task, bin_packing_sandbox, files, split=SplitKind.TRAINING, seed=11)
    (verdict,) = judged.verdicts
    assert verdict.status not in (Status.OK, Status.EVALUATOR_ERROR)
    assert verdict.reason
    assert judged.fitness is None


def test_there_are_known_bad_programs_of_many_kinds():
    assert len(known_bad()) >= 8


def test_looking_ahead_pays_unless_it_is_caught(bin_packing, candidate):
    """Driven beside the items, the cheat is better than best fit; the audit turns it away."""
    module = sys.modules[bin_packing.problem.stages[0].function.__module__]
    instances = draw("weibull5k", 2, 11)
    handle = candidate("known_bad/looks_ahead.py")
    packings = module.driven(handle, "weibull5k", instances)
    cheated = module.score_packings("weibull5k", instances, packings, seed=11)
    honest = evaluate(
        bin_packing, candidate("seed_bins.py"), distribution="weibull5k", interface="bins"
    )
    assert cheated.values["excess_percent"] < honest.values["excess_percent"]
    verdict = module.audit(handle, "weibull5k", instances, packings, 11)
    assert "had not seen the items to come" in verdict.reason


def test_step_by_step_there_is_nothing_to_look_ahead_at(bin_packing, candidate):
    """In validation the same cheat finds no future and packs as best fit, its fallback."""
    given = {"distribution": "or1", "interface": "bins"}
    cheat = evaluate(
        bin_packing, candidate("known_bad/looks_ahead.py"), SplitKind.VALIDATION, **given
    )
    honest = evaluate(bin_packing, candidate("seed_bins.py"), SplitKind.VALIDATION, **given)
    assert cheat.values == honest.values


def test_the_table_is_asked_in_another_order_for_another_seed(bin_packing, candidate):
    """Every pair that can occur is asked, a tenth of them twice; nothing else ever reaches the
    candidate."""
    seen = []

    behaviours: set[bytes] = set()

    class Recorder:
        def drive(self, name, *args):
            seen.append((name, *(arg.tolist() for arg in args)))
            return candidate("seed_table.py").drive(name, *args)

        def behaves_as(self, behaviour):
            behaviours.add(behaviour)

    for seed in (1, 2):
        evaluate(bin_packing, Recorder(), seed=seed)
    (name, items, spaces), (_, other_items, _) = seen
    assert len(behaviours) == 1
    assert name == "answers"
    assert items != other_items
    pairs = list(zip(items, spaces, strict=True))
    assert set(pairs) == {(i, r) for i in range(20, 101) for r in (*range(i, 131), 150)}
    assert len(pairs) - len(set(pairs)) >= len(set(pairs)) // 10


@pytest.mark.parametrize("distribution", ["weibull5k", "or1"])
def test_no_packing_ever_needs_what_is_not_asked(distribution):
    """By the rules of packing itself, best fit and first fit and one without sense."""
    asked = pairs(distribution)
    known = set(zip(asked.items.tolist(), asked.spaces.tolist(), strict=True))
    rng = np.random.default_rng(5)
    senseless = rng.integers(0, 50, (asked.capacity + 1, asked.capacity + 1)).astype(np.int16)
    for items in (drawn[:300] for drawn in draw(distribution, 4, 77)):
        for bins in (
            packing.best_fit(items, asked.capacity),
            packing.first_fit(items, asked.capacity),
            *packing.pack_table(senseless, [items], asked.capacity),
        ):
            left = dict.fromkeys(bins.tolist(), asked.capacity)
            for item, chosen in zip(items.tolist(), bins.tolist(), strict=True):
                assert all((item, space) in known for space in left.values() if space >= item)
                left[chosen] -= item


class Scripted:
    """A sandbox process that a candidate has taken over: it answers what it likes."""

    def __init__(self, *answers):
        self._answers = list(answers)

    def drive(self, name, *args):
        return self._answers.pop(0)

    def behaves_as(self, behaviour):
        assert isinstance(behaviour, bytes)

    @contextmanager
    def fresh(self):
        yield self


class Answering:
    """An honest process with a function of item and remaining."""

    def __init__(self, priority):
        self._priority = priority

    def drive(self, name, items, remaining):
        pairs = zip(items.tolist(), remaining.tolist(), strict=True)
        return np.array([self._priority(*pair) for pair in pairs], dtype=np.float64)

    def behaves_as(self, behaviour):
        assert isinstance(behaviour, bytes)


def test_instances_from_a_file_may_hold_sizes_that_are_never_drawn(
    bin_packing, monkeypatch, tmp_path
):
    """The program is asked for them too: small items go to new bins here, as it wants it."""
    items = [3, 60, 140, 5, 101, 40, 10, 3, 49, 150, 19, 90]
    content = {"instances": [{"capacity": 150, "items": items}]}
    (tmp_path / "orlib_binpack1_OR1_u120.json").write_text(json.dumps(content))
    monkeypatch.setenv("EVOLVE_PUBLISHED", str(tmp_path))

    def wasteful(item, remaining):
        return float(remaining == 150) if item < 20 else -float(remaining)

    own = {"distribution": "or1", "instances": "published"}
    score = evaluate(bin_packing, Answering(wasteful), SplitKind.TEST, **own)
    new, left = 0, []
    for item in items:
        fits = [] if item < 20 else sorted(space for space in left if space >= item)
        new += not fits
        space = fits[0] if fits else 150
        if fits:
            left.remove(space)
        left.append(space - item)
    assert f": {new} bins for 1 instances" in score.feedback
    assert check(json.loads(json.dumps(score.artifact))).value == score.values["excess_percent"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        0.0,
        "best",
        [],
        [1.0] * 6415,
        np.zeros(5),
        np.zeros((1, 6416)),
        np.zeros(6416, dtype=np.int64),
        np.full(6416, np.nan),
        {"excess_percent": 0},
    ],
    ids=lambda answer: f"{type(answer).__name__}-{getattr(answer, 'shape', '')}",
)
def test_a_forged_table_gets_no_score(bin_packing, answer):
    assert isinstance(evaluate(bin_packing, Scripted(answer)), Invalid)


def everything_apart(distribution):
    return [np.arange(len(items)) for items in draw(distribution, 16, 11)]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        [None] * 16,
        ["packing"] * 16,
        [[0] * 500] * 16,
        [[0] * 499] * 16,
        [[0.0] * 500] * 16,
        [np.zeros((500, 1), dtype=np.int64)] * 16,
        [bins[::-1].copy() for bins in everything_apart("or3")],
    ],
    ids=range(10),
)
def test_a_forged_packing_gets_no_score(bin_packing, answer):
    verdict = evaluate(bin_packing, Scripted(answer), interface="bins")
    assert isinstance(verdict, Invalid)


@pytest.mark.parametrize("answer", [None, True, 1.0, -1, 10**30, "0", np.array([0]), [0]], ids=str)
def test_a_forged_decision_gets_no_score(bin_packing, answer):
    packings = everything_apart("or3")
    handle = Scripted(packings, *([answer] * 400))
    assert isinstance(evaluate(bin_packing, handle, interface="bins"), Invalid)
    handle = Scripted(*([answer] * 100_000))
    verdict = evaluate(bin_packing, handle, SplitKind.VALIDATION, interface="bins")
    assert isinstance(verdict, Invalid)


def test_new_bins_are_opened_early_where_the_table_asks_for_it(bin_packing, candidate):
    handle = candidate("def priority(item, remaining):\n    return remaining\n")
    score = evaluate(bin_packing, handle)
    assert score.values["bins"] == 48 * 500
    assert score.features["early"] > 0.9
    assert "while the item fitted into an open one" in score.feedback


def test_each_distribution_has_records_of_its_own(bin_packing):
    for distribution in names():
        records = bin_packing.problem.known_records({"distribution": distribution})
        assert {record.when["distribution"] for record in records} == {distribution}
        assert any(record.who == "FunSearch" for record in records)


def test_published_instances_without_a_folder_are_an_error_in_one_line(
    bin_packing, candidate, monkeypatch, tmp_path
):
    handle = candidate("seed_table.py")

    def run():
        return evaluate(bin_packing, handle, SplitKind.TEST, instances="published")

    monkeypatch.delenv("EVOLVE_PUBLISHED", raising=False)
    with pytest.raises(ProblemError, match=r"^[^\n]*set EVOLVE_PUBLISHED to the folder[^\n]*$"):
        run()
    with pytest.raises(ProblemError, match="set EVOLVE_PUBLISHED"):  # before any search
        load("bin_packing", {"instances": "published"}).seeds()
    monkeypatch.setenv("EVOLVE_PUBLISHED", str(tmp_path))
    with pytest.raises(ProblemError, match=r"^[^\n]*cannot read .*No such file[^\n]*$"):
        run()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not json", "is not an instance file"),
        ("[]", "is not an instance file"),
        ('{"instances": [{"items": [20]}]}', "is not an instance file"),
        ('{"instances": []}', "capacities"),
        ('{"instances": [{"capacity": 100, "items": [20]}]}', "capacities"),
        ('{"instances": [{"capacity": 150, "items": []}]}', "instance 0"),
        ('{"instances": [{"capacity": 150, "items": [151]}]}', "instance 0"),
        ('{"instances": [{"capacity": 150, "items": [1.5]}]}', "instance 0"),
        ('{"instances": [{"capacity": [150], "items": [20]}]}', "is not an instance file"),
    ],
)
def test_an_odd_instance_file_is_an_error_in_one_line(
    bin_packing, candidate, monkeypatch, tmp_path, content, reason
):
    (tmp_path / "orlib_binpack3_OR3_u500.json").write_text(content)
    monkeypatch.setenv("EVOLVE_PUBLISHED", str(tmp_path))
    with pytest.raises(ProblemError, match=rf"^[^\n]*{reason}[^\n]*$"):
        evaluate(bin_packing, candidate("seed_table.py"), SplitKind.TEST, instances="published")


PUBLISHED = {  # Romera-Paredes et al., Table 1: first fit, best fit
    "or1": (6.42, 5.81),
    "or2": (6.45, 6.06),
    "or3": (5.74, 5.37),
    "or4": (5.23, 4.94),
    "weibull5k": (4.23, 3.98),
}


@pytest.mark.skipif(
    not Path(os.environ.get("EVOLVE_PUBLISHED", "-")).is_dir(),
    reason="EVOLVE_PUBLISHED names no folder with the published instances: not measured",
)
@pytest.mark.parametrize("distribution", PUBLISHED)
def test_published_figures_are_reproduced_to_the_digit(bin_packing, candidate, distribution):
    given = {
        "distribution": distribution,
        "interface": "table",
        "instances": "published",
        "seed": 0,
    }
    found = tuple(
        round(float(baseline(bin_packing, name, SplitKind.TEST, **given)), 2)
        for name in ("first fit", "best fit")
    )
    assert found == PUBLISHED[distribution]
    score = evaluate(
        bin_packing,
        candidate("seed_table.py"),
        SplitKind.TEST,
        distribution=distribution,
        instances="published",
    )
    assert isinstance(score, Score)
    assert check(score.artifact).metrics["published"] == 1
    assert len(score.artifact["instances"][0]) == distributions()[distribution].length
