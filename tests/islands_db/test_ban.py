"""A program that was banned, and all that comes from it, is out of the search for good."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from islands_db import (
    Axis,
    Cells,
    Fate,
    Outcome,
    Placement,
    ProgramText,
    Reader,
    Sample,
    Settings,
    Store,
    collect,
    fingerprint,
)
from islands_db.collecting import BEST
from islands_db.refill import refill

SETTINGS = Settings(islands=2, migration_every=3)


def _made(store: Store, attempt: int, parent: int | None, fitness: float) -> Placement:
    text = f"{attempt:064x}"
    store.begin(Sample(attempt=attempt, island=attempt % 2, parent=parent, proposer="x"))
    return store.settle(
        attempt,
        Outcome(
            fate=Fate.SEED if parent is None else Fate.EVALUATED,
            program=ProgramText(
                hash=text, syntax_hash=text, files={"program.py": text}, length=attempt + 1
            ),
            rung=1,
            fitness=fitness,
        ),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Programs 1 (seed) <- 2 <- 3 <- 5, and 1 <- 4; each better than those before it."""
    store = Store.create(tmp_path / "run.db", settings=SETTINGS, meta={})
    for attempt, parent in enumerate([None, 1, 2, 1, 3]):
        _made(store, attempt, parent, float(attempt))
    return store


def _anywhere(path: Path) -> set[int]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT program FROM members UNION SELECT program FROM elites"
        return {program for (program,) in connection.execute(query)}


def test_a_ban_reaches_the_offspring_and_nobody_else(store: Store) -> None:
    assert store.ban(2) == 3
    assert [store.banned(program) for program in (1, 2, 3, 4, 5)] == [0, 1, 1, 0, 1]
    assert store.best == (4, 3.0)
    assert _anywhere(store.path) == {1, 4}
    for attempt in range(50):
        sample = store.sample(attempt, random.Random(attempt), proposer="x")
        assert {sample.parent, *sample.inspirations} <= {1, 4, None}
        assert sample.parent is not None
    with Reader(store.path) as reader:
        assert reader.banned() == [2, 3, 5]
        assert [program.id for program in reader.top(9)] == [4, 1]
        assert reader.counts().best == (4, 3.0)
        assert len(reader.lineage(5)) == 4, "still there to be read"
    store.close()


def test_what_was_sampled_before_the_ban_is_banned_when_it_arrives(store: Store) -> None:
    store.begin(Sample(attempt=9, island=1, parent=5, proposer="x"))
    store.ban(5)
    text = "f" * 64
    late = Outcome(
        fate=Fate.EVALUATED, rung=1, fitness=99.0,
        program=ProgramText(hash=text, syntax_hash=text, files={"program.py": "x"}, length=1),
    )  # fmt: skip
    assert store.settle(9, late) == Placement(program=6)
    assert store.banned(6)
    assert store.best == (4, 3.0)
    store.close()


def test_a_reopened_store_is_the_one_that_was_closed(store: Store) -> None:
    store.ban(3)
    before = [store.sample(n, random.Random(n), proposer="x") for n in range(40)]
    counts, best = store.counts(), store.best
    store.close()
    with Reader(store.path) as reader:
        assert reader.counts().islands == counts.islands
    again = Store.open(store.path)
    assert [again.sample(n, random.Random(n), proposer="x") for n in range(40)] == before
    assert again.best == best
    assert again.counts() == counts
    assert again.banned(5)
    assert _made(again, 7, 3, 50.0) == Placement(program=6)
    again.close()


def test_cells_follow_the_offspring_of_the_banned_whether_reopened_or_not(new_run) -> None:
    axes = (Axis(name="x", low=0, high=10, cells=10),)
    found = []
    for reopens in (False, True):
        run = new_run(islands=1, axes=axes, cells=Cells.ADAPTIVE)
        run.add("seed", 1.0, seed=True, features={"x": 1.0})
        run.add("bad", 2.0, parent=1, features={"x": 2.0})
        run.store.ban(2)
        for number in range(4):
            run.add(f"p{number}", 3.0, parent=2, features={"x": 3.0 + number})
        if reopens:
            run.reopen()
        for number in range(10):
            assert run.store._state.seen_in_all == 5 + number + 1
            run.add(f"q{number}", 3.0 + number, parent=1, features={"x": number / 20})
        found.append(fingerprint(run.path))
    assert found[0] == found[1]


def test_islands_that_are_filled_anew_leave_the_banned_out(store: Store) -> None:
    store.ban(2)
    store.close()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        refill(connection)
        connection.execute("COMMIT")
    assert _anywhere(store.path) == {1, 4}


def test_an_island_that_a_ban_empties_begins_again_with_the_seeds(tmp_path: Path) -> None:
    settings = Settings(islands=1, population=1)
    store = Store.create(tmp_path / "run.db", settings=settings, meta={})
    _made(store, 0, None, 0.0)
    _made(store, 2, 1, 1.0)
    assert _anywhere(store.path) >= {2}
    store.ban(2)
    assert _anywhere(store.path) == {1}
    assert store.sample(3, random.Random(1), proposer="x").parent == 1
    store.close()


def test_gc_keeps_the_text_of_the_best_that_are_left_and_of_all_that_led(tmp_path: Path) -> None:
    settings = Settings(islands=2, population=1)
    path = tmp_path / "run.db"
    store = Store.create(path, settings=settings, meta={})
    _made(store, 0, None, 0.0)
    _made(store, 1, 1, 1.0)
    for attempt in range(2, BEST + 2):
        _made(store, attempt, 2, float(attempt))
    for attempt in range(BEST + 2, 2 * BEST + 2):
        _made(store, attempt, 1, 3.0)
    led = 2 * BEST + 3
    _made(store, led - 1, 1, 2.0)
    store.event("best", {"program": led})
    store.ban(2)
    store.close()
    collect(path)
    with Reader(path) as reader:
        assert reader.files(led)
        assert all(reader.files(program.id) for program in reader.top(BEST))


@pytest.mark.parametrize(
    ("program", "why"), [(1, "is a seed"), (77, "no program 77"), (2, "banned already")]
)
def test_what_cannot_be_banned_changes_nothing(store: Store, program: int, why: str) -> None:
    store.ban(2)
    before = store.counts()
    with pytest.raises(ValueError, match=why):
        store.ban(program)
    assert store.counts() == before
    store.close()


def test_an_event_that_bans_nothing_bans_nothing(store: Store) -> None:
    store.event("ban", {"programme": 2})
    store.ban(5)
    store.close()
    with Reader(store.path) as reader:
        assert reader.banned() == [5]
        assert [program.id for program in reader.top(9)] == [4, 3, 2, 1]
