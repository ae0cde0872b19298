"""Simplification: what surely does nothing goes at once, else one part, and nothing grows."""

from __future__ import annotations

import ast
import math
import random
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.program import Program, length
from evolve.tree import OPERATORS, TreeError, propose
from evolve.tree.simplify import simpler

ONLY = dict.fromkeys(OPERATORS, 0.0) | {"simplify": 1.0}


def block(body: str) -> Program:
    text = dedent(body).strip("\n") + "\n"
    return Program.of({"a.py": f"# EVOLVE-BLOCK-START\n{text}# EVOLVE-BLOCK-END\n"})


def simplified(program: Program, seed: int = 0) -> Program:
    return propose(program, [], random.Random(seed), operators=["simplify"], weights=ONLY).program


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x if True else y", "x"),
        ("x if x < y else x", "x"),
        ("x < y and x < y", "x < y"),
        ("x < y or True", None),  # what stands before may raise
        ("True and x < y", "x < y"),
        ("False and x < y", "False"),
        ("--x", "x"),
        ("min(x, x)", "x"),
        ("max(x, y)", None),
        ("abs(abs(x))", "abs(x)"),
        ("x + 0", "x"),
        ("0 + x", "x"),
        ("x - 0", "x"),
        ("0 - x", None),
        ("1 * x", "x"),
        ("x ** 1", "x"),
        ("x / 1", None),  # a float, where x may be whole
        ("2 + 3", "5"),
        ("100.25 - 0.125", "100.125"),
        ("0.1 + 0.2", None),  # no short number
        ("3 - 8", "-5"),
        ("7 // 0", None),
        ("abs(-158)", "158"),
        ("min(3, max(18, 5))", "3"),
        ("min(x, 3)", None),
        ("math.log(-1)", None),
        ("math.sqrt(abs(16)) > 20", "False"),
        ("x if math.log1p(abs(158)) > 20 else y", "y"),
        ("math.exp(710) > x", None),
        ("2 < 3 < x", None),
        ("x - x", None),  # not where x is infinite
    ],
)
def test_what_changes_no_value_is_left_out(before: str, after: str | None) -> None:
    found = simpler(ast.parse(before, mode="eval").body)
    assert (found and ast.unparse(found)) == after


EXPRESSIONS = st.recursive(
    st.sampled_from(["x", "y", "0", "1", "2", "-3", "1.5", "100.05", "0.219"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner),
        st.builds("({} if {} < {} else {})".format, inner, inner, inner, inner),
        st.builds("({} < {} and {} < {})".format, inner, inner, inner, inner),
        st.builds("(math.floor({}) // {})".format, inner, st.sampled_from(["3", "-1.5"])),
        st.builds("(--{})".format, inner),
        st.builds("abs({})".format, inner),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, st.integers(-3, 3), st.integers(-3, 3))
def test_a_simpler_expression_gives_the_same(text: str, x: int, y: int) -> None:
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        found = simpler(node) if isinstance(node, ast.expr) else None
        if found is not None:
            names = {"x": x, "y": y, "math": math}
            before, after = (eval(ast.unparse(one), names) for one in (node, found))  # noqa: S307
            assert before == after, ast.unparse(node)


@pytest.mark.parametrize(
    "idle",
    [
        "unread = a * 2",
        "a = a",
        "a += 0",
        "if a < 3:\n    return a + b",
    ],
)
def test_a_statement_of_no_consequence_goes_and_the_rest_stays(idle: str) -> None:
    kept = ["def f(a: int, b: int) -> int:", "    # the sum", "    return a + b  # of both"]
    lines = [kept[0], *(f"    {line}" for line in idle.split("\n")), *kept[1:]]
    child = simplified(block("\n".join(lines)))
    assert child == block("\n".join(kept))


def test_what_is_never_reached_goes() -> None:
    child = simplified(block("def f(a: int) -> int:\n    return a\n    a += 1\n    return -a"))
    assert child == block("def f(a: int) -> int:\n    return a")


@pytest.mark.parametrize(
    ("set_here", "text"),
    [
        (
            "count = a",
            "count = 0\n\ndef f(a: int) -> int:\n    global count\n    count = a\n    return a * 3",
        ),
        ("b, c = a, a", "def f(a: int) -> int:\n    b, c = a, a\n    return a * 3"),
        (
            "b = a",
            "def f(a: int) -> int:\n    def g() -> int:\n        return b\n    b = a\n"
            "    return max(g(), a * 3)",
        ),
    ],
)
def test_a_local_that_may_be_read_elsewhere_is_not_taken_for_idle(set_here: str, text: str) -> None:
    # were it idle, it would go before anything else is tried
    children = [simplified(block(text), seed).files["a.py"] for seed in range(20)]
    assert any(set_here in child for child in children)


@given(st.integers(0, 2**32))
def test_a_simpler_program_is_shorter(seed: int) -> None:
    program = block(
        """
        def f(a: int, b: int) -> float:
            c = a * 2 if a > 3 and b < 2 else b + 1
            if c > 4:
                c -= max(a, b)
            return c + a / 2
        """
    )
    child = simplified(program, seed)
    assert length(child) < length(program)
    ast.parse(child.files["a.py"])


def test_where_nothing_can_go_it_says_so() -> None:
    with pytest.raises(TreeError, match="no operator found anything to change"):
        simplified(block("def f(a: int) -> int:\n    return a"))
