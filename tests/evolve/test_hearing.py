"""What the tree proposer learns of parameters without annotations, and what it does with it."""

from __future__ import annotations

import ast
import random
import textwrap
from pathlib import Path

import numpy as np
import pytest

from evolve import hearing, tree
from evolve.loading import Task, load
from evolve.program import Program
from evolve.tree import Kind
from evolve.tree.source import source

PROBLEM = """
import numpy as np
from evolve import Problem, Score

problem = Problem(name="own", statement="statement.md", seeds=["seed.py"], objective="max x")


@problem.stage(timeout_s=5)
def first(candidate, *, seed):
    print("a stage may print")
    rng = np.random.default_rng(seed)
    try:
        candidate.call("tour", rng.random((4, 4)), ["ab", "c"], {"a": 1}, {1, 2}, "text", None)
    except Exception:
        pass
    raise AssertionError("not reached: the call ends the stage")


@problem.stage(timeout_s=5)
def broken(candidate, *, seed):
    raise SystemExit(seed / 0)
"""
SEED = """
import numpy as np

# EVOLVE-BLOCK-START


def tour(distances, names, counts, left, text, nothing):
    order = []
    for city in range(len(distances)):
        order.append(cost(distances, city, names[0]))
    return sorted(order, key=lambda entry: entry + counts.get(text, 0))


def cost(table, row, name):
    nearest = table[row].argmin()
    return table[row, nearest] + len(name)


# EVOLVE-BLOCK-END
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "problem.py").write_text(PROBLEM)
    (folder / "seed.py").write_text(SEED)
    (folder / "statement.md").write_text("Find it.")
    return load(str(folder))


def test_arguments_of_stages_are_followed_from_function_to_function(
    task: Task, capfd: pytest.CaptureFixture[str]
) -> None:
    learnt = {function: dict(kinds) for function, kinds in hearing.listen(task)}
    assert learnt["tour"] == {
        "distances": Kind.MATRIX,
        "names": Kind.TEXTS,
        "counts": Kind.TABLE,
        "left": Kind.SET,
        "text": Kind.TEXT,
        "order": Kind.NUMBERS,
        "return": Kind.NUMBERS,
    }
    assert learnt["cost"] == {
        "table": Kind.MATRIX,
        "row": Kind.NUMBER,
        "name": Kind.TEXT,
        "return": Kind.NUMBER,
    }
    assert hearing.listen(task) == hearing.listen(task)
    assert capfd.readouterr().out == ""


def test_annotations_stand_over_what_is_heard() -> None:
    seed = Program.of({"program.py": SEED.replace("row, name)", "row: list[int], name: str)")})
    learnt = dict(tree.learn([seed], {"cost": (Kind.VECTOR, Kind.NUMBER, Kind.NUMBER)}))
    read = source(seed, tuple(learnt.items()))
    scopes = [slot.scope for slot in read.slots if slot.function == "cost"]
    assert {scope.names["row"] for scope in scopes} == {Kind.NUMBERS}
    assert {scope.names["name"] for scope in scopes} == {Kind.TEXT}
    assert {scope.names["table"] for scope in scopes} == {Kind.VECTOR}


def test_where_calls_disagree_nothing_is_said() -> None:
    text = SEED.replace("    order = []\n", "    order = []\n    cost(distances[0], 'a', names)\n")
    learnt = dict(tree.learn([Program.of({"program.py": text})], {"tour": (Kind.MATRIX,)}))
    assert "table" not in dict(learnt.get("cost", ()))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, Kind.BOOLEAN),
        (np.bool_(True), Kind.BOOLEAN),
        (10**30, Kind.NUMBER),
        (np.int8(3), Kind.NUMBER),
        ("", Kind.TEXT),
        ([], Kind.OTHER),
        ([1, 2.5], Kind.NUMBERS),
        ([1, "a"], Kind.OTHER),
        (("a", "b"), Kind.TEXTS),
        ([(1, 2), [3]], Kind.ROWS),
        ([[[1]]], Kind.OTHER),
        ({1.5}, Kind.SET),
        ({"a"}, Kind.OTHER),
        ({"a": 1}, Kind.TABLE),
        ({"a": "b"}, Kind.OTHER),
        ({}, Kind.OTHER),
        (np.zeros(3), Kind.VECTOR),
        (np.zeros((2, 2), dtype=np.uint8), Kind.MATRIX),
        (np.zeros((2, 2, 2)), Kind.ARRAY),
        (np.zeros(3, dtype=bool), Kind.MASK),
        (np.array(["a"]), Kind.OTHER),
        (None, Kind.OTHER),
    ],
)
def test_values_have_kinds(value: object, kind: Kind) -> None:
    assert hearing.kind_of_value(value) is kind


def test_children_of_code_over_matrices_and_texts_mostly_run_and_differ(task: Task) -> None:
    (seed,) = task.seeds().values()
    given = hearing.listen(task)
    matrix = np.random.default_rng(1).random((5, 5))

    def run(program: Program) -> object:
        names: dict[str, object] = {}
        exec(program.files["program.py"], names)
        arguments = matrix, ["ab", "c"], {"text": 1}, {1, 2}, "text", None
        return names["tour"](*arguments)  # type: ignore[operator]

    expected, ran, differed = run(seed), 0, 0
    with np.errstate(all="ignore"):
        for number in range(150):
            child = tree.propose(seed, [], random.Random(number), given=given)
            try:
                made = run(child.program)
            except (ArithmeticError, LookupError, TypeError, ValueError):
                continue
            ran += 1
            differed += made != expected
    assert ran >= 100
    assert differed >= 50


LOOPS = """
# EVOLVE-BLOCK-START
def walk(steps, table):
    total = 0
    while total < 100:
        for step in range(1, len(steps)):
            total += steps[step] - steps[step - 1]
        total += 1
    best = min(steps, key=lambda step: table.get(step, 0))
    return total + best
# EVOLVE-BLOCK-END
"""


@pytest.mark.parametrize(
    ("operator", "seen"),
    [
        ("order", ["reversed(", "sorted(", "max(steps, key", "-table.get"]),
        ("index", ["range(2, len(steps))", "steps[step - 2]", "steps[step]"]),
        ("leave", ["continue", "break"]),
        ("enclose", ["    if "]),
        ("repeat", ["total += 1\n        total += 1"]),
    ],
)
def test_orders_indices_and_loops_are_changed(operator: str, seen: list[str]) -> None:
    seed = Program.of({"program.py": textwrap.dedent(LOOPS)})
    given = tree.learn([seed], {"walk": (Kind.NUMBERS, Kind.TABLE)})
    weights = dict.fromkeys(tree.OPERATORS, 0.0) | {operator: 1.0}
    texts = []
    for number in range(80):
        child = tree.propose(seed, [], random.Random(number), given=given, weights=weights)
        text = child.program.files["program.py"]
        ast.parse(text)
        assert "total += 1\n" in text.replace("        if", "")  # else it would not end
        texts.append(text)
    for words in seen:
        assert any(words in text for text in texts), words
