"""Where a program came from, as a person reads it."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.changes import counted, hunks
from evolve.program import Program
from evolve.proposers.base import describe
from evolve.report.facts import gather
from evolve.runs import RunFolder
from islands_db import Fate, Outcome, Sample, Settings, Status, Store, Verdict
from islands_db.records import JSON

from .conftest import Ended, Evolve, write_toy

LINES = st.lists(
    st.sampled_from(["a", "b", "c", "", "-- a/x", "++ b/x", "@@ -1 +1 @@"]), max_size=9
)


def _program(lines: list[str]) -> Program:
    return Program.of({"program.py": "".join(f"{line}\n" for line in lines) or "\n"})


@given(LINES, LINES)
def test_a_comparison_shows_every_changed_line_and_no_other_as_changed(
    before: list[str], after: list[str]
) -> None:
    left, right = _program(before), _program(after)
    old, new = (list(p.files["program.py"].split("\n")[:-1]) for p in (left, right))
    rows = [row for hunk in hunks(left, right) for row in hunk.rows]
    for row in rows:
        assert row.left is None or old[(row.left_number or 0) - 1] == row.left
        assert row.right is None or new[(row.right_number or 0) - 1] == row.right
    added, removed = counted(left, right)
    assert len(new) - len(old) == added - removed
    # without the lines shown on either side the programs are the same
    shown_old = {row.left_number for row in rows}
    shown_new = {row.right_number for row in rows}
    assert [x for n, x in enumerate(old, 1) if n not in shown_old] == [
        x for n, x in enumerate(new, 1) if n not in shown_new
    ]
    assert bool(rows) == (left != right)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run has ended; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    write_toy(folder / "toy", {})
    line = Evolve(folder)
    ended = line("run", "./toy", "--evals", 60, "--seed", 3, "--name", "a", "--deterministic")
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture
def run(evolve: Evolve, made: Path) -> Evolve:
    shutil.copytree(made, evolve.folder, dirs_exist_ok=True)
    return evolve


def _shown(ended: Ended, *, code: bool = False) -> str:
    """What was printed: plain, and 80 columns wide where it is not the text of a program."""
    assert ended.code == 0, ended.err
    assert code or max(len(line) for line in ended.out.splitlines()) <= 80
    assert "\x1b" not in ended.out
    return ended.out


def test_the_lineage_names_the_gains_and_the_step_that_brought_most(run: Evolve) -> None:
    data = run("lineage", "a", "--json").data["lineage"]
    assert isinstance(data, list)
    shown = _shown(run("lineage", "a"))
    assert data[0]["training_gain"] is None
    for before, step in pairwise(data):
        assert step["training_gain"] == pytest.approx(before["training"] - step["training"])
        assert f"+{step['added']} -{step['removed']}" in shown
    best, most, gain = data[0]["training"], 0, 0.0
    for step in data[1:]:
        if best - step["training"] > gain:
            most, gain = step["id"], best - step["training"]
        best = min(best, step["training"])
    assert f"it owes most to program {most}," in shown
    assert f"{len(data) - 1} steps from the seed" in shown


def test_every_program_is_on_the_line_or_in_one_branch(run: Evolve) -> None:
    data = run("lineage", "a", "--tree", "--json").data["lineage"]
    assert isinstance(data, list)
    branches = [branch for step in data for branch in step["branches"]]
    programs = run("ls", "--json").data[0]["evaluated"]  # type: ignore[index]
    assert len(data) + sum(branch["programs"] for branch in branches) == programs
    assert {b["root"] for b in branches}.isdisjoint(step["id"] for step in data)
    for branch in branches:
        best = run("show", f"a:{branch['best']}", "--json").data
        assert best["training"] == branch["best_value"]
    out = _shown(run("lineage", "a", "--tree"))
    assert out.count("\n* ") == len(data)


def test_why_tells_parent_answer_and_verdicts(run: Evolve) -> None:
    shown = _shown(run("why", "a"), code=True)
    data = run("why", "a", "--json").data
    proposal = data["proposal"]
    assert isinstance(proposal, dict)
    assert f"from program {proposal['parent']}" in shown
    assert "<<<<<<< SEARCH" in shown
    assert "what it changed" in shown
    for stage in ("close", "fresh", "final"):
        assert stage in shown
    by_attempt = run("why", "a", "--attempt", proposal["attempt"])
    assert by_attempt.out == shown


def test_why_tells_in_which_cases_a_program_is_ahead(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    given, cases = "return Score(distance=abs(found - goal))", "cases=[abs(found - goal), found, 1]"
    folder = variant("toy", (given, f"return Score(distance=abs(found - goal), {cases})"))
    evolve("run", folder, "--evals", 40, "--seed", 3, "--name", "a")
    data = evolve("why", "a", "--json").data
    (distance, found, one), (before, found_before, _) = data["cases"], data["parent_cases"]  # type: ignore[misc]
    assert distance == pytest.approx(evolve("show", "a", "--json").data["training"])
    assert one == 1
    assert distance < before
    ahead = 1 + (found < found_before)
    shown = _shown(evolve("why", "a"), code=True)
    assert f"of 3 test cases ahead of its parent in {ahead}, behind in {2 - ahead}" in shown


def test_why_tells_of_attempts_that_came_to_nothing(evolve: Evolve, toy: Path) -> None:
    evolve("run", toy, "--evals", 150, "--seed", 3, "--name", "a", "--deterministic")
    status = evolve("ls", "--json")
    assert status.code == 0
    for attempt in range(400):
        ended = evolve("why", "a", "--attempt", attempt)
        if ended.code == 0 and ended.out.startswith("attempt "):
            assert re.match(r"attempt \d+: (duplicate of program \d+|no_op|no_answer|bad_patch)",
                            ended.out)  # fmt: skip
            return
    raise AssertionError("every attempt gave a program")


def test_why_of_an_attempt_that_never_was(run: Evolve) -> None:
    ended = run("why", "a", "--attempt", 10**6)
    assert ended.code == 2
    assert "no attempt" in ended.one_line


def test_a_diff_undoes_nothing_and_names_both(run: Evolve) -> None:
    data = run("lineage", "a", "--json").data["lineage"]
    assert isinstance(data, list)
    last, first = data[-1]["id"], data[0]["id"]
    assert (
        run("diff", f"a:{last}").out.splitlines()[1:]
        == (run("diff", f"a:{data[-2]['id']}", last).out.splitlines()[1:])
    )
    shown = _shown(run("diff", first, f"a:{last}"), code=True)
    assert shown.splitlines()[0].startswith(f"a: program {first} (training ")
    assert "--- a/program.py" in shown
    assert run("diff", "champion", "champion").out.endswith("the same program\n")
    assert "has no parent" in run("diff", "a:1").one_line


def test_a_wide_terminal_gets_both_side_by_side(run: Evolve, terminal: Callable[..., str]) -> None:
    wide = terminal(run, 160, "diff", "a:1", "champion")
    assert " | " in wide or " > " in wide
    narrow = terminal(run, 80, "diff", "a:1", "champion")
    assert "--- a/program.py" in narrow
    assert "\x1b[32m" in narrow
    assert "\x1b" not in terminal(run, 80, "diff", "a:1", "champion", environment={"NO_COLOR": "1"})
    for columns in (40, 80, 200):
        for line in terminal(run, columns, "lineage", "a").splitlines():
            assert len(re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()) <= max(columns, 80)


BEGIN, END = "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END"


def test_values_of_different_stages_make_no_gain(evolve: Evolve) -> None:
    folder = evolve.folder / "runs" / "staged"
    folder.mkdir(parents=True)
    meta: dict[str, JSON] = {"objectives": ["min x"], "problem": "staged"}
    with closing(Store.create(folder / "run.db", settings=Settings(islands=1), meta=meta)) as store:
        # the seed, then each a child of the one before
        for attempt, (rung, value) in enumerate(
            [(1, 10.0), (2, 4.0), (2, 3.0), (1, 1.0), (2, 2.5)]
        ):
            parent, proposer = (attempt, "tree") if attempt else (None, "seed")
            store.begin(Sample(attempt=attempt, island=0, parent=parent, proposer=proposer))
            verdict = Verdict(
                stage=f"stage{rung}", split="training", status=Status.OK, values={"x": value},
                fitness=-value,
            )  # fmt: skip
            outcome = Outcome(
                fate=Fate.EVALUATED if attempt else Fate.SEED, rung=rung, fitness=-value,
                program=describe(_program([BEGIN, f"x = {value}", END])), verdicts=(verdict,),
            )  # fmt: skip
            store.settle(attempt, outcome)
    line = evolve("lineage", "staged:5", "--json").data["lineage"]
    assert isinstance(line, list)
    assert [step["training_gain"] for step in line] == [None, None, 1.0, None, None]
    shown = _shown(evolve("lineage", "staged:5"))
    assert "it owes most to program 3, by tree: from 4 to 3" in shown
    assert "by structure 0 in 0 steps, by constants +1 in 4 steps" in shown
    assert "none is told where the two reached different stages" in shown
    [tree] = [p for p in gather(RunFolder(folder)).proposers if p.name == "tree"]
    assert (tree.bests, tree.gain) == (3, 1.5)
    with closing(sqlite3.connect(folder / "run.db")) as connection:
        edges = connection.execute("SELECT gain FROM lineage_edges ORDER BY child").fetchall()
    assert edges == [(None,), (1.0,), (None,), (None,)]
