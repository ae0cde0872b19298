"""Nobody is called best by one draw, and a search that only fits its training is told so."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import pytest

from evolve.champion import PARTED_AFTER, parting
from evolve.randomness import derive
from evolve.ui import views
from evolve.watched import Runs
from islands_db import Reader

if TYPE_CHECKING:
    from conftest import Evolve

VALIDATION = "def fresh(candidate, *, goal):\n    return close(candidate, goal=goal)"
NOISY = """def fresh(candidate, *, goal, seed):
    import random
    found = candidate.call("answer")
    luck = random.Random(f"{seed} {found}").uniform(0, 300)
    return Score(distance=abs(found - goal) + luck)"""
AGAINST = """def fresh(candidate, *, goal, seed):
    return Score(distance=abs(candidate.call("answer") - 21))"""


def measured(file: Path) -> dict[int, dict[int, float]]:
    """Of each validated program its value on each draw, by seed."""
    found: dict[int, dict[int, float]] = defaultdict(dict)
    with Reader(file) as reader:
        for program, verdicts in reader.verdicts_of("validation").items():
            for verdict in verdicts:
                found[program][verdict.seed] = verdict.values["distance"]
    return found


@pytest.mark.slow
def test_a_champion_is_ahead_on_every_draw_there_is(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    toy = variant("toy", (VALIDATION, NOISY))
    ended = evolve("run", toy, "--evals", 120, "--seed", 5, "--name", "mine", "--json")
    assert ended.code == 0, ended.err
    champion = ended.data["champion"]
    assert isinstance(champion, int)
    values = measured(evolve.folder / "runs" / "mine" / "run.db")
    draws = [derive(5, "validation", number) for number in range(3)]
    assert list(values[champion]) == draws
    assert ended.data["champion_value"] == pytest.approx(fmean(values[champion].values()))
    assert len(values) > 5
    for program, of in values.items():
        assert list(of) == draws[: len(of)]
        if program != champion:
            held = [values[champion][seed] for seed in of]
            assert fmean(of.values()) >= fmean(held)
    # the race spares draws: not everyone is measured on all
    assert min(len(of) for of in values.values()) < 3
    with Reader(evolve.folder / "runs" / "mine" / "run.db") as reader:
        assert reader.find("champion") == champion
    shown = evolve("show", "mine:champion", "--json").data
    assert shown["validation"] == ended.data["champion_value"]


@pytest.mark.slow
def test_an_alarm_tells_when_training_and_validation_part(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    toy = variant("toy", (VALIDATION, AGAINST))
    command = ("run", f"{toy}:123456789", "--evals", 200, "--seed", 1, "--deterministic")
    ended = evolve(*command, "--name", "mine", "--json")
    assert ended.code == 0, ended.err
    assert ended.data["champion"] == 1  # the seed program: all that training gains is lost
    status = ended.data["status"]
    assert isinstance(status, dict)
    behind = _led(evolve) - 1
    assert behind >= PARTED_AFTER
    assert status["alarm"] == parting(behind)
    assert "training and validation part" in ended.err
    # a run that is taken up knows it still, and says it to a person too
    again = evolve("resume", "mine", "--evals", 201)
    alarms = re.findall(r"ALARM: .*? part: (\d+) programs", " ".join(again.out.split()))
    assert alarms
    assert alarms[-1] == str(_led(evolve) - 1)  # the further program may lead as well
    assert {int(count) for count in alarms} <= {behind, behind + 1}
    assert evolve("report", "mine", "--md", "-o", "report.md").code == 0
    assert "training and validation part: " in (evolve.folder / "report.md").read_text().replace(
        "\\", ""
    )


def _led(evolve: Evolve) -> int:
    """Programs that have ever led in training."""
    with closing(sqlite3.connect(evolve.folder / "runs" / "mine" / "run.db")) as connection:
        found: int = connection.execute(
            "SELECT count(*) FROM events WHERE kind = 'best'"
        ).fetchone()[0]
    return found


def test_a_few_leaders_behind_are_no_cause_for_alarm() -> None:
    assert parting(PARTED_AFTER - 1) == ""
    assert parting(PARTED_AFTER).startswith(f"training and validation part: {PARTED_AFTER} ")


def test_a_validation_that_nothing_passes_says_why_and_the_best_in_training_is_marked(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    toy = variant(
        "toy",
        (VALIDATION, "def fresh(candidate, *, goal):\n    return Invalid('not \x1b[2J\\n today')"),
    )
    why = "no program passed validation; the last: invalid at 'fresh': not \\x1b[2J\\x0a today"
    ended = evolve("run", toy, "--evals", 12, "--seed", 1, "--name", "a")
    assert ended.code == 0, ended.err
    assert why in " ".join(ended.out.split())
    listed = evolve("ls").out.splitlines()
    assert listed[1].endswith(" training *")
    assert listed[2] == "* no program passed validation; the value is of the best in training"
    best = evolve("best", "a")
    assert "def answer" in best.out
    assert best.one_line == f"evolve: {why}; this is the best in training"
    assert "no program passed" in evolve("best", "a", "--json").data["unvalidated"]  # type: ignore[operator]
    assert evolve("report", "a", "--md", "-o", "report.md").code == 0
    head = (evolve.folder / "report.md").read_text().replace("\\", "").splitlines()[2]
    assert "in training; no program passed validation; the last: invalid at 'fresh'" in head
    watched = Runs(evolve.folder / "runs").get("a")
    assert str(views.overview(watched)["unvalidated"]).startswith("no program passed validation")
    assert str(views.card(watched)["unvalidated"]).startswith("no program passed validation")
    assert evolve("run", variant("fine"), "--evals", 3, "--name", "b").code == 0
    assert evolve("best", "b").err == ""
    assert evolve("ls").out.count("*") == 2
