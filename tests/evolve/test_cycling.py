"""Lines that were deleted along a lineage and brought back."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from evolve.cycling import Return, cycling

if TYPE_CHECKING:
    from conftest import Evolve

PROGRAMS = st.lists(
    st.lists(st.sampled_from(["a = 1", "b = 2", "    b = 2", "c = 3", "", ")"]), max_size=5),
    min_size=1,
    max_size=8,
)


def line(*programs: str) -> list[dict[str, str]]:
    return [{"program.py": text.replace("; ", "\n")} for text in programs]


def test_a_line_deleted_and_brought_back_is_named_with_both_places() -> None:
    found = cycling(line("a; b; c", "a; c", "a; c; d", "a; b; c; d"))
    assert found.added == 2
    assert found.returns == (Return(text="b", deleted=1, back=3),)
    assert found.share == 0.5


def test_moves_indentation_and_punctuation_are_not_returns() -> None:
    assert not cycling(line("a; b", "b; a", "    b; a", "b;     a")).added
    assert not cycling(line("a; )", "a", "a; )")).returns


def test_each_copy_comes_back_once() -> None:
    found = cycling(line("x; x", "x", "y", "x; x; x"))
    assert [(r.deleted, r.back) for r in found.returns] == [(2, 3), (1, 3)]
    assert found.added == 4


def test_what_came_back_most_often_leads() -> None:
    found = cycling(line("a; b", "", "a; b", "b", "a; b"))
    assert found.repeated(1) == ("a",)
    assert found.repeated(9) == ("a", "b")


@given(PROGRAMS)
def test_returns_never_outnumber_deletions_or_additions(programs: list[list[str]]) -> None:
    texts = [{"program.py": "\n".join(lines)} for lines in programs]
    found = cycling(texts)
    assert len(found.returns) <= found.added
    for back in found.returns:
        assert 0 < back.deleted < back.back
        counts = [text["program.py"].split("\n") for text in texts]
        seen = [sum(entry.strip() == back.text for entry in entries) for entries in counts]
        assert seen[back.deleted] < seen[back.deleted - 1]
        assert seen[back.back] > seen[back.back - 1]
    assert not cycling(texts[:2]).returns


def test_show_says_what_a_lineage_repeats(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 60, "--seed", 2, "--name", "mine").code == 0
    with sqlite3.connect(evolve.folder / "runs" / "mine" / "run.db") as connection:
        deepest = connection.execute(
            "SELECT p.id FROM programs p WHERE p.fitness IS NOT NULL ORDER BY"
            " (SELECT count(*) FROM ancestors a WHERE a.program = p.id) DESC LIMIT 1"
        ).fetchone()[0]
    shown = json.loads(evolve("show", f"mine:{deepest}", "--json").out)["cycling"]
    assert shown["added"] >= 1
    text = evolve("show", f"mine:{deepest}").out
    assert f"cycling: {len(shown['returns'])} of {shown['added']} lines added" in text
