"""Programs are read in pieces that are remembered: what comes out is what the whole would give."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve import syntax, tree
from evolve.program import Program
from evolve.tree.source import source

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("problems/*/*.py"), *ROOT.glob("evolve/tree/*.py")])
ODD = [
    "x = '''\ndef f():\n    return 1\n'''\n",
    "x = [\n1,\n]\n@d\n@e(\n    1,\n)\n\ndef f(): return x\nclass A: pass\n",
    "if x:\n    y = 1\nelse:\n    y = 2\ndef f(): return y\n",
    "x = 1 + \\\n2\ndef f(): return 1\n",
    "def f(): return locals()\ndef g():\n    a = 1\n    return a\n",
    "async def f(): pass\nasync with a: pass\ndefault = 1\n",
]
LINES = st.sampled_from(
    ["def f():", "    return 1", "x = 1", '"""', "@d", "class A:", "    y = [", "]", "\\", "(", ")"]
)


@pytest.mark.parametrize("text", [*(path.read_text() for path in FILES), *ODD])
def test_the_normal_form_of_pieces_is_that_of_the_whole(text: str) -> None:
    cut, whole = (syntax.normal_form(each) for each in (text, text.replace("\n", "\r\n")))
    assert cut is not None
    assert whole is not None
    assert len(syntax.pieces(text.replace("\n", "\r\n")) or ()) == 1
    assert cut.text == whole.text
    last = text.count("\n") + 1
    for first, end in [(1, last), (last // 3, last // 2), (last // 2, last)]:
        assert cut.nodes(first, end) == whole.nodes(first, end)


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_pieces_parse_just_where_the_whole_does(text: str) -> None:
    whole, pieces = syntax.parse(text), syntax.pieces(text)
    assert (whole is None) == (pieces is None)
    if whole is not None and pieces is not None:
        body = [statement for piece in pieces for statement in piece.tree.body]
        assert [ast.dump(statement) for statement in body] == [ast.dump(s) for s in whole.body]
        above = [piece.above + s.lineno for piece in pieces for s in piece.tree.body]
        assert above == [statement.lineno for statement in whole.body]


def large(functions: int) -> Program:
    text = "".join(
        f"def f{i}(x: float, k: int) -> float:\n    y = {i}.5 * x - k\n    return y + {i}\n\n\n"
        for i in range(functions)
    )
    return Program.of({"a.py": f"# «ü»\n# EVOLVE-BLOCK-START\n{text}# EVOLVE-BLOCK-END\n"})


def test_places_lie_where_their_text_stands_in_children_of_children() -> None:
    program = large(12)
    rng = random.Random(3)
    for _ in range(40):
        program = tree.propose(program, [large(3)], rng, max_length=1000).program
        found = source(program)
        assert len(found.above) > 5
        for site in found.sites:
            start, end = found.lines_of(site.part).span(site.node)
            text = program.files["a.py"][start:end]
            assert ast.dump(ast.parse(f"({text})", mode="eval").body) == ast.dump(site.node)


def test_a_piece_that_stands_twice_has_places_of_its_own_each_time() -> None:
    text = "def f(x: float) -> float:\n    return 2.5 * x\n\n\n"
    program = Program.of(
        {"a.py": f"# EVOLVE-BLOCK-START\n{text}X = 1\n\n\n{text}{text}# EVOLVE-BLOCK-END\n"}
    )
    found = source(program)
    spans = [found.lines_of(site.part).span(site.node) for site in found.sites]
    assert len(set(spans)) == len(spans)
    for seed in range(30):
        child = tree.propose(program, [], random.Random(seed), operators=["hoist"]).program
        assert child.files["a.py"].count("2.5") >= 2  # in one of them alone


def test_one_changed_function_is_all_that_is_parsed_and_read_of_a_child() -> None:
    parent = large(50)
    source(parent)
    text = parent.files["a.py"]
    before = syntax.parse_piece.cache_info().misses
    child = Program.of({"a.py": text.replace("20.5 * x", "20.5 * x * k")})
    shared = source(child).above.keys() & source(parent).above.keys()
    assert syntax.parse_piece.cache_info().misses == before + 1
    assert len(shared) == len(source(parent).above) - 1
