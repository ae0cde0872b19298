"""Prompts, whole: what a model is asked in each situation, kept as files beside this one.

After a change that is meant, `UPDATE_GOLDEN=1 pytest tests/evolve/prompts` writes them anew; read
what git shows then.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.answers import Applied, Expect, Kind, Refused, apply_answer
from evolve.answers.fences import fences
from evolve.problem import Objective, Record
from evolve.program import Program
from evolve.prompts import (
    Context,
    Facts,
    Operator,
    Prompt,
    Shown,
    Step,
    Tried,
    load_templates,
    render,
    render_retry,
    render_summary,
)
from evolve.prompts.rendering import fenced, line_of
from islands_db import Fate, Status, Verdict

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = load_templates()
FACTS = Facts(
    name="toy",
    statement="# Toy\n\nCome as close to 1000 as you can.",
    contract="`answer()` is called once and returns a number.",
    measurement="One number, no noise.",
    parameters=(("goal", "1000"),),
    objectives=(Objective("distance", "min"),),
    stages=(Step(name="close", timeout_s=2.0, memory_mb=256),),
    requires=("numpy", "scipy"),
    records=(Record(value=0, who="arithmetic", source="by definition", split="any goal"),),
    baselines=(("nothing", 1000.0),),
    other_draws=("the best program is picked", "the result is measured"),
)
SOURCE = """import math

# EVOLVE-BLOCK-START
def answer():
    return {}
# EVOLVE-BLOCK-END
"""


def program(value: str) -> Program:
    return Program.of({"program.py": SOURCE.format(value)})


def good(id: int, value: str, distance: float, **more: str) -> Shown:
    verdict = Verdict(
        stage="close", split="training", status=Status.OK,
        values={"distance": distance, "digits": 3}, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return Shown(id=id, program=program(value), verdicts=(verdict,))


def bad(id: int, value: str, stderr: str = "") -> Shown:
    verdict = Verdict(
        stage="close", split="training", status=Status.CRASH,
        reason="ZeroDivisionError: division by zero (program.py:5 in answer)", stderr=stderr,
    )  # fmt: skip
    return Shown(id=id, program=program(value), verdicts=(verdict,))


SEED = good(1, "500", 500, feedback="500 below the goal")
PARENT = good(7, "900", 100, feedback="100 below the goal", stderr="Warning: slow\n")
FULL = Context(
    operator=Operator.DIFF,
    parent=PARENT,
    inspirations=(good(5, "2 * 600", 200), bad(6, "1 / 0"), good(9, "31 ** 2", 39)),
    history=(Tried(attempt=6, fate=Fate.EVALUATED, reason="", parent=SEED, child=PARENT),),
    tried=(
        Tried(attempt=8, fate=Fate.EVALUATED, reason="", parent=PARENT, child=bad(8, "900 / 0")),
        Tried(attempt=10, fate=Fate.EVALUATED, reason="", parent=PARENT, child=good(10, "90", 910)),
        Tried(attempt=11, fate=Fate.DUPLICATE, reason="", parent=PARENT, child=SEED),
        Tried(
            attempt=12, fate=Fate.SYNTAX_ERROR, parent=PARENT,
            reason="the changed program does not parse: line 5: '(' was never closed",
        ),
    ),
    hint="Change one thing only.",
    notes="Larger numbers helped.",
    notes_from=11,
)  # fmt: skip
TWO_FILES = Shown(
    id=3,
    program=Program.of({"program.py": SOURCE.format("limit()"), "a/limits.py": "def limit(): 1\n"}),
    verdicts=SEED.verdicts,
)
CASCADE = replace(
    FACTS,
    stages=(
        Step(name="quick", timeout_s=1.0, memory_mb=128, pass_mark=50),
        Step(name="close", timeout_s=20.0, memory_mb=256),
    ),
    objectives=(Objective("distance", "min"), Objective("length", "max")),
)
MISSED = Shown(
    id=4,
    program=program("900"),
    verdicts=(
        Verdict(stage="quick", split="training", status=Status.OK, values={"distance": 100.0}),
    ),
)
PROMPTS: dict[str, Prompt] = {
    "first_diff": render(TEMPLATES, FACTS, Context(operator=Operator.DIFF, parent=SEED)),
    "full_diff": render(TEMPLATES, FACTS, FULL),
    "rewrite": render(TEMPLATES, FACTS, replace(FULL, operator=Operator.REWRITE, tried=())),
    "stagnant": render(
        TEMPLATES, FACTS, replace(FULL, operator=Operator.REWRITE, hint="", stagnant_for=60)
    ),
    "crossover": render(
        TEMPLATES, FACTS, replace(FULL, operator=Operator.CROSSOVER, tried=(), history=())
    ),
    "failed_parent": render(
        TEMPLATES, FACTS,
        Context(operator=Operator.DIFF, parent=bad(2, "1 / 0", "Traceback ...\n```\nboom\n")),
    ),
    "by_cases": render(
        TEMPLATES, FACTS,
        replace(
            FULL, operator=Operator.CROSSOVER, tried=(), history=(),
            parent=replace(PARENT, cases=(-1.0, -2.0, -3.0, 0.0)),
            inspirations=(
                replace(good(5, "2 * 600", 200), cases=(-2.0, -1.0, -1.0, 0.0)),
                replace(good(9, "31 ** 2", 39), cases=(-2.0,)),
            ),
        ),
    ),
    "two_files": render(TEMPLATES, FACTS, Context(operator=Operator.REWRITE, parent=TWO_FILES)),
    "cascade": render(TEMPLATES, CASCADE, Context(operator=Operator.DIFF, parent=MISSED)),
    "bare_problem": render(
        TEMPLATES,
        replace(
            FACTS, contract="", measurement="", parameters=(), requires=(), records=(),
            baselines=(), other_draws=(),
        ),
        Context(operator=Operator.DIFF, parent=good(1, "500", 500)),
    ),
    "summary": render_summary(TEMPLATES, FACTS, FULL.tried[:2], notes="Nothing yet.", count=4),
}  # fmt: skip


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_is_as_it_was(name):
    prompt = PROMPTS[name]
    text = f"{prompt.fixed}\n\n======== user ========\n\n{prompt.text}\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_no_field_is_left_and_no_heading_is_empty(prompt):
    for text in (prompt.fixed, prompt.text):
        lines = [line for line in text.split("\n") if line]
        assert "$" not in text
        assert not any(
            one.startswith("## ") and other.startswith("## ") for one, other in pairwise(lines)
        )
        assert not lines[-1].startswith("#")
        assert "\n\n\n" not in text


def test_the_fixed_part_is_the_same_for_all_prompts_of_a_run():
    same = ["first_diff", "full_diff", "rewrite", "crossover", "failed_parent", "summary"]
    assert len({PROMPTS[name].fixed for name in same}) == 1
    assert len({PROMPTS[name].hash for name in PROMPTS}) == len(PROMPTS)


def test_programs_judged_in_other_stages_are_not_compared_by_case():
    both = [replace(one, cases=(1.0, 2.0)) for one in (MISSED, PARENT)]
    context = Context(operator=Operator.DIFF, parent=both[0], inspirations=(both[1],))
    assert "test cases" not in render(TEMPLATES, CASCADE, context).text


def test_rendering_is_a_function_of_its_arguments():
    again = render(load_templates(), FACTS, FULL)
    assert (again.hash, again.text) == (PROMPTS["full_diff"].hash, PROMPTS["full_diff"].text)


def test_more_bytes_than_tokens():
    for prompt in PROMPTS.values():
        size = len((prompt.fixed + prompt.text).encode())
        assert size == prompt.size_bytes < prompt.most_tokens <= size + 100


def test_a_failed_program_is_never_shown_as_a_good_one():
    text = PROMPTS["full_diff"].text
    assert "Program 6" not in text
    assert (
        "**This program fails and has no score; mend that first.**" in PROMPTS["failed_parent"].text
    )
    assert "`distance`" not in PROMPTS["failed_parent"].text.split("## The program")[1]
    with pytest.raises(ValueError, match="has a score"):
        render(
            TEMPLATES,
            FACTS,
            replace(FULL, operator=Operator.CROSSOVER, inspirations=(bad(6, "0"),)),
        )


def test_what_a_change_did_is_said_in_the_objectives_own_sign():
    text = PROMPTS["full_diff"].text
    assert "Program 1 became program 7: better, `distance` 100 instead of 500." in text
    assert "It gave program 10: worse, `distance` 910 instead of 100." in text
    assert "It gave program 8: FAILED (crash): ZeroDivisionError" in text
    higher = render(
        TEMPLATES, replace(FACTS, objectives=(Objective("distance", "max"),)), FULL
    ).text
    assert "Program 1 became program 7: worse, `distance` 100 instead of 500." in higher


def test_the_form_asked_for_is_the_form_that_is_read():
    for operator in Operator:
        prompt = render(TEMPLATES, FACTS, replace(FULL, operator=operator))
        form = prompt.text.rpartition("## Form of your answer")[2]
        if operator is Operator.DIFF:
            start = form[form.index("<<<<<<<") : form.index("- SEARCH")]
            answer = start.replace("lines of the program, copied as they stand", "    return 900")
            answer = answer.replace("the lines to put in their place", "    return 999")
        else:
            answer = form.replace("the whole program\n", SOURCE.format("999"))
        result = apply_answer(PARENT.program, answer, expect=operator.expect)
        assert isinstance(result, Applied), result
        assert result.program == program("999")


def test_markers_and_fences_grow_where_the_program_holds_them():
    text = '# EVOLVE-BLOCK-START\nDOC = """\nTitle\n=======\n```\n"""\n# EVOLVE-BLOCK-END\n'
    shown = replace(SEED, program=Program.of({"program.py": text}))
    edits = render(TEMPLATES, FACTS, Context(operator=Operator.DIFF, parent=shown)).text
    assert "<<<<<<<< SEARCH\n" in edits
    assert "\n========\n" in edits
    assert "````python\n# EVOLVE" in edits
    whole = render(TEMPLATES, FACTS, Context(operator=Operator.REWRITE, parent=shown)).text
    assert "````python\nthe whole program\n````" in whole


@given(st.text(st.sampled_from("`~ \nab#"), max_size=60))
def test_no_text_closes_its_fence(text):
    lines = fenced(text, "text").split("\n")
    outer = fences(lines)[0]
    assert (outer.first, outer.last, outer.closed) == (1, len(lines) - 1, True)


@given(
    st.text(st.sampled_from("`# \nab$<>="), max_size=60), st.sampled_from(["stderr", "feedback"])
)
def test_no_text_of_a_candidate_passes_for_a_part_of_the_prompt(text, where):
    usual = render(TEMPLATES, FACTS, Context(operator=Operator.DIFF, parent=SEED))
    parent = good(1, "500", 500, **{where: text})
    prompt = render(TEMPLATES, FACTS, Context(operator=Operator.DIFF, parent=parent))
    inside = {
        n for part in fences(prompt.text.split("\n")) for n in range(part.first - 1, part.last + 1)
    }
    headings = [
        line
        for n, line in enumerate(prompt.text.split("\n"))
        if line.startswith("#") and n not in inside
    ]
    assert headings == [line for line in usual.text.split("\n") if line.startswith("##")]


def test_a_reason_stays_on_its_line():
    assert line_of("a\n## b\x1b[31m\u202e") == "a ## b\\x1b[31m\\u202e"
    assert len(line_of("x" * 10_000)) <= 400


def test_a_miss_is_sent_back_with_the_nearest_lines():
    answer = "<<<<<<< SEARCH\n    return 901\n=======\n    return 1\n>>>>>>> REPLACE\n"
    refused = apply_answer(PARENT.program, answer)
    assert isinstance(refused, Refused)
    assert refused.kind is Kind.NOT_FOUND
    text = render_retry(TEMPLATES, refused, Expect.EDITS)
    assert refused.reason in text
    assert "```\n    return 900\n```" in text
    assert "$" not in text
