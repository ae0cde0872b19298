"""What programs are foretold to do, compared with what they do."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluators import Invalid
from evaluators import bin_packing as packing
from evolve import authoring, hearing, loading, messages, tree
from evolve.errors import EvolveError
from evolve.probes import NUMBERS, Probe, behaviour_number
from evolve.program import Program
from evolve.proposers import mutator
from evolve.tree.echo import Echo, said

SEED = Path(__file__).parents[2] / "problems" / "bin_packing" / "seed_table.py"
CAPACITY = 30
PAIRS = [(i, left) for i in range(1, CAPACITY + 1) for left in range(i, CAPACITY + 1)]
ITEMS, LEFT = (np.array(column, float) for column in zip(*PAIRS, strict=True))


def ranks(answers: NDArray[np.float64]) -> bytes | None:
    table = np.full((CAPACITY + 1, CAPACITY + 1), np.nan)
    table[ITEMS.astype(int), LEFT.astype(int)] = answers
    found = packing.rank_table(table, CAPACITY)
    return None if isinstance(found, Invalid) else found.tobytes()


def really(text: str) -> int | None:
    """What the program does when Python runs it, as the stage would say it."""
    names: dict[str, object] = {}
    exec(compile(text, "program.py", "exec"), names)
    priority = names["priority"]
    assert callable(priority)
    try:
        answers = np.array([float(priority(item, left)) for item, left in PAIRS])
    except (ArithmeticError, ValueError, TypeError):
        return None
    told = None if np.isnan(answers).any() else ranks(answers)
    return None if told is None else behaviour_number("training", told)


PROBE = Probe(
    stage="training",
    function="priority",
    columns=tuple(zip(*PAIRS, strict=True)),
    behaviour=ranks,
)


def test_mutants_do_what_is_foretold() -> None:
    rng = random.Random(7)
    echo = Echo(PROBE)
    pool = [Program.of({"program.py": SEED.read_text()})]
    foretold = 0
    for _ in range(150):
        try:
            child = tree.propose(rng.choice(pool), [rng.choice(pool)], rng).program
        except tree.TreeError:
            continue
        text = child.files["program.py"]
        behaviour = echo.behaviour(text)
        if behaviour is None:
            continue
        foretold += 1
        assert behaviour == really(text), text
        pool.append(child)
    assert foretold > 75


def test_the_best_of_some_children_is_proposed() -> None:
    echo = Echo(replace(PROBE, worth=lambda answers, number: float(answers[number])))
    parent = Program.of({"program.py": SEED.read_text()})

    def worth(text: str) -> float | None:
        weighed.append(echo.worth(text, 7))
        return weighed[-1]

    more = 0
    for seed in range(40):
        weighed: list[float | None] = []
        plain = tree.propose(parent, [], random.Random(seed), behaviour=echo.behaviour)
        chosen = tree.propose(
            parent, [], random.Random(seed), behaviour=echo.behaviour, worth=worth, choices=5
        )
        known = [value for value in weighed if value is not None]
        assert len(known) <= 5
        if known and weighed[0] is not None:
            assert echo.worth(*chosen.program.files.values(), 7) == max(known)
            more += chosen.program != plain.program
        else:
            assert chosen == plain
    assert more > 10


def test_the_next_best_is_named_and_neither_does_what_an_inspiration_does() -> None:
    echo = Echo(replace(PROBE, worth=lambda answers, number: float(answers[number])))
    parent = Program.of({"program.py": SEED.read_text()})
    second, passed_over = 0, 0
    for seed in range(40):
        alone, asked = mutated(parent, [], seed, echo)
        if alone.instead is None:
            continue
        second += 1
        first, other = (echo.worth(text_of(one), 7) for one in (alone, alone.instead))
        assert first is not None
        assert other is not None
        assert first >= other
        assert other in asked
        assert echo.behaviour(text_of(alone)) != echo.behaviour(text_of(alone.instead))
        with_best, _ = mutated(parent, [alone.program], seed, echo)
        if with_best.instead is not None:
            passed_over += 1
            does = echo.behaviour(text_of(alone))
            for one in (with_best, with_best.instead):
                assert echo.behaviour(text_of(one)) != does
    assert second > 10
    assert passed_over > 10


def mutated(
    parent: Program, inspirations: list[Program], seed: int, echo: Echo
) -> tuple[tree.Mutation, list[float]]:
    asked: list[float] = []

    def worth(text: str) -> float | None:
        value = echo.worth(text, 7)
        if value is not None:
            asked.append(value)
        return value

    rng, says = random.Random(seed), echo.behaviour
    # operators that take nothing from inspirations: children are the same with and without them
    made = tree.propose(
        parent, inspirations, rng, operators=["point"], behaviour=says, worth=worth, choices=4
    )
    return made, asked


def text_of(mutation: tree.Mutation) -> str:
    (text,) = mutation.program.files.values()
    return text


def test_children_that_cannot_be_weighed_are_proposed_as_often_as_without() -> None:
    seeded = Program.of({"program.py": SEED.read_text()})
    first = [tree.propose(seeded, [], random.Random(seed)) for seed in range(20)]
    assert first == [
        tree.propose(seeded, [], random.Random(seed), worth=lambda text: None) for seed in range(20)
    ]


@pytest.mark.parametrize(
    ("probe", "line"),
    [
        ("behaviour=lambda answers: 1 / 0",
         "behaviour of the probe raised ZeroDivisionError: division by zero"),
        ("behaviour=lambda answers: 'no'",
         "behaviour of the probe gave 'no', expected bytes or None"),
        ("behaviour=lambda answers: None, worth=lambda answers, number: answers[number + 99]",
         "worth of the probe raised IndexError: index"),
        ("behaviour=lambda answers: None, worth=lambda answers, number: float('nan')",
         "worth of the probe gave nan, expected a number or None"),
    ],
)  # fmt: skip
def test_a_probe_that_fails_is_said_in_one_line(tmp_path: Path, probe: str, line: str) -> None:
    given = f"Probe(stage='stage', function='f', columns=[[1, 2]], {probe})"
    (tmp_path / "problem.py").write_text(PROBLEM.format(probe=given))
    (tmp_path / "statement.md").write_text("Anything.\n")
    seed = "# EVOLVE-BLOCK-START\ndef f(x):\n    return x + 1\n# EVOLVE-BLOCK-END\n"
    (tmp_path / "seed.py").write_text(seed)
    asked = messages.Mutate(
        parent={"program.py": seed}, inspirations=(), seed=3,
        problem=messages.Listen(reference=str(tmp_path), parameters={}),
    )  # fmt: skip
    answer = mutator._mutate(asked)
    assert answer.reason.startswith(line)
    assert "\n" not in answer.reason
    task = loading.load(str(tmp_path))
    assert line in hearing.probe_fault(task)
    assert "probe" in [one.what for one in authoring.check_problem(task) if one.fine is False]


def test_a_run_with_a_probe_that_fails_does_not_begin(tmp_path: Path) -> None:
    folder = tmp_path / "problem"
    folder.mkdir()
    given = (
        "Probe(stage='stage', function='f', columns=[[1, 2]], behaviour=lambda answers: b'',"
        " worth=lambda answers, number: 10 ** 400)"
    )
    (folder / "problem.py").write_text(PROBLEM.format(probe=given))
    (folder / "statement.md").write_text("Anything.\n")
    seed = "# EVOLVE-BLOCK-START\ndef f(x):\n    return x + 1\n# EVOLVE-BLOCK-END\n"
    (folder / "seed.py").write_text(seed)
    command = [sys.executable, "-m", "evolve", "run", str(folder), "--evals", "5"]
    ended = subprocess.run(
        [*command, "--runs", str(tmp_path / "runs")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 5
    said = [line for line in ended.stderr.splitlines() if line.startswith("evolve: ")]
    assert len(said) == 1
    assert "worth of the probe gave 1000000" in said[0]


def test_worth_of_bin_packing_tells_what_the_stage_will_say() -> None:
    task = loading.load("bin_packing:or1")
    probe = task.problem.probe
    assert isinstance(probe, Probe)
    echo = Echo(probe)
    best_fit = SEED.read_text()
    worst_fit = best_fit.replace("-float(left)", "float(left)")
    assert best_fit != worst_fit
    for number in range(NUMBERS):
        better, worse = echo.worth(best_fit, number), echo.worth(worst_fit, number)
        assert better is not None
        assert worse is not None
        assert better > worse
    assert len({echo.worth(best_fit, number) for number in range(NUMBERS)}) > NUMBERS // 2
    assert echo.worth("def priority(item, remaining):\n    return remaining.real", 0) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x if x > 1 else -x", [-1.0, 2.0, 3.0]),
        ("if x > 2:\n        return 9\n    return x and 5", [5.0, 5.0, 9.0]),
        ("total = 0\n    for i in range(3):\n        total += i * x\n    return total", [3, 6, 9]),
        ("y = x\n    if x == 2:\n        y = 7\n    elif x == 3:\n        y //= 2\n    return y",
         [1, 7, 1]),
        ("return helper(x, 2) % 3", [2.0, 1.0, 0.0]),
        ("return 1 < x <= 2 or not x - 3", [0.0, 1.0, 1.0]),
        ("return 6 / (x - 2) if x != 2 else LIMIT", [-6.0, 0.5, 6.0]),
        ("return max(x, 2) - min(2, x, 1)", [1.0, 1.0, 2.0]),
        ("return math.sqrt(x - 2)", [math.nan, 0.0, 1.0]),
        ("return 6 / (x - 2)", [-6.0, math.nan, 6.0]),
        ("return (x - 2) ** -1", [-1.0, math.nan, 1.0]),
        ("return (x - 3) ** 0.5", [math.nan, math.nan, 0.0]),
        ("return (x + 0.5) ** 1000", [1.5**1000, math.nan, math.nan]),
    ],
)  # fmt: skip
def test_arithmetic_branches_and_loops_are_followed(body: str, expected: list[float]) -> None:
    before = "import math\n\nLIMIT = 0.5\nWORDS = ['not read']\n\n\n"
    text = f"{before}def helper(a, b):\n    return a * b\n\n\ndef f(x):\n    {body}\n"
    answers = said(text, "f", [np.array([1.0, 2.0, 3.0])])
    assert answers is not None
    np.testing.assert_array_equal(answers, expected)


@pytest.mark.parametrize(
    "body",
    [
        "while x > 0:\n        x -= 1\n    return x",
        "for i in range(int(x)):\n        x += i\n    return x",
        "for i in range(1000):\n        x += i\n    return x",
        "return [x][0]",
        "return x.real",
        "return (x + 1) ** 409493474",
        "return f(x - 1)",
        "if x > 2:\n        return 1",
        "abs = x\n    return abs(x)",
        "return unknown(x)",
        "return sum(i for i in range(3)) + x",
        "global y\n    y = x\n    return y",
    ],
)
def test_nothing_is_concluded_of_what_is_not_followed(body: str) -> None:
    assert said(f"def f(x):\n    {body}\n", "f", [np.array([1.0, 2.0])]) is None


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return x\n\n\nf = print\n\n\nprint(1)\n",
        "from math import sqrt as abs\n\n\ndef f(x):\n    return abs(x)\n",
        "import numpy as math\n\n\ndef f(x):\n    return math.floor(x)\n",
        "@cached\ndef f(x):\n    return x\n",
        "def g(x):\n    return x\n",
        "def f(x, y):\n    return x\n",
        "def f(x",
    ],
)
def test_modules_that_may_mean_something_else_are_not_followed(text: str) -> None:
    assert said(text, "f", [np.array([1.0])]) is None


PROBLEM = """
from evaluators import Invalid
from evolve import Probe, Problem, Score

problem = Problem(
    name="told", statement="statement.md", seeds=["seed.py"], objective="max value", probe={probe}
)


@problem.stage()
def stage(candidate):
    return Score(value=1)
"""


@pytest.mark.parametrize(
    ("probe", "line"),
    [
        ("7", "probe is 7, expected a Probe(...)"),
        ("lambda parameters: 1 / 0", "probe: ZeroDivisionError: division by zero"),
        ("Probe(stage='none', function='f', columns=[[1]], behaviour=bytes)",
         "probe: no training stage 'none'"),
        ("Probe(stage='stage', function='f', columns=[], behaviour=bytes)",
         "probe of 'f': columns are sequences of numbers, one a parameter"),
        ("Probe(stage='stage', function='f', columns=[[1], [1, 2]], behaviour=bytes)",
         "probe of 'f': columns of length [1, 2], expected all of one length from 1 to 50,000"),
        ("Probe(stage='stage', function='f', columns=[['x']], behaviour=bytes)",
         "probe of 'f': 'x' is not a finite number"),
    ],
)  # fmt: skip
def test_a_wrong_probe_is_refused_in_one_line(tmp_path: Path, probe: str, line: str) -> None:
    (tmp_path / "problem.py").write_text(PROBLEM.format(probe=probe))
    (tmp_path / "statement.md").write_text("Anything.\n")
    (tmp_path / "seed.py").write_text("# EVOLVE-BLOCK-START\nX = 1\n# EVOLVE-BLOCK-END\n")
    with pytest.raises(EvolveError) as caught:
        loading.load(str(tmp_path))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
