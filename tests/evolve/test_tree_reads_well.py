"""Children read like a person's code, and what is put together fits."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator

from evolve.program import Program
from evolve.tree import propose

TOUR = """# EVOLVE-BLOCK-START
def distance(a: list[float], b: list[float]) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def priority(points: list[list[float]], current: int, city: int, start: int) -> float:
    return -distance(points[current], points[city])


def construct(points: list[list[float]]) -> list[int]:
    tour = [0]
    load = {}
    while len(tour) < len(points):
        best, best_value = -1, -1e9
        for city in range(len(points)):
            if city in tour:
                continue
            if len(tour) > 3:
                load[city] = len(tour)  # for later
            value = priority(points, tour[-1], city, 0)
            if value > best_value:
                best, best_value = city, value
        tour.append(best)
    return tour
# EVOLVE-BLOCK-END
"""


def children(text: str, *operators: str, count: int, inspire: bool = False) -> Iterator[ast.Module]:
    program = Program.of({"a.py": text})
    for seed in range(count):
        others = [program] if inspire else []
        child = propose(program, others, random.Random(seed), operators=operators, max_length=400)
        yield ast.parse(child.program.files["a.py"])


def calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def test_a_function_of_lists_is_called_for_new_numbers() -> None:
    seen = set()
    for tree in children(TOUR, "extend", count=120):
        function = next(f for f in tree.body if getattr(f, "name", "") == "priority")
        seen |= {ast.unparse(call) for call in calls(ast.Module([function], []), "distance")}
    assert len(seen) > 3


def test_a_short_function_beside_a_long_one_gets_its_share() -> None:
    function = ast.dump(ast.parse(TOUR).body[1])
    changed = [
        function not in map(ast.dump, tree.body) for tree in children(TOUR, "subtree", count=150)
    ]
    assert sum(changed) > 25  # its share of the places is a tenth


def test_arguments_that_are_indices_stay_such() -> None:
    for tree in children(TOUR, "wrap", count=300):
        for call in calls(tree, "priority"):
            for node in ast.walk(call.args[2]):
                assert not isinstance(node, ast.Call | ast.IfExp | ast.Div | ast.Mult)


def test_pieces_of_others_call_no_values_and_fill_nothing_that_is_lost() -> None:
    known = {"distance", "priority", "construct"}
    for operators in ("crossover", "graft", "recombine"):
        for tree in children(TOUR, operators, count=80, inspire=True):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id in known | {
                        "abs",
                        "len",
                        "range",
                        "min",
                        "max",
                        "sum",
                        "sorted",
                    }
                if isinstance(node, ast.Subscript):
                    assert not isinstance(node.value, ast.Dict)


def test_both_branches_of_a_choice_are_never_the_same() -> None:
    text = (
        "import numpy as np\n# EVOLVE-BLOCK-START\n"
        "def f(x: np.ndarray) -> np.ndarray:\n"
        "    return np.where(x > 3, x, x * 2) + x\n# EVOLVE-BLOCK-END\n"
    )
    for tree in children(text, "shrink", "exchange", count=200):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.where":
                assert ast.dump(node.args[1]) != ast.dump(node.args[2])


def test_what_is_unwrapped_stays_as_it_was_written() -> None:
    program = Program.of({"a.py": TOUR})
    found = set()
    for seed in range(40):
        child = propose(program, [], random.Random(seed), operators=["unwrap"]).program
        found |= set(child.files["a.py"].split("\n")) - set(TOUR.split("\n"))
    assert "            load[city] = len(tour)  # for later" in found
    assert "            best, best_value = city, value" in found


def test_only_what_is_counted_is_compared_for_equality() -> None:
    text = (
        "# EVOLVE-BLOCK-START\n"
        "def f(x: float, k: int) -> float:\n    return x * k\n"
        "# EVOLVE-BLOCK-END\n"
    )
    for tree in children(text, "guard", count=150):
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
                assert not isinstance(node.left, ast.BinOp) or isinstance(
                    node.left.op, ast.Mod | ast.FloorDiv
                )
