"""How a run came to its end, as `ls`, report and page say it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from evolve.drafting import HUMAN
from evolve.endings import ending
from islands_db import Reader, Sample, Settings, Store

from .conftest import Evolve, write_toy


def _begin(store: Store, attempt: int, proposer: str) -> None:
    store.begin(Sample(attempt=attempt, island=0, parent=None, proposer=proposer))
    time.sleep(0.01)  # times are told in milliseconds


def _end(store: Store, reason: str, how: str = "ended") -> None:
    store.event(how, {"reason": reason})
    time.sleep(0.01)


def test_what_a_database_says_of_its_end(tmp_path: Path) -> None:
    file = tmp_path / "run.db"
    store = Store.create(file, settings=Settings(islands=1), meta={})
    with Reader(file) as reader:
        assert ending(reader) == "empty"
        _begin(store, 0, "seed")
        assert ending(reader) == "killed"
        _end(store, "3 evaluations used")
        assert ending(reader) == "ended: 3 evaluations used"
        _begin(store, 1, HUMAN)
        assert ending(reader) == "ended: 3 evaluations used", "it waits until the run goes on"
        _begin(store, 2, "tree")
        assert ending(reader) == "killed", "it went on, and said nothing after"
        _end(store, "interrupted")
        assert ending(reader) == "interrupted"
        _end(store, "test: broke", "failed")
        assert ending(reader) == "failed: test: broke"
        _end(store, "4 evaluations used")
        assert ending(reader) == "ended: 4 evaluations used"
    store.close()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_run_that_the_problems_own_code_ended_is_not_called_killed(
    tmp_path: Path, split: str
) -> None:
    folder = write_toy(tmp_path / "toy", {})
    before, mark, after = (folder / "problem.py").read_text().partition(f"@problem.{split}")
    broken = after.replace("return close(candidate, goal=goal)", 'raise KeyError("x")', 1)
    (folder / "problem.py").write_text(before + mark + broken)
    line = Evolve(tmp_path)
    assert line("run", "./toy", "--name", "a", "--evals", 3).code == 5
    (listed,) = json.loads(line("ls", "--json").out)
    assert listed["state"].startswith(f"failed: {split}: stage ")
    shown = line("ls").out
    assert " failed: " in shown
    assert "killed" not in shown


def test_a_killed_run_is_called_killed_and_says_how_to_go_on(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", {})
    line = Evolve(tmp_path)
    process = line.start("run", "./toy", "--name", "a", "--workers", 1)
    try:
        until = time.monotonic() + 120
        while not _evaluated(tmp_path / "runs/a/run.db"):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert " live " in line("ls").out
    finally:
        process.kill()
        process.communicate()
    shown = line("ls").out
    assert " killed " in shown
    assert "  evolve resume a\n" in shown
    assert line("resume", "a", "--evals", 1).code == 0
    shown = line("ls").out
    assert " ended: " in shown
    assert "evolve resume" not in shown


def _evaluated(database: Path) -> int:
    if not database.exists():
        return 0
    with Reader(database) as reader:
        return reader.counts().evaluated
