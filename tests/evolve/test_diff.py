"""SEARCH/REPLACE blocks as machines write them: exact, whole, never outside of an EVOLVE-BLOCK."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from evolve.answers.blocks import parse_blocks
from evolve.answers.placing import place_edits
from evolve.answers.records import AnswerError, Edit, Kind
from evolve.diff import between, unified
from evolve.program import Program, ProgramError, outside_changed

START, END = "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END"
SOURCE = f"""import math

{START}
def f(n):
    for i in range(n):
        print(i)
    for i in range(n):
        print(-i)
    for i in range(n):
        print(0)
{END}

print(f(1))
"""


def one(text: str) -> Program:
    return Program.of({"a.py": text})


def block(search: str, replace: str, signs: int = 7) -> str:
    return f"{'<' * signs} SEARCH\n{search}{'=' * signs}\n{replace}{'>' * signs} REPLACE\n"


def parse(answer: str) -> list[Edit]:
    return parse_blocks(answer.split("\n"), fenced_text=False)


def apply(parent: Program, edits: list[Edit]) -> Program:
    return place_edits(parent, edits)[0]


def changed(answer: str, source: str = SOURCE) -> str:
    return apply(one(source), parse(answer)).files["a.py"]


def fault(answer: str, program: Program | None = None) -> tuple[Kind, str]:
    with pytest.raises(AnswerError) as caught:
        apply(program or one(SOURCE), parse(answer))
    assert "\n" not in str(caught.value)
    return caught.value.refused.kind, str(caught.value)


def test_edits_are_read_from_an_answer_with_text_around_them():
    answer = (
        "I will change:\n\n```python\n"
        + block("a\nb\n", "c\n")
        + "```\n=======\nand\n\nsrc/b.py\n"
        + block("x\n", "")
    )
    assert parse(answer) == [
        Edit(search=("a", "b"), replace=("c",)),
        Edit(search=("x",), replace=(), file="src/b.py"),
    ]


@pytest.mark.parametrize(
    "line", ["b.py", "`b.py`:", "**b.py**", "# b.py", "b.py\r", "b.py\n```python"]
)
def test_a_path_on_the_line_before_names_the_file(line):
    assert parse(f"Now\n{line}\n" + block("x\n", "y\n"))[0].file == "b.py"


def test_a_sentence_before_a_block_is_no_path():
    assert parse("Change a.py so:\n" + block("x\n", "y\n"))[0].file is None


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("<<<<<<< SEARCH\nx\n", Kind.TRUNCATED, "block 1: the '=======' divider is missing"),
        (
            "<<<<<<< SEARCH\nx\n=======\ny\n",
            Kind.TRUNCATED,
            "block 1: the REPLACE marker is missing",
        ),
        (
            block("x\n", "y\n") + "<<<<<<< SEARCH\nx\n<<<<<<< SEARCH\n",
            Kind.UNPARSABLE,
            "block 2: SEARCH marker where",
        ),
        (
            "<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n",
            Kind.UNPARSABLE,
            "block 1: REPLACE marker where",
        ),
        (
            block("x\n", "y\n=======\nz\n"),
            Kind.UNPARSABLE,
            "block 1: '=======' divider where the REPLACE",
        ),
        ("x\n>>>>>>> REPLACE\n", Kind.UNPARSABLE, "block 1: REPLACE marker without"),
    ],
)
def test_a_broken_answer_is_refused_with_the_reason(answer, kind, reason):
    with pytest.raises(AnswerError, match=reason) as caught:
        parse(answer)
    assert caught.value.refused.kind is kind


def test_all_edits_apply_at_once_to_the_parent():
    answer = block("        print(0)\n", "        print(-i)\n") + block(
        "        print(-i)\n", "        print(0)\n        print(1)\n"
    )
    text = (
        SOURCE.replace("(0)", "(?)").replace("(-i)", "(0)\n        print(1)").replace("(?)", "(-i)")
    )
    assert changed(answer) == text


def test_a_search_text_must_occur_exactly_once():
    good = block("        print(0)\n", "        print(1)\n")
    assert fault(good + block("    for i in range(n):\n", "")) == (
        Kind.AMBIGUOUS,
        "block 2: SEARCH text '    for i in range(n):' stands more than once, at lines 5 and 7 for "
        "example; quote more of the lines around it",
    )
    kind, message = fault(good + block("    for j in range(n):\n", ""))
    assert kind is Kind.NOT_FOUND
    assert message == (
        "block 2: SEARCH text '    for j in range(n):' is not in the program; nearest is line 5: "
        "where it has 'for j in range(n):', the program has 'for i in range(n):'"
    )


def test_search_matches_whole_lines():
    assert fault(block("int(0)\n", "int(1)\n"))[0] is Kind.NOT_FOUND
    assert "SEARCH text is empty" in fault(block("", "print(1)\n"))[1]


def test_a_long_search_text_is_cut_in_the_middle():
    _, message = fault(block("x" * 500 + "y\n", ""))
    assert len(message) < 200
    assert "xx ... xx" in message


def test_text_outside_of_the_blocks_stays():
    assert fault(block("print(f(1))\n", "print(2)\n")) == (
        Kind.OUTSIDE_BLOCK,
        "block 1: SEARCH text 'print(f(1))' stands at a.py:13, outside of the EVOLVE-BLOCKs",
    )
    assert fault(block(f"{END}\n", ""))[0] is Kind.OUTSIDE_BLOCK
    assert fault(block("        print(0)\n", f"{END}\n{START}\n"))[0] is Kind.OUTSIDE_BLOCK


def test_text_outside_may_be_quoted_if_it_stays_the_same():
    answer = block(f"\n{START}\ndef f(n):\n", f"\n{START}\ndef f(n, m=0):\n")
    assert changed(answer) == SOURCE.replace("f(n)", "f(n, m=0)")


def test_the_same_line_outside_does_not_make_it_ambiguous():
    source = f"x = 1\n{START}\nx = 1\n{END}\n"
    assert changed(block("x = 1\n", "x = 2\n"), source) == f"x = 1\n{START}\nx = 2\n{END}\n"


def test_edits_that_overlap_are_refused():
    answer = block("        print(0)\n", "") + block(
        "    for i in range(n):\n        print(0)\n", "    pass\n"
    )
    kind, message = fault(answer)
    assert kind is Kind.AMBIGUOUS
    assert message == "block 2 overlaps block 1: both change line 10 of the program; join the two"


def test_an_edit_that_changes_nothing_gives_the_parent_itself():
    parent = one(SOURCE)
    assert apply(parent, parse(block("def f(n):\n", "def f(n):\n"))) == parent


def test_the_named_file_is_meant_where_there_are_several():
    text = f"{START}\nx = 1\n{END}\n"
    program = Program.of({"a.py": text, "b.py": text})
    edit = block("x = 1\n", "x = 2\n")
    child = apply(program, parse("b.py\n" + edit))
    assert child.files == {"a.py": text, "b.py": f"{START}\nx = 2\n{END}\n"}
    assert fault(edit, program)[0] is Kind.AMBIGUOUS
    assert fault("c.py\n" + edit, program) == (
        Kind.NOT_FOUND,
        "block 1: no file 'c.py'; the program has a.py, b.py",
    )


def test_line_ends_of_the_file_are_kept():
    source = SOURCE.replace("\n", "\r\n").removesuffix("\r\n")
    answer = block("        print(0)\n", "        print(1)\n        print(2)\n")
    expected = source.replace("        print(0)", "        print(1)\r\n        print(2)")
    assert changed(answer, source) == expected
    assert changed(answer.replace("\n", "\r\n"), source) == expected


def test_longer_markers_may_hold_lines_that_look_like_markers():
    source = f"{START}\n=======\n<<<<<<< SEARCH\n{END}\n"
    answer = block("=======\n", ">>>>>>> REPLACE\n", signs=8)
    assert changed(answer, source) == f"{START}\n>>>>>>> REPLACE\n<<<<<<< SEARCH\n{END}\n"


LINES = st.lists(
    st.sampled_from(
        ["a", "b", "  a", "", "x\r", "\r", "=======", "<<<<<<< SEARCH", ">>>>>>>> REPLACE", "a.py"]
    ),
    max_size=5,
)


@st.composite
def relatives(draw: st.DrawFn) -> tuple[Program, Program]:
    """Two programs that are alike outside of their blocks."""
    parent: dict[str, str] = {}
    child: dict[str, str] = {}
    for path in ("a.py", "b/c.txt")[: draw(st.integers(1, 2))]:
        before: list[str] = draw(LINES)
        after = list(before)
        crlf = draw(st.booleans())
        for _ in range(draw(st.integers(0, 3))):
            old = draw(LINES)
            new = old if draw(st.booleans()) else draw(LINES)
            rest = draw(LINES)
            before += [START, *old, END, *rest]
            after += [START, *new, END, *rest]
        for lines, files in ((before, parent), (after, child)):
            text = "\n".join(lines)
            files[path] = (
                text.replace("\r", "").replace("\n", "\r\n") if crlf else text.rstrip("\r")
            )
    return Program.of(parent), Program.of(child)


@given(relatives())
@example(
    (
        one(f"{START}\r\n{END}\r\n{START}\r\n{END}"),
        one(f"{START}\r\n{END}\r\n{START}\r\na\n{END}"),
    )
)
def test_between_and_apply_give_exactly_the_child(pair):
    parent, child = pair
    answer = between(parent, child)
    assert (answer == "") == (parent == child)
    if answer:
        assert apply(parent, parse(f"Some text.\n{answer}\nMore.")) == child


@given(relatives(), st.lists(st.tuples(LINES, LINES), min_size=1, max_size=3), st.data())
def test_whatever_is_applied_the_outside_stays(pair, edits, data):
    parent, _ = pair
    texts = [text.split("\n") for text in parent.files.values()]
    made = []
    for search, replace in edits:
        if data.draw(st.booleans()):
            lines = data.draw(st.sampled_from(texts))
            first = data.draw(st.integers(0, len(lines) - 1))
            search = lines[first : data.draw(st.integers(first + 1, len(lines)))]
            replace = [*replace, *search] if data.draw(st.booleans()) else replace
        made.append(Edit(search=tuple(search), replace=tuple(replace)))
    before = dict(parent.files)
    try:
        child = apply(parent, made)
    except AnswerError:
        assert dict(parent.files) == before
        return
    assert outside_changed(parent, child) is None
    if len(made) == 1:  # of several, a later one may take back what an earlier one wrote
        # where the search is found but for its white space, so is what replaces it written
        text = "\n".join(child.files.values())
        assert all(line.strip() in text for line in made[0].replace)


@given(relatives(), st.integers(0, 9))
def test_one_edit_that_fails_leaves_none_applied(pair, position):
    parent, child = pair
    assume(parent != child)
    edits = parse(between(parent, child))
    edits.insert(position % (len(edits) + 1), Edit(search=("not there",), replace=("a",)))
    with pytest.raises(AnswerError, match="is not in the program"):
        apply(parent, edits)


def test_between_refuses_programs_that_differ_outside():
    with pytest.raises(ProgramError, match=r"a\.py:1"):
        between(one(SOURCE), one(SOURCE.replace("import math", "import cmath")))


def test_between_changes_no_more_than_it_needs():
    child = SOURCE.replace("print(0)", "print(1)")
    assert between(one(SOURCE), one(child)) == block("        print(0)\n", "        print(1)\n")


def test_the_unified_diff_shows_lines_and_a_missing_last_newline():
    text = unified(one("a\nb\n"), one("a\nc"))
    assert (
        text
        == "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
    )
    assert unified(one("a\n"), one("a\n")) == ""
