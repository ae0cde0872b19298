"""Programs written as a person would: they do the same, and long lines become several."""

from __future__ import annotations

import math
import random

import pytest

from evolve import tree
from evolve.program import Program
from evolve.tree.tidy import tidy

HEAD = "import math\n# EVOLVE-BLOCK-START\n"
END = "# EVOLVE-BLOCK-END\n"


def tidied(code: str) -> str:
    found = tidy(Program.of({"program.py": f"{HEAD}{code}\n{END}"})).files["program.py"]
    return found.removeprefix(HEAD).removesuffix(f"\n{END}")


def test_what_is_there_twice_gets_a_name_and_a_long_line_becomes_several() -> None:
    code = """def priority(item: int, remaining: int) -> float:
    left = (remaining - item) % (max(0.61, item + (item - remaining if remaining > 51 else -((remaining - item) % (abs(item - (remaining - item)) + item)) / remaining)) + 2)
    return -(item // remaining if remaining <= 7 else left)"""  # noqa: E501
    assert (
        tidied(code)
        == """def priority(item: int, remaining: int) -> float:
    gap = remaining - item
    if remaining > 51:
        part = item - remaining
    else:
        part = -(gap % (abs(item - gap) + item)) / remaining
    left = gap % (max(0.61, item + part) + 2)
    return -(item // remaining if remaining <= 7 else left)"""
    )


@pytest.mark.parametrize(
    "code",
    [
        "def f(a, b):\n    return a - b + 1",
        # what has a name already
        "def f(first, second):\n    left = first - second\n    return left * left",
        # set anew between
        "def f(first, second):\n    x = first - second\n    first += 1\n"
        "    return x + (first - second)",
        # items and fields may change in place
        "def f(rows, k):\n    x = rows[0] + k * 2\n    rows[0] = 3\n    return x + rows[0] + k * 2",
        "def f(rows, more):\n    x = rows + more\n    rows.append(3)\n    return x + (rows + more)",
        # only if the first is not 0
        "def f(first: int, second: int):\n    if first:\n        return second / first\n"
        "    return 0 if first == 0 else second / first",
        "def f(first, second):\n    for first in range(3):\n        x = first - second\n"
        "    return first - second",
        "def f(first, second):\n    def g():\n        return first - second\n"
        "    return first - second",
        "def f(:",
    ],
)
def test_what_cannot_be_said_better_stays(code: str) -> None:
    assert tidied(code) == code


def test_a_name_that_is_there_is_used() -> None:
    code = """def f(first: int, second: int) -> float:
    left = first - second
    if left > 3:
        return abs(first - second)
    return (first - second) * 2"""
    assert (
        tidied(code)
        == """def f(first: int, second: int) -> float:
    left = first - second
    if left > 3:
        return abs(left)
    return left * 2"""
    )


def test_comments_stay() -> None:
    code = "def f(first, second):\n    return (first - second) * (first - second)  # squared"
    assert tidied(code).endswith("    gap = first - second\n    return gap * gap  # squared")


def test_names_that_are_taken_are_left_alone() -> None:
    code = (
        "gap = 3\ndef f(first: int, second: int):\n    return (first - second) ** (first - second)"
    )
    assert "    gap_2 = first - second\n    return gap_2 ** gap_2" in tidied(code)


def test_only_blocks_change() -> None:
    body = "def f(first, second):\n    return (first - second) * (first - second)\n"
    text = f"{body}# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n"
    program = Program.of({"program.py": text, "notes.txt": "first - second"})
    assert tidy(program) is program


SEEDS = [
    """def f(a: int, b: float, xs: list[float]) -> float:
    left = a - b
    best = 0.0
    for i, x in enumerate(xs):
        if x > left and i % 2 == 0:
            best += x * left - math.sqrt(abs(x))
        elif best > a:
            best -= 1.0
    return best if best > left else left * 2 + a % 7""",
    """def f(a: int, b: float, xs: list[float]) -> float:
    left = a - b
    return -float(left)""",
]


def outcome(program: Program, *given: object) -> str:
    names: dict[str, object] = {}
    exec(program.files["program.py"], names)
    function = names["f"]
    assert callable(function)
    try:
        return repr(function(*given))
    except (ArithmeticError, IndexError, ValueError, TypeError):
        return "fails"  # which of two faults comes first may change


@pytest.mark.parametrize("seed", range(6))
def test_tidied_programs_do_the_same(seed: int) -> None:
    rng, changed = random.Random(seed), 0
    no_loops = {"repeat": 0.0, "enclose": 0.0}
    for _ in range(12):
        program = Program.of({"program.py": f"{HEAD}{rng.choice(SEEDS)}\n{END}"})
        for _ in range(rng.randint(3, 25)):
            program = tree.propose(
                program, [], rng, primitives=["abs", "min", "max", "math.sqrt"], max_length=250,
                weights=no_loops,
            ).program  # fmt: skip
        other = tidy(program)
        changed += other != program
        for _ in range(12):
            items = [rng.uniform(-5, 20) for _ in range(rng.randint(0, 6))]
            given = rng.randint(-20, 50), rng.choice((0.0, 3.0, rng.uniform(-9, 30))), items
            said = outcome(other, *given)
            assert said == outcome(program, *given), other.files["program.py"]
    assert changed > 3


def test_the_deepest_program_stays_as_it_is() -> None:
    deep = "(" * 90 + "first - second" + " - first)" * 90
    code = f"def f(first, second):\n    return {deep} * {deep}"
    assert outcome(Program.of({"program.py": f"{HEAD}{tidied(code)}\n{END}"}), 3, 2) == repr(
        math.prod([1 - 3 * 90] * 2)
    )
