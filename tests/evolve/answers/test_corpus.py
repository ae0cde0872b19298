"""Answers in the forms models write: each gives the program it must, or the right refusal."""

from __future__ import annotations

import pytest

from benchmarks.answers import Case, cases
from evolve.answers import Refused

CASES = list(cases())


def test_there_are_enough_of_them():
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_answer_gives_what_it_must(case: Case):
    assert case.wrong() == ""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_refusal_says_why_in_one_line(case: Case):
    result = case.read()
    if isinstance(result, Refused):
        assert result.reason
        assert "\n" not in result.reason
        assert len(result.reason) < 500
