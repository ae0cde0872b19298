"""Runs whose programs lost their texts, most of all to `gc`, go on all the same."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from evolve.champion import Champions
from evolve.drafting import Drafter
from evolve.judging import Judge
from evolve.loading import ENTRY, load
from evolve.program import Program
from evolve.proposers.base import describe
from evolve.proposers.tuner import PATIENCE, TunerProposer
from evolve.tuning.search import generation_of
from islands_db import (
    Fate,
    Outcome,
    Reader,
    Rescoring,
    Sample,
    Settings,
    Store,
    collect,
    connections,
)
from islands_db.collecting import BEST

TEXT = """# EVOLVE-BLOCK-START
def answer():
    for number in range(12):
        result = number * {}
    return result
# EVOLVE-BLOCK-END
"""
LONG = PATIENCE * generation_of(2) + 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A session on program 2 found 3, then one on the seed found 4, and both ended in vain.

    Programs 2 and 3 have lost their text, as more than a hundred better ones followed, and 4 has,
    as where `salvage` could not read it.
    """
    path = tmp_path / "run.db"
    store = Store.create(path, settings=Settings(islands=1, population=2), meta={})
    make(store, None, 1.5)
    make(store, 1, 2.5)
    make(store, 2, 3.5, session=2)
    make(store, 1, 4.5, session=3)
    for session, base in ((2, 2), (3, 1)) * LONG:
        begin(store, base, session=session)
        store.settle(store.counts().attempts, Outcome(fate=Fate.NO_ANSWER))
    for number in range(BEST):
        make(store, 1, 5.5 + number)
    store.close()
    with connections.alone(path) as connection:
        connection.execute("DELETE FROM contents WHERE program = 4")
    assert collect(path).dropped == 2
    store = Store.open(path)
    yield store
    store.close()


def begin(store: Store, parent: int | None, **note: int) -> None:
    proposer = "tuner" if note else "seed" if parent is None else "tree"
    attempt, text = store.counts().attempts, json.dumps(note) if note else ""
    store.begin(Sample(attempt=attempt, island=0, parent=parent, proposer=proposer, note=text))


def make(store: Store, parent: int | None, value: float, **note: int) -> None:
    """A program that is worth a number in it, by the tuner where there is a note."""
    attempt, diff, after = store.counts().attempts, "", TEXT.format(value)
    begin(store, parent, **note)
    if parent is not None:
        before = store.files(parent)[ENTRY]
        old, new = (text.splitlines()[3] for text in (before, after))
        diff = f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"
    store.settle(
        attempt,
        Outcome(
            fate=Fate.SEED if parent is None else Fate.EVALUATED,
            program=describe(Program.of({ENTRY: after})),
            diff=diff,
            rung=1,
            fitness=value,
        ),
    )


def recalled(store: Store, toy: Path) -> tuple[TunerProposer, Drafter]:
    tuner = TunerProposer(load(str(toy)))
    drafter = Drafter(store, {"tuner": tuner}, {})
    with Reader(store.path) as reader:
        drafter.recall(reader.proposals())
    return tuner, drafter


def planned(store: Store, toy: Path) -> Sample:
    """What the tuner plans to do next from the seed."""
    tuner, drafter = recalled(store, toy)
    attempt = store.counts().attempts
    sample = Sample(attempt=attempt, island=0, parent=1, proposer="tuner")
    return tuner.plan(sample, random.Random(1), drafter)


def test_a_session_whose_base_lost_its_text_is_forgotten(store: Store, toy: Path) -> None:
    sample = planned(store, toy)
    found = json.loads(sample.note)
    # what the session on the seed found best is gone too
    assert (found["session"], found["operator"], sample.parent) == (sample.attempt, "tpe", 1)


def test_what_lost_its_score_was_tried_without_success(store: Store, toy: Path) -> None:
    path = store.path
    store.close()
    with Rescoring(path, "another") as work:
        for due in work.due():
            work.put(due.program, Outcome(fate=Fate.EVALUATED, rung=1, fitness=float(due.program)))
        work.finish({})
    with closing(Store.open(path)) as again:
        assert planned(again, toy).parent == 1


def test_no_champion_lacks_its_text(store: Store, toy: Path) -> None:
    task = load(str(toy))
    judge = Judge(task, workers=1, unsafe=False, log=None)
    with Reader(store.path) as reader:
        go = asyncio.Event()
        champions = Champions(task, store, reader, judge, 1, may_write=go)
        assert not asyncio.run(champions.validate(3, led=False))
    assert champions.best is None
