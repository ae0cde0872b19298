"""Laws of reading answers: nothing raises, nothing is partial, and time stays bounded."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.answers import cases
from evolve.answers import MAX_ANSWER_CHARS, Applied, Expect, Form, Kind, Refused, apply_answer
from evolve.answers.blocks import parse_blocks
from evolve.diff import between
from evolve.program import Program, outside_changed, syntax_hash

SOURCE = """import math

# EVOLVE-BLOCK-START
def f(n):
    total = 0
    for i in range(n):
        if i % 2:
            total += i
        else:
            total -= 1
    while total > 10:
        total -= 3

    return total
# EVOLVE-BLOCK-END

print(f(1))
"""
PARENT = Program.of({"program.py": SOURCE})
CORPUS = [case.text for case in cases()]
PIECES = st.sampled_from(
    [
        "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "```\n", "```python\n", "```diff\n",
        "<think>\n", "</think>\n", "@@ -4,3 +4,3 @@\n", "--- a/program.py\n", "+++ b/program.py\n",
        "# EVOLVE-BLOCK-START\n", "# EVOLVE-BLOCK-END\n", "    total = 0\n", "    total = 1\n",
        "-    total = 0\n", "+    total = 1\n", " def f(n):\n", "def f(n):\n", "\n",
        "    return total\n",
        "import math\n", "\t", "\r\n", "\0", "\ud800", "\u202e", "*** Begin Patch\n", SOURCE,
        "*** End Patch\n", "program.py\n", "#", "'", "(" * 50,
    ]
)  # fmt: skip


def sound(result: Applied | Refused) -> None:
    if isinstance(result, Applied):
        assert outside_changed(PARENT, result.program) is None
        assert syntax_hash(result.program) != syntax_hash(PARENT)
        compile(result.program.files["program.py"], "program.py", "exec")
    else:
        assert result.reason


@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(Expect))
def test_no_answer_raises_and_a_child_is_sound(text, expect):
    sound(apply_answer(PARENT, text, expect=expect))


@given(st.text(st.characters(categories=None), max_size=200), st.sampled_from(CORPUS), st.data())
def test_damage_never_raises(noise, text, data):
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(at, len(text)))
    sound(apply_answer(PARENT, text[:at] + noise + text[cut:]))


def children() -> st.SearchStrategy[Program]:
    """Programs that differ from the parent in some lines of the block."""
    lines = SOURCE.split("\n")

    def made(changes: dict[int, str]) -> Program:
        return Program.of(
            {"program.py": "\n".join(changes.get(n, line) for n, line in enumerate(lines))}
        )

    new = st.sampled_from(
        ["    total = 5", "    pass", "    total += n\n    n += 1", "", "    return 1"]
    )
    return st.dictionaries(st.integers(4, 13), new, min_size=1, max_size=4).map(made)


def given_child(child: Program) -> bool:
    try:
        compile(child.files["program.py"], "program.py", "exec")
    except SyntaxError:
        return False
    return syntax_hash(child) != syntax_hash(PARENT)


@given(children().filter(given_child), st.sampled_from(["", "```python\n", "Here:\n\n```\n"]))
def test_an_exact_answer_gives_exactly_the_child_in_each_form(child, fence):
    end = "```\n" if fence else ""
    answers = {
        Form.BLOCKS: f"{fence}{between(PARENT, child)}{end}Done.",
        Form.WHOLE: f"```python\n{child.files['program.py']}```\n",
    }
    for form, answer in answers.items():
        for text in (answer, answer.replace("\n", "\r\n"), f"<think>\nhm\n</think>\n{answer}"):
            result = apply_answer(PARENT, text)
            assert isinstance(result, Applied), result
            assert (result.form, result.program) == (form, child)


@given(children().filter(given_child), st.integers(1, 6), st.sampled_from([" ", "\t"]))
def test_indentation_that_is_shifted_as_a_whole_is_shifted_back(child, width, sign):
    answer = between(PARENT, child)
    edits = parse_blocks(answer.split("\n"), fenced_text=False)
    assume(all("".join(edit.search).strip() for edit in edits))  # a blank line tells no indentation
    shifted = "".join(
        line if line.startswith(("<", "=", ">")) or not line.strip() else sign * width + line
        for line in answer.splitlines(keepends=True)
    )
    result = apply_answer(PARENT, shifted)
    # what cannot be placed at one place only is refused, never guessed
    if isinstance(result, Applied):
        assert syntax_hash(result.program) == syntax_hash(child)  # blank lines may differ
    else:
        assert result.kind in (Kind.AMBIGUOUS, Kind.NOT_FOUND, Kind.SYNTAX_ERROR)


@given(children().filter(given_child), st.integers(0, 400))
def test_an_answer_that_was_cut_off_is_never_applied_in_part(child, keep):
    answer = between(PARENT, child)
    text = answer[:keep]
    result = apply_answer(PARENT, text)
    if isinstance(result, Applied):
        # only whole blocks are there, so no block was cut
        assert text.rstrip().endswith((">>>>>>> REPLACE", ">>>>>>>", ">>>>>>> REPLACED"))


@given(st.sampled_from(CORPUS))
def test_what_the_vendor_calls_cut_or_declined_is_no_program(text):
    assert apply_answer(PARENT, text, cut=True).kind is Kind.TRUNCATED  # type: ignore[union-attr]
    assert apply_answer(PARENT, text, declined=True).kind is Kind.DECLINED  # type: ignore[union-attr]


BLOCK = "<<<<<<< SEARCH\n    total = 0\n=======\n    total = 1\n>>>>>>> REPLACE\n"
HUGE = 400_000
HOSTILE = {
    "starts": "<<<<<<< SEARCH\n" * (HUGE // 15),
    "dividers": "<<<<<<< SEARCH\n" + "=======\n" * (HUGE // 8),
    "dividers of growing length": "".join(
        ["<<<<<<< SEARCH\n", *("=" * n + "\n" for n in range(5, 900))]
    ),
    "blocks": BLOCK * (HUGE // len(BLOCK)),
    "blocks that differ": "".join(
        BLOCK.replace("= 1", f"= {n}") for n in range(HUGE // len(BLOCK))
    ),
    "fences": "```python\n" * (HUGE // 10),
    "fences open and close": "```python\nx\n```\n" * (HUGE // 16),
    "longer and longer fences": "".join("`" * n + "x\n" for n in range(3, 900)),
    "thinking": "<think>" * (HUGE // 7),
    "thinking closed": "</think>\n" * (HUGE // 9),
    "attributes": "<think " * (HUGE // 7),
    "hunks": "```diff\n" + "@@ -1 +1 @@\n-    total = 0\n+    total = 1\n" * 9000 + "```",
    "headers": "```diff\n" + "--- a\n+++ b\n" * (HUGE // 12) + "@@\n+a\n```",
    "markers": "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n" * (HUGE // 42),
    "marked programs": f"```\n{SOURCE}```\n" * (HUGE // 300),
    "blanks": " " * HUGE,
    "blank lines": "\n" * HUGE,
    "one long line": "x" * HUGE,
    "stars": "*" * HUGE + "\n<<<<<<< SEARCH\n",
    "a path of slashes": "a/" * (HUGE // 2) + "\n" + BLOCK,
    "words before a block": "file path: " * (HUGE // 11) + "\n" + BLOCK,
    "sentences about code": "# the existing code " * (HUGE // 20),
    "search text": BLOCK.replace("    total = 0\n", "    total = 0\n" * (HUGE // 14)),
    "new lines": BLOCK.replace("    total = 1\n", "    total = 1\n" * 15_000),
    "parentheses": BLOCK.replace("= 1", "= " + "(" * 100_000 + ")" * 100_000),
    "minus signs": BLOCK.replace("= 1", "= " + "-" * 200_000 + "1"),
    "surrogates": BLOCK.replace("= 1", "= '" + "\ud800" * 1000 + "'"),
    "NULs": BLOCK.replace("= 1", "= 1" + "\0" * 1000),
    "directions": BLOCK.replace("= 1", "= '" + "\u202e\u2066" * 1000 + "'"),
    "functions": "```python\n" + "def f(n): pass\n" * 20_000 + "```",
    "more than is read": "x" * (MAX_ANSWER_CHARS + 1),
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("expect", Expect)
def test_megabytes_of_anything_end_soon(text, expect):
    began = time.process_time()
    sound(apply_answer(PARENT, text, expect=expect))
    assert time.process_time() - began < 5.0


def test_a_large_program_of_equal_lines_is_searched_in_no_time():
    lines = "".join("x = 1\n" for _ in range(20_000))
    parent = Program.of({"a.py": f"# EVOLVE-BLOCK-START\n{lines}y = 2\n# EVOLVE-BLOCK-END\n"})
    search = "x = 1\n" * 10_000 + "y = 3\n"
    began = time.process_time()
    result = apply_answer(parent, f"<<<<<<< SEARCH\n{search}=======\nz = 1\n>>>>>>> REPLACE\n" * 5)
    assert isinstance(result, Refused)
    assert result.kind is Kind.NOT_FOUND
    assert time.process_time() - began < 2.0


@settings(max_examples=30)
@given(st.sampled_from(CORPUS), st.integers(2, 20))
def test_an_answer_repeated_is_the_same_or_refused(text, times):
    once, often = apply_answer(PARENT, text), apply_answer(PARENT, f"{text}\n" * times)
    if isinstance(once, Applied) and isinstance(often, Applied):
        assert often.program == once.program


def test_a_miss_names_the_nearest_lines_and_what_differs():
    answer = "<<<<<<< SEARCH\n    for i in range(n):\n        if i % 3:\n=======\n>>>>>>> REPLACE\n"
    result = apply_answer(PARENT, answer)
    assert isinstance(result, Refused)
    assert result.kind is Kind.NOT_FOUND
    assert result.block == 1
    assert result.nearest == "    for i in range(n):\n        if i % 2:\n"
    assert result.reason.endswith(
        "nearest is line 6: where it has 'if i % 3:', the program has 'if i % 2:'"
    )
    assert result.worth_sending_back


def test_a_decline_is_not_sent_back():
    result = apply_answer(PARENT, "I'm sorry, I can't do that.")
    assert isinstance(result, Refused)
    assert not result.worth_sending_back
