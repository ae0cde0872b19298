"""What mutation must leave alone: code outside of blocks, and what code elsewhere leans on."""

import ast
import random
from contextlib import suppress
from typing import Any

import pytest

from evolve import tree
from evolve.program import Program, outside_changed
from evolve.tree.propose import OPERATORS

IN_PIECES = """\
def h(a: float, n: float) -> float:
    total = 0.0
    # EVOLVE-BLOCK-START
    b = a * 2
    if b > 3:
        return b - 1
    if a > 1:
        b = 4.0
    else:
        b = 7.0
    c = n + 1
    # EVOLVE-BLOCK-END
    total = total + 1.0
    check = n * 3
    # EVOLVE-BLOCK-START
    d = b + c
    if d > n:
        d -= 1
    # EVOLVE-BLOCK-END
    total += d
    return total + check
"""
DECLARED = """\
# EVOLVE-BLOCK-START
from typing import Optional

calls = 0


def f(x: float, start: Optional[float] = None) -> float:
    global calls
    calls += 1
    count = 0.0
    total = x * 2

    def visit(y: float) -> float:
        nonlocal count
        count += y
        return count

    total += visit(x)
    return total + (start or 0.0)
# EVOLVE-BLOCK-END
"""
PATTERNS = """\
# EVOLVE-BLOCK-START
LIMIT = 3


class Box:
    pass


def f(pair: tuple, data: list[float], x: float) -> float:
    total = x * 2
    if (n := len(data)) > LIMIT:
        total += n
    match pair:
        case (first, 0) if first > LIMIT:
            total += first
        case [first, *others]:
            total -= len(others)
    return total + n
# EVOLVE-BLOCK-END
"""
TEXTS = """\
# EVOLVE-BLOCK-START
def f(word: str, table: dict[str, float], x: float | None) -> float:
    label = word + "!"
    score = 1.0
    if word in table and x is not None:
        score += table[word]
    if label not in table:
        score *= 2
    return score
# EVOLVE-BLOCK-END
"""


def children(text: str, operator: str, count: int = 60) -> list[tree.Mutation]:
    program = Program.of({"program.py": text})
    made: list[tree.Mutation] = []
    for seed in range(count):
        others = [made[-1].program] if made else [program]
        try:
            made.append(tree.propose(program, others, random.Random(seed), operators=(operator,)))
        except tree.TreeError:
            continue
    return made


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_code_behind_a_block_in_the_same_function_stays(operator: str) -> None:
    program = Program.of({"program.py": IN_PIECES})
    for child in children(IN_PIECES, operator):
        assert not outside_changed(program, child.program)
        compile(child.program.files["program.py"], "program.py", "exec", dont_inherit=True)


@pytest.mark.parametrize("operator", ["delete", "swap", "simplify", "unwrap", "guard", "recombine"])
def test_declarations_stay_before_what_they_declare(operator: str) -> None:
    for child in children(DECLARED, operator):
        space: dict[str, object] = {}
        text = child.program.files["program.py"]
        exec(compile(text, "program.py", "exec", dont_inherit=True), space)
        assert "global calls" in text
        assert "from typing import Optional" in text


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_names_set_by_patterns_and_within_expressions_keep_their_names(operator: str) -> None:
    def bound(text: str) -> set[str]:
        nodes = list(ast.walk(ast.parse(text)))
        return {node.target.id for node in nodes if isinstance(node, ast.NamedExpr)} | {
            node.name for node in nodes if isinstance(node, ast.MatchAs) and node.name
        }

    for child in children(PATTERNS, operator):
        text = child.program.files["program.py"]
        assert bound(text) <= {"n", "first"}
        space: dict[str, Any] = {}
        exec(compile(text, "program.py", "exec", dont_inherit=True), space)
        for pair in ((5, 0), (1, 2, 3)):
            with suppress(ArithmeticError, IndexError):
                space["f"](pair, [1.0, 2.0, 3.0, 4.0], 2.0)  # else a NameError


def test_comparisons_without_an_order_stay_without() -> None:
    for child in children(TEXTS, "point", 200):
        for node in ast.walk(ast.parse(child.program.files["program.py"])):
            if isinstance(node, ast.Compare) and "word" in ast.unparse(node.left):
                assert isinstance(node.ops[0], ast.In | ast.NotIn)
            if isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]) == "None":
                assert isinstance(node.ops[0], ast.Is | ast.IsNot)


@pytest.mark.parametrize("operator", ["graft", "recombine"])
def test_texts_are_not_set_to_names_of_numbers(operator: str) -> None:
    numbers = "# EVOLVE-BLOCK-START\ndef g(p: float, q: float) -> float:\n    r = p * q\n"
    numbers += "    r += 1\n    return r\n# EVOLVE-BLOCK-END\n"
    program, other = (Program.of({"program.py": text}) for text in (numbers, TEXTS))
    made = 0
    for seed in range(200):
        try:
            child = tree.propose(program, [other], random.Random(seed), operators=(operator,))
        except tree.TreeError:
            continue
        made += child.operator == operator
        for node in ast.walk(ast.parse(child.program.files["program.py"])):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("p", "q", "r"):
                assert "'" not in ast.unparse(node.value)
    assert made or operator == "recombine"


def test_what_has_an_effect_is_not_idle() -> None:
    text = """\
# EVOLVE-BLOCK-START
import heapq


def f(items: list[float], k: int) -> float:
    heap = [i * 2.0 for i in items]
    heapq.heapify(heap)
    total = 0.0
    while len(heap) > k:
        _ = heapq.heappop(heap)
        total += 1.5 * heap[0]
    return total
# EVOLVE-BLOCK-END
"""
    made = {child.program.files["program.py"] for child in children(text, "simplify")}
    assert len(made) > 1
    assert all("heappop" in child for child in made if "while" in child)


def test_steps_of_slices_and_axes_stay_whole() -> None:
    text = """\
# EVOLVE-BLOCK-START
import numpy as np


def f(data: list[float], rows: np.ndarray) -> float:
    total = np.zeros((3, 4))
    return sum(data[::2]) + rows.sum(axis=1)[0] + total[0, 0]
# EVOLVE-BLOCK-END
"""
    for child in children(text, "constant", 200):
        for node in ast.walk(ast.parse(child.program.files["program.py"])):
            match node:
                case ast.Slice(step=ast.expr() as step):
                    assert ast.literal_eval(step) != 0
                case ast.keyword(arg="axis", value=value):
                    assert isinstance(ast.literal_eval(value), int)
                case ast.Call(func=ast.Attribute(attr="zeros"), args=[shape]):
                    assert all(isinstance(size, int) for size in ast.literal_eval(shape))
