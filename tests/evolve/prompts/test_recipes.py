"""A stored prompt is rendered again identically from what the run's database holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from evolve.drafting import describe
from evolve.loading import load
from evolve.program import Program
from evolve.prompts import (
    NotesRecipe,
    Operator,
    Recipe,
    StoredPrompt,
    StoreSource,
    assemble,
    facts_of,
    load_templates,
    render,
    render_again,
)
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

ROOT = Path(__file__).resolve().parents[3]
SOURCE = "# EVOLVE-BLOCK-START\ndef priority(item, remaining):\n    return {}\n# EVOLVE-BLOCK-END\n"


def judged(value: str, excess: float | None, fate: Fate = Fate.EVALUATED) -> Outcome:
    ok = excess is not None
    verdict = Verdict(
        stage="training", split="training", status=Status.OK if ok else Status.TIMEOUT,
        values={"excess_percent": excess} if excess is not None else {},
        exact={"excess_percent": str(excess)} if ok else {},
        fitness=-excess if excess is not None else None,
        reason="" if ok else "5 s are over",
    )  # fmt: skip
    return Outcome(
        fate=fate,
        program=describe(Program.of({"program.py": SOURCE.format(value)})),
        verdicts=(verdict,),
        rung=int(ok),
        fitness=verdict.fitness,
        features={"length": 1.0},
    )


@pytest.fixture
def database(tmp_path):
    """A seed (1), a better child of it (2), a worse one (3), one that failed (4), a duplicate."""
    path = tmp_path / "run.db"
    store = Store.create(path, settings=Settings(islands=1), meta={})
    outcomes = [
        (None, judged("0", 4.0, Fate.SEED)),
        (1, judged("item", 3.0)),
        (1, judged("remaining", 5.0)),
        (2, judged("1 / 0", None)),
        (2, Outcome(fate=Fate.DUPLICATE, duplicate_of=3)),
        (2, Outcome(fate=Fate.NOT_FOUND, reason="block 1: not in the program")),
    ]
    for attempt, (parent, outcome) in enumerate(outcomes):
        store.begin(Sample(attempt=attempt, island=0, parent=parent, proposer="tree"))
        store.settle(attempt, outcome)
    _add_notes(store, attempt=6, text="<think>Hm.</think>\nSmall numbers help.")
    store.close()
    return path


def _add_notes(store: Store, *, attempt: int, text: str) -> None:
    recipe = NotesRecipe(arm="m", programs=(2, 3), notes=None, count=4)
    note = msgspec.json.encode(recipe).decode()
    store.begin(Sample(attempt=attempt, island=0, parent=None, proposer="notes", note=note))
    call = Call(attempt=attempt, turn=0, model="m")
    ended = structs.replace(
        call, state=CallState.ANSWERED, answer=text, finish="complete", cost_usd=0.0
    )
    store.end_call(store.open_call(call), ended)
    store.settle(attempt, Outcome(fate=Fate.NOTES))


def test_a_prompt_from_the_store_is_rendered_again_identically(database):
    task = load(str(ROOT / "problems" / "bin_packing"))
    templates, facts = load_templates(), facts_of(task)
    with Reader(database) as reader:
        source = StoreSource(reader)
        recipe = Recipe(
            operator=Operator.CROSSOVER,
            parent=2,
            inspirations=(3, 1),
            history=tuple(source.history(2)),
            tried=tuple(source.attempts_from(2)),
            hint="Keep it simple.",
            notes=6,
        )
        assert recipe.history == (2,)
        assert recipe.tried == (3, 4)
        prompt = render(templates, facts, assemble(recipe, source))
    for expected in (
        "Program 1 became program 2: better, `excess_percent` 3 instead of 4.",
        "It gave program 4: FAILED (timeout): 5 s are over",
        "It gave program 3 again: worse, `excess_percent` 5 instead of 3.",
        "Another model's summary after 4 programs.",
        "Small numbers help.",
    ):
        assert expected in prompt.text
    assert "Hm." not in prompt.text
    stored = StoredPrompt(recipe=recipe, templates=prompt.templates, hash=prompt.hash)
    with Reader(database) as reader:
        again = render_again(templates, facts, StoreSource(reader), stored)
        other = replace(stored, templates="0")
        changed = render_again(templates, facts, StoreSource(reader), other)
        unlike = replace(facts, baselines=(("best fit", 4.2),))
        moved = render_again(templates, unlike, StoreSource(reader), stored)
    assert again == prompt
    assert isinstance(changed, str)
    assert "templates have changed" in changed
    assert isinstance(moved, str)


@pytest.mark.parametrize(
    "reference",
    ["problems/bin_packing", "problems/bin_packing:or3", "examples/no_three_in_line"],
)
def test_the_problems_here_tell_all_that_a_model_needs(reference):
    facts = facts_of(load(str(ROOT / reference)))
    assert "def priority(" in facts.contract
    assert "ties" in facts.contract.lower()
    assert facts.measurement


def test_the_contract_is_that_of_the_parameters():
    bins = facts_of(load(str(ROOT / "problems" / "bin_packing"), {"interface": "bins"}))
    table = facts_of(load(str(ROOT / "problems" / "bin_packing:or1")))
    assert "numpy.ndarray" in bins.contract
    assert "numpy.ndarray" not in table.contract
    assert "120 sequences of 120 items" in table.measurement


def test_a_prompt_names_lines_that_its_line_deleted_and_brought_back(tmp_path):
    path = tmp_path / "run.db"
    store = Store.create(path, settings=Settings(islands=1), meta={})
    for attempt, value in enumerate(["item", "remaining", "item\n    # as before"]):
        store.begin(Sample(attempt=attempt, island=0, parent=attempt or None, proposer="m"))
        fate = Fate.EVALUATED if attempt else Fate.SEED
        store.settle(attempt, judged(value, 3.0, fate))
    store.close()
    templates = load_templates()
    facts = facts_of(load(str(ROOT / "problems" / "bin_packing")))
    with Reader(path) as reader:
        texts = [
            render(
                templates,
                facts,
                assemble(Recipe(operator=Operator.DIFF, parent=parent), StoreSource(reader)),
            ).text
            for parent in (2, 3)
        ]
    heading = "## Lines that were deleted and brought back"
    assert heading not in texts[0]
    assert texts[1].partition(heading)[2].count("return item\n") == 1
