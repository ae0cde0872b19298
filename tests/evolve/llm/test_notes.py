"""Notes on a search: what they are written from, who writes them, and what becomes of them."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from evolve.drafting import NOTES, describe
from evolve.llm.base import Request
from evolve.llm.desk import Unanswered
from evolve.loading import load
from evolve.program import Program
from evolve.prompts import NotesRecipe, Recipe, facts_of, load_templates
from evolve.proposers.llm import Prompting
from evolve.proposers.notes import MOST_LOSSES, Scribe
from islands_db import (
    Call,
    CallState,
    Fate,
    Outcome,
    Reader,
    Sample,
    Settings,
    Status,
    Store,
    Verdict,
)

PROBLEM = Path(__file__).resolve().parents[3] / "problems" / "bin_packing"
SOURCE = "# EVOLVE-BLOCK-START\ndef priority(item, remaining):\n    return {}\n# EVOLVE-BLOCK-END\n"


def judged(number: int, excess: float, fate: Fate = Fate.EVALUATED) -> Outcome:
    verdict = Verdict(
        stage="training", split="training", status=Status.OK, fitness=-excess,
        values={"excess_percent": excess}, exact={"excess_percent": str(excess)},
    )  # fmt: skip
    return Outcome(
        fate=fate,
        program=describe(Program.of({"program.py": SOURCE.format(number)})),
        verdicts=(verdict,),
        rung=1,
        fitness=-excess,
        features={"length": 1.0},
    )


class Answering:
    """A desk that gives one answer, and keeps what was asked."""

    def __init__(self, store: Store, answer: str | None, finish: str = "complete") -> None:
        self.store = store
        self.answer = answer
        self.finish = finish
        self.asked: list[Request] = []

    async def ask(self, arm: str, request: Request, blank: Call) -> Call:
        self.asked.append(request)
        if self.answer is None:
            raise Unanswered("the model is down")
        ended = replace(
            blank, model=arm, state=CallState.ANSWERED, answer=self.answer, finish=self.finish,
            cost_usd=0.25,
        )  # fmt: skip
        self.store.end_call(self.store.open_call(replace(blank, model=arm)), ended)
        return ended

    def out_of_order(self) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A seed (program 1) and 29 children of it; every third is better, the later the more."""
    store = Store.create(tmp_path / "run.db", settings=Settings(islands=1), meta={})
    for number in range(30):
        parent = None if number == 0 else 1
        store.begin(Sample(attempt=number, island=0, parent=parent, proposer="m"))
        excess = 5.0 - number / 10 if number % 3 == 0 else 6.0
        store.settle(number, judged(number, excess, Fate.EVALUATED if number else Fate.SEED))
    yield store
    store.close()


def scribe_of(store: Store, desk: Answering, down: frozenset[str] = frozenset()) -> Scribe:
    reader = Reader(store.path)
    prompting = Prompting(store, reader, load_templates(), facts_of(load(str(PROBLEM))))
    return Scribe(
        every=15, weights={"small": 1.0, "large": 3.0}, out_of_order=lambda: down, store=store,
        desk=desk, prompting=prompting,
    )  # fmt: skip


def begun(store: Store, scribe: Scribe, program: int) -> Sample:
    note = scribe.plan(program, random.Random(1))
    number = store.counts().attempts
    sample = Sample(attempt=number, island=0, parent=None, proposer=NOTES, note=note)
    store.begin(sample)
    return sample


def test_notes_are_due_after_so_many_programs_and_not_while_some_are_being_written(
    store: Store,
) -> None:
    scribe = scribe_of(store, Answering(store, "x"))
    assert [program for program in range(1, 31) if scribe.due(program)] == [15, 30]
    assert not scribe.due(None)
    begun(store, scribe, 30)
    assert not scribe.due(30)


def test_they_are_written_from_the_largest_gains_and_some_losses(store: Store) -> None:
    scribe = scribe_of(store, Answering(store, "x"))
    recipe = msgspec.json.decode(scribe.plan(30, random.Random(1)), type=NotesRecipe)
    better = [n for n in recipe.programs if n % 3 == 1]
    assert better == [16, 19, 22, 25, 28]
    assert len(recipe.programs) == len(better) + MOST_LOSSES  # of 10 losses
    assert min(recipe.programs) > 15
    assert (recipe.arm, recipe.count, recipe.notes) == ("large", 30, None)


def test_what_lost_its_text_or_its_score_is_left_out(store: Store) -> None:
    scribe = scribe_of(store, Answering(store, "x"))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM contents WHERE program IN (16, 17, 28)")
        connection.execute("UPDATE programs SET rung = NULL, fitness = NULL WHERE id IN (17, 28)")
        recipe = msgspec.json.decode(scribe.plan(30, random.Random(1)), type=NotesRecipe)
        assert [n for n in recipe.programs if n % 3 == 1] == [19, 22, 25]
        assert 17 not in recipe.programs
        assert scribe.prompting.render_notes(recipe).text
        connection.execute("UPDATE programs SET rung = NULL, fitness = NULL")
        recipe = msgspec.json.decode(scribe.plan(30, random.Random(1)), type=NotesRecipe)
        assert recipe.programs == ()
        assert scribe.prompting.render_notes(recipe).text


def test_another_model_writes_them_while_the_first_is_down(store: Store) -> None:
    scribe = scribe_of(store, Answering(store, "x"), down=frozenset({"large"}))
    recipe = msgspec.json.decode(scribe.plan(30, random.Random(1)), type=NotesRecipe)
    assert recipe.arm == "small"


def test_later_prompts_show_them_and_the_next_notes_build_on_them(store: Store) -> None:
    desk = Answering(store, "<think>ssh</think>Ratios helped; sums did not.")
    scribe = scribe_of(store, desk)
    sample = begun(store, scribe, 30)
    draft = asyncio.run(scribe.write(sample))
    assert (draft.fate, draft.cost_usd, draft.text) == (Fate.NOTES, 0.25, None)
    (asked,) = desk.asked
    assert "Program 1 became program 28: better" in asked.messages[0].text
    assert "-    return 0\n+    return 27" in asked.messages[0].text
    store.settle(sample.attempt, Outcome(fate=Fate.NOTES))
    store.set_meta(NOTES, sample.attempt)
    plan = Sample(attempt=31, island=0, parent=1, proposer="m")
    recipe = scribe.prompting.plan(plan, random.Random(1))
    assert isinstance(recipe, Recipe)
    text = scribe.prompting.render(recipe).text
    assert "Ratios helped; sums did not." in text
    assert "after 30 programs" in text
    assert "ssh" not in text
    again = msgspec.json.decode(scribe.plan(30, random.Random(1)), type=NotesRecipe)
    assert again.notes == sample.attempt
    assert "Ratios helped" in scribe.prompting.render_notes(again).text


@pytest.mark.parametrize(
    ("answer", "finish", "fate"),
    [
        (None, "", Fate.NO_ANSWER),
        ("", "complete", Fate.EMPTY),
        ("<think>only thoughts", "complete", Fate.TRUNCATED),
        ("Ratios hel", "length", Fate.TRUNCATED),
        ("I will not.", "refused", Fate.DECLINED),
    ],
)
def test_what_is_no_summary_never_becomes_notes(
    store: Store, answer: str | None, finish: str, fate: Fate
) -> None:
    scribe = scribe_of(store, Answering(store, answer, finish))
    draft = asyncio.run(scribe.write(begun(store, scribe, 30)))
    assert draft.fate is fate
    assert draft.text is None
