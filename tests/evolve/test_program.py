"""Programs, their EVOLVE-BLOCKs, and what makes two of them the same."""

from __future__ import annotations

import ast
import pickle
import re
from dataclasses import FrozenInstanceError
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.program import (
    MAX_FILE_BYTES,
    Program,
    ProgramError,
    blocks,
    check_seed,
    length,
    outside_changed,
    syntax_hash,
)

SOURCE = """import math

# EVOLVE-BLOCK-START
def f(x, y):
    \"\"\"Adds.\"\"\"
    total = x + y  # a comment
    return (total)
# EVOLVE-BLOCK-END

print(f(1, 2))
"""


def one(text: str, path: str = "a.py") -> Program:
    return Program.of({path: text})


def function(body: str, head: str = "def f(x, y):") -> Program:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return one(f"# EVOLVE-BLOCK-START\n{head}\n{lines}# EVOLVE-BLOCK-END\n")


def test_files_are_sorted_and_cannot_be_changed():
    program = Program.of({"b.py": "1\n", "a.py": "2\n"})
    assert list(program.files) == ["a.py", "b.py"]
    with pytest.raises(TypeError):
        program.files["a.py"] = ""  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        program.hash = ""  # type: ignore[misc]


FILES = st.dictionaries(
    st.from_regex(r"\A[a-c]{1,2}\.py\Z"), st.text("ab:1\n", max_size=6), min_size=1
)


@given(FILES, FILES)
def test_the_hash_tells_contents_apart(a, b):
    assert (Program.of(a).hash == Program.of(b).hash) == (a == b)
    assert (Program.of(a) == Program.of(b)) == (a == b)


def test_a_copy_through_pickle_is_equal_and_checked_again():
    program = one(SOURCE)
    assert pickle.loads(pickle.dumps(program)) == program  # noqa: S301


@pytest.mark.parametrize(
    "path",
    ["", "/a.py", "../a.py", "a/../b.py", "a//b.py", "a\\b.py", ".", "a/", "a\nb", "-rf", "é.py"],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path):
    with pytest.raises(ProgramError, match="not a plain relative path"):
        one("", path)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "at least one file"),
        ({"a.py": "x" * (MAX_FILE_BYTES + 1)}, "at most"),
        ({f"{i}.py": "" for i in range(65)}, "65 files"),
        ({f"{i}.py": "x" * MAX_FILE_BYTES for i in range(5)}, "in all"),
        ({"a": "", "a/b.py": ""}, "both a file and the folder"),
        ({"a.py": "1\n2\0"}, "a.py:2: a NUL"),
        ({"a.py": "1\r\n2\r3"}, "a.py:2: CR without LF"),
        ({"a.py": "\ud800"}, "not valid text"),
        ({"a" * 201: ""}, "201 characters"),
    ],
)
def test_files_that_are_no_program_are_refused(files, reason):
    with pytest.raises(ProgramError, match=reason):
        Program.of(files)


def test_a_block_is_the_lines_between_its_markers():
    (block,) = blocks(one(SOURCE))
    assert (block.file, block.first, block.last) == ("a.py", 4, 7)
    assert block.text == "".join(SOURCE.splitlines(keepends=True)[3:7])


def test_blocks_are_found_behind_any_comment_sign_and_in_several_files():
    program = Program.of(
        {
            "a.c": "  // EVOLVE-BLOCK-START\nint x;\n/* EVOLVE-BLOCK-END */\n",
            "b.html": "<!-- EVOLVE-BLOCK-START -->\n<!-- EVOLVE-BLOCK-END -->",
            "c.lua": "--EVOLVE-BLOCK-START one\r\nx = 1\r\n-- EVOLVE-BLOCK-END",
        }
    )
    assert [(b.file, b.first, b.last, b.text) for b in blocks(program)] == [
        ("a.c", 2, 2, "int x;\n"),
        ("b.html", 2, 1, ""),
        ("c.lua", 2, 2, "x = 1\r\n"),
    ]


def test_text_that_only_mentions_a_marker_is_none():
    text = 'x = "# EVOLVE-BLOCK-START"\n"# EVOLVE-BLOCK-END"\n'
    text += "# see EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-STARTED\n"
    assert blocks(one(text)) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "# EVOLVE-BLOCK-START\nx\n# EVOLVE-BLOCK-START\n",
            "a.py:3: .* inside the block of line 1",
        ),
        ("x\n# EVOLVE-BLOCK-END\n", "a.py:2: .* without a start"),
        ("x\n\n# EVOLVE-BLOCK-START\nx", "a.py:3: .* without an end"),
    ],
)
def test_broken_markers_are_named_with_file_and_line(text, reason):
    with pytest.raises(ProgramError, match=reason):
        blocks(one(text))


def test_a_seed_needs_a_block():
    check_seed(one(SOURCE))
    with pytest.raises(ProgramError, match=r"no EVOLVE-BLOCK in a\.py, b\.py"):
        check_seed(Program.of({"a.py": "x = 1\n", "b.py": ""}))


@given(st.lists(st.text("ab #", max_size=5), max_size=4))
def test_changes_inside_a_block_are_allowed(lines):
    changed = SOURCE.replace("    return (total)\n", "".join(f"{line}\n" for line in lines))
    assert outside_changed(one(SOURCE), one(changed)) is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("print(f(1, 2))", "print(0)", r"a.py:10: 'print\(0\)' .* line 10 was 'print"),
        ("import math", "import math  ", "a.py:1:"),
        ("# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-START ", "a.py:3:"),
        ("# EVOLVE-BLOCK-END\n", "", "without an end"),
        ("    return", "# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\n    return", "a.py:8:"),
        ("print(f(1, 2))\n", "print(f(1, 2))", "removed"),
        ("print(f(1, 2))\n", "print(f(1, 2))\n\n", "added"),
        ("import math\n", "import math\r\n", "a.py:1:"),
    ],
)
def test_a_change_outside_of_the_blocks_is_named(old, new, reason):
    message = outside_changed(one(SOURCE), one(SOURCE.replace(old, new, 1)))
    assert message is not None
    assert re.search(reason, message), message
    assert "\n" not in message


def test_files_may_neither_come_nor_go():
    both = Program.of({"a.py": SOURCE, "b.py": ""})
    assert outside_changed(one(SOURCE), both) == "b.py: a new file"
    assert outside_changed(both, one(SOURCE)) == "b.py: the file is missing"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("return x+y", "return (x + (y))  # sum"),
        ('"""Doc."""\nreturn 1', "pass\n\nreturn 1"),
        ("t = x\nreturn t", "total = x\nreturn total"),
        ("return [i for i in x]", "return [j for j in x]"),
        (
            "return lambda: [(i, k) for i in x for k in i]",
            "return lambda: [(k, i) for k in x for i in k]",
        ),
        ("def g(): return t\nt = 1\nreturn g", "def g(): return s\ns = 1\nreturn g"),
        ("for i, (j, *k) in x: y += i", "for a, (b, *c) in x: y += a"),
        ("if (n := x): return n", "if (m := x): return m"),
        ("with x as h: return h.t", "with x as fh: return fh.t"),
        ("return 1_000", "return 1000"),
        ("return 'a'", 'return "a"'),
    ],
)
def test_programs_that_differ_in_layout_and_local_names_only_are_the_same(a, b):
    assert syntax_hash(function(a)) == syntax_hash(function(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("return x + y", "return y + x"),
        ("return 1", "return 1.0"),
        ("return 1", "return True"),
        ("return 0.0", "return -0.0"),
        ("return x - (y - 1)", "return x - y - 1"),
        ("return x.a", "return x.b"),
        ("a, b = x\nreturn a", "a, b = x\nreturn b"),
        ("return p", "return q"),
        ("return [i for i in x] + i", "return [j for j in x] + j"),
        ("t = x\nreturn [t for t in y] + [t]", "t = x\nreturn [s for s in y] + [s]\ns = t"),
        ("global t\nt = 1", "global s\ns = 1"),
        ("def g():\n    t = 1\nreturn t", "def g():\n    s = 1\nreturn s"),
        ("class C:\n    t = 1", "class C:\n    s = 1"),
        (
            "class C:\n    t = 1\n    def g(self): return t",
            "class C:\n    t = 1\n    def g(self): return s",
        ),
        ("t = 1\nreturn locals()", "s = 1\nreturn locals()"),
        ("t = 1\nreturn eval('t')", "s = 1\nreturn eval('t')"),
        ("import a", "import b"),
        ("return f(t=1)", "return f(s=1)"),
        ("return x < y", "return x <= y"),
        ("return 'a b'", "return 'a  b'"),
    ],
)
def test_programs_that_may_behave_differently_are_not_the_same(a, b):
    assert syntax_hash(function(a)) != syntax_hash(function(b))


NESTED = [
    "@ = 5\n@ = 1\ndef g():\n    nonlocal count\n    count += 7\ng()\nreturn @, @",
    "@ = 5\n@ = 1\ndef g():\n    def h():\n        nonlocal best\n        @ = 3\n    @ = 2\n"
    "    h()\n    return @\nreturn g(), @",
    "@ = 5\n@ = 1\nclass C:\n    nonlocal count\n    @ = 3\n    def g(self): return @\n"
    "return @, C().g()",
    "@ = 5\ndef g():\n    global count\n    count = 4\n    def h(): return @\n    return h() + @\n"
    "return g(), @",
    "x = [(lambda: (@ := k))() for k in (3, 4)]\nreturn x, @",
    "x = [(@ := k) for k in (3, 4) if (lambda z=(@ := 9): z)()]\nreturn x, @",
    "x = (lambda: [(@ := k) for k in (3, 4)] + [@])()\nreturn x, @",
    "@ = 5\ndef g():\n    def h(z=(@ := 7)): return @\n    return h(), @\nreturn g(), @",
    "@ = 5\ndef g():\n    f = lambda *, z=(@ := 7): @\n    return f(), @\nreturn g(), @",
    "@ = 5\ndef g():\n    class C(*[(@ := object)]): count = @\n    return @ == 5\nreturn g(), @",
    "@ = [3, 4]\n@ = [[@ for @ in best] for @ in @]\nreturn @",
    "@ = 5\n@ = 6\nclass C:\n    @ = @\n    def g(self): return @\nreturn C.count, C().g(), @",
    "class C:\n    def g(self):\n        @ = 1\n        @ = 2\n        return @\n"
    "return C().g(), C.__name__",
]
"""Bodies with places for names, in scopes within scopes."""


def _given(text: str) -> str:
    names: dict[str, object] = {"best": [8], "count": [9]}
    try:
        exec(text, names)
        function = names["f"]
        assert callable(function)
        return repr((function(), names["best"], names["count"]))
    except (SyntaxError, NameError, TypeError, AttributeError) as error:
        return type(error).__name__


@pytest.mark.parametrize("body", NESTED)
def test_whatever_is_the_same_gives_the_same_however_scopes_are_nested(body):
    names = ("__a", "_C__a", "best") if "__" in body else ("best", "count")
    found: dict[str, set[str]] = {}
    for filled in product(names, repeat=body.count("@")):
        rest = iter(filled)
        text = "".join(next(rest) if part == "@" else part for part in re.split("(@)", body))
        program = function(text, "def f():")
        found.setdefault(syntax_hash(program), set()).add(_given(program.files["a.py"]))
    assert len(found) > 1
    assert all(len(results) == 1 for results in found.values())


def test_parameters_keep_their_names_because_callers_use_them():
    assert syntax_hash(function("return x", "def f(x):")) != syntax_hash(
        function("return z", "def f(z):")
    )


def test_other_files_count_with_white_space_normalised():
    a, b, c = (one(text, "a.c") for text in ("int  x;\n", "int x; ", "intx;"))
    assert syntax_hash(a) == syntax_hash(b) != syntax_hash(c)
    assert syntax_hash(one("def f(:", "a.py")) == syntax_hash(one("def  f(:\n", "a.py"))


@given(st.text("()[]:=x1+ \n'\\#%.", max_size=40))
def test_any_text_has_hashes_and_a_length(text):
    program = one(text)
    assert len(syntax_hash(program)) == 64
    assert length(program) == 0


def test_text_too_deep_for_the_parser_is_taken_as_text():
    program = one("x = " + "-" * 5000 + "1\n")
    assert syntax_hash(program) == syntax_hash(one(program.files["a.py"] + "\n"))


def test_the_length_counts_what_is_inside_and_not_docstrings():
    inside = ast.parse("def f(x, y):\n    total = x + y\n    return total\n")
    nodes = sum(hasattr(node, "lineno") for node in ast.walk(inside))
    assert length(one(SOURCE)) == nodes
    assert length(one(SOURCE.replace("x + y", "x + y + 1"))) == nodes + 2
    assert length(one(SOURCE.replace("1, 2", "1, 2, 3"))) == nodes


def test_the_length_of_other_languages_counts_tokens():
    assert length(one("// EVOLVE-BLOCK-START\nint x1 = 2;\n// EVOLVE-BLOCK-END\n", "a.c")) == 5
