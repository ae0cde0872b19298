"""Text on its way to a terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from evolve.terminal import clipped, duration, inert, number, table, telling


@given(st.text())
def test_nothing_a_terminal_obeys_gets_through(text: str) -> None:
    shown = inert(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in shown)
    assert "\n" not in shown


@given(st.text())
def test_lines_stay_lines_where_they_may(text: str) -> None:
    assert inert(text, lines=True).count("\n") == text.count("\n")


def test_escapes_are_shown_and_plain_text_is_left_alone() -> None:
    assert inert("a\x1b[31mb") == "a\\x1b[31mb"
    assert inert("\u202eabc") == "\\u202eabc"
    assert inert("größer, 大") == "größer, 大"


def test_figures_read_well() -> None:
    assert number(None) == "-"
    assert number(12.0) == "12"
    assert number(0.123456) == "0.1235"
    assert duration(59.4) == "59 s"
    assert duration(185) == "3:05 min"
    assert duration(7500) == "2:05 h"
    assert clipped("a  b\nc", 80) == "a b c"
    assert clipped("x" * 90, 10) == "x" * 9 + "…"


def test_a_table_is_aligned() -> None:
    lines = table(["name", "n"], [["a", "1"], ["long", "100"]], right="-r")
    assert lines == ["name    n", "a       1", "long  100"]


def test_figures_have_the_digits_that_tell_them_apart() -> None:
    assert telling([0.7319, 4.083]) == 4
    assert telling([2.635862756413, 2.635983084917, 2.634]) == 5
    assert telling([2.63598308, 2.63598325]) == 8
    assert telling([1.0, 1.0]) == 4
    assert telling([1 / 3, 1 / 3 + 1e-15]) == 10
    assert telling([]) == 4
