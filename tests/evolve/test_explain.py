"""What made a program good: effects, parts, and the account of a real lineage."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.planted.lineages import FOLDER, lineage
from evolve.explain import Account, Measure, Word, account
from evolve.explain.effects import Span, effect, quantile
from evolve.explain.parts import hunks, reductions
from evolve.judging import Judge
from evolve.loading import load
from evolve.program import Program, length

if TYPE_CHECKING:
    from conftest import Evolve


def program(body: str) -> Program:
    return Program.of({"candidate.py": f"# EVOLVE-BLOCK-START\n{body}\n# EVOLVE-BLOCK-END\n"})


@pytest.mark.parametrize(
    ("probability", "freedom", "t"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.3027), (0.975, 7, 2.3646), (0.995, 15, 2.9467),
     (0.9995, 30, 3.6460)],
)  # fmt: skip
def test_quantiles_are_those_of_the_tables(probability: float, freedom: int, t: float) -> None:
    assert quantile(probability, freedom) == pytest.approx(t, abs=5e-5)


@pytest.mark.parametrize(
    ("differences", "training", "word"),
    [
        ([1.0, 1.1, 0.9, 1.0], 1.0, Word.GAIN),
        ([-1.0, -1.1, -0.9, -1.0], 0.0, Word.LOSS),
        ([0.0, 0.0, 0.0, 0.0], 0.0, Word.NONE),
        ([0.0, 0.0, 0.0, 0.0], 1.0, Word.OVERFIT),
        ([-1.0, -1.1, -0.9, -1.0], 1.0, Word.OVERFIT),
        ([0.01, -0.01, 0.011, -0.012], 0.0, Word.NONE),
        ([3.0, -2.0, 1.0, -1.5], 0.5, Word.UNCLEAR),
        ([0.5], 0.5, Word.GAIN),
    ],
)
def test_a_change_is_called_what_it_does(
    differences: list[float], training: float, word: Word
) -> None:
    assert (
        effect(differences, training=training, span=Span(fresh=10.0, most=10.0), level=0.01).word
        is word
    )


@pytest.mark.parametrize(
    ("differences", "more", "word"),
    [
        ([0.1, -0.1, 0.11, -0.12], False, Word.NONE),
        ([0.1, -0.1, 0.11, -0.12], True, Word.UNCLEAR),
        ([0.001, -0.001, 0.0011, -0.0012], True, Word.NONE),
        # shown to be something, and still nothing beside what the line did
        ([0.001, 0.0011, 0.001, 0.0011], False, Word.NONE),
        ([0.1, 0.11, 0.1, 0.11], True, Word.GAIN),
        # what never happened so far may still happen
        ([0.0] * 8, True, Word.UNCLEAR),
        ([-0.2] * 8, True, Word.UNCLEAR),
        ([0.0] * 32, True, Word.NONE),
        ([-0.2] * 32, True, Word.LOSS),
    ],
)
def test_what_is_small_is_nothing_once_there_are_no_more_draws(
    differences: list[float], more: bool, word: Word
) -> None:
    span = Span(fresh=10.0, most=40.0)
    assert effect(differences, training=0.0, span=span, level=0.1, more=more).word is word


def test_noise_alone_is_rarely_called_anything() -> None:
    rng = random.Random(1)
    words = Counter(
        effect(
            [rng.gauss(0, 1) for _ in range(8)],
            training=None,
            span=Span(fresh=1.0, most=1.0),
            level=0.01,
        ).word
        for _ in range(5000)
    )
    assert words[Word.GAIN] + words[Word.LOSS] < 80


def test_every_changed_place_is_taken_back_alone() -> None:
    before = program("a = 1\nb = 2\nc = 3\nd = 4")
    after = program("a = 10\nb = 2\nc = 30\nd = 4\ne = 5")
    bodies = [one.program.files["candidate.py"].split("\n")[1:-2] for one in hunks(before, after)]
    assert bodies == [
        ["a = 1", "b = 2", "c = 30", "d = 4", "e = 5"],
        ["a = 10", "b = 2", "c = 3", "d = 4", "e = 5"],
        ["a = 10", "b = 2", "c = 30", "d = 4"],
    ]
    assert [one.what for one in hunks(before, after)] == [
        "a = 1 -> a = 10",
        "c = 3 -> c = 30",
        "+ e = 5",
    ]


def test_parts_are_cut_without_breaking_the_rest() -> None:
    last = "return -x if x and f(x - 1) else abs(x)"
    whole = program(f"def f(x):\n    if x > 3:\n        x = x * 2 + 1\n    {last}")
    cuts = list(reductions(whole))
    assert all(length(cut.program) < length(whole) for cut in cuts)
    bodies = {cut.program.files["candidate.py"] for cut in cuts}
    assert len(bodies) == len(cuts)
    for expected in (
        f"def f(x):\n    {last}",
        f"def f(x):\n    x = x * 2 + 1\n    {last}",
        f"def f(x):\n    if x > 3:\n        x = x * 2\n    {last}",
        "def f(x):\n    if x > 3:\n        x = x * 2 + 1\n    return abs(x)",
        "def f(x):\n    if x > 3:\n        x = x * 2 + 1\n    return -x if x else abs(x)",
    ):
        assert program(expected).files["candidate.py"] in bodies


STAGES = """
from evolve import Problem, Score

problem = Problem(name="stages", statement="statement.md", seeds=["seed.py"], objective="max value")


@problem.stage(timeout_s=2, pass_mark=5)
def easy(candidate):
    return Score(value=candidate.call("value"))


@problem.stage(timeout_s=2)
def hard(candidate):
    return Score(value=candidate.call("value") - 1000)
"""


def test_values_of_different_stages_are_not_compared(tmp_path: Path) -> None:
    texts = [
        f"# EVOLVE-BLOCK-START\ndef value():\n    return {value}\n# EVOLVE-BLOCK-END\n"
        for value in (1, 3, 8)
    ]
    line = [Program.of({"program.py": text}) for text in texts]
    (tmp_path / "problem.py").write_text(STAGES)
    (tmp_path / "statement.md").write_text("A large number.")
    (tmp_path / "seed.py").write_text(texts[0])
    found = asyncio.run(accounted(str(tmp_path), {}, 1, line, tune_evals=0))
    assert [step.effect.word for step in found.steps] == [Word.GAIN, Word.NEEDED]
    assert found.whole.word is Word.NEEDED
    assert found.constants == 2


def test_a_bad_program_on_the_line_does_not_make_gains_small(tmp_path: Path) -> None:
    texts = [f"# EVOLVE-BLOCK-START\ndef value():\n    return {value}\n# EVOLVE-BLOCK-END\n"
             for value in (10, -(10**6), 12, 12.001)]  # fmt: skip
    easy = STAGES.partition("\n\n@problem.stage(timeout_s=2)\n")[0].replace(", pass_mark=5", "")
    (tmp_path / "problem.py").write_text(easy)
    (tmp_path / "statement.md").write_text("A large number.")
    (tmp_path / "seed.py").write_text(texts[0])
    line = [Program.of({"program.py": text}) for text in texts]
    found = asyncio.run(accounted(str(tmp_path), {}, 1, line, tune_evals=0))
    assert [step.effect.word for step in found.steps] == [Word.LOSS, Word.GAIN, Word.GAIN]
    assert found.whole.word is Word.GAIN


async def explained(number: int, *, planted: bool) -> tuple[tuple[str, ...], Account]:
    line = lineage(number, planted=planted)
    given = {"truth": str(line.truth)}
    return line.expected, await accounted(str(FOLDER), given, line.seed, line.programs)


async def accounted(
    folder: str, given: dict[str, str], seed: int, line: Sequence[Program], tune_evals: int = 30
) -> Account:
    task = load(folder, given)
    judge = Judge(task, workers=2, unsafe=False, log=None)
    try:
        await judge.start()
        measure = Measure(task=task, judge=judge, seed=seed)
        return await account(measure, line, tune_evals=tune_evals, tell=lambda _: None)
    finally:
        await judge.stop()


@pytest.mark.slow
def test_planted_edits_are_named_and_what_does_nothing_is_left_out() -> None:
    expected, found = asyncio.run(explained(5, planted=True))
    assert tuple(step.effect.word.value for step in found.steps) == expected
    assert found.whole.word is Word.GAIN
    assert found.minimal is not None
    text = found.minimal.files["program.py"]
    assert "spare_" not in text
    assert text.count("total += ") >= 2


@pytest.mark.slow
def test_a_run_is_explained_and_the_minimal_program_goes_back_into_it(
    evolve: Evolve, toy: Path
) -> None:
    block = "    spare = 4\n    if spare > 9:\n        return spare\n    return 3 * 7"
    (toy / "seed.py").write_text(
        f"# EVOLVE-BLOCK-START\ndef answer():\n{block}\n# EVOLVE-BLOCK-END\n"
    )
    # the tuner alone: tree mutation would take the dead branch out by itself
    options = ("--evals", 60, "--seed", 2, "--proposer", "tuner", "--name", "mine")
    ran = evolve("run", toy, *options)
    assert ran.code == 0, ran.err
    ended = evolve("explain", "mine", "--json", "--tune-evals", 8, "--draws", 4)
    assert ended.code == 0, ended.err
    data = ended.data
    assert data["verdict"] in ("new structure", "tuned constants")
    assert data["whole"]["mean"] == data["whole"]["training"]  # type: ignore[index]
    steps = data["steps"]
    assert isinstance(steps, list)
    assert len(steps) == len(data["lineage"]) - 1  # type: ignore[arg-type]
    assert data["minimal"] is not None  # the seed's dead branch is in every program
    added = evolve("explain", "mine", "--tune-evals", 0, "--draws", 4, "--add", "--out", "small.py")
    assert added.code == 0, added.err
    assert "verdict: " in added.out
    assert "handed in as attempt" in added.out
    assert "spare > 9" not in (evolve.folder / "small.py").read_text()
    assert evolve("resume", "mine", "--evals", 110).code == 0
    with closing(sqlite3.connect(evolve.folder / "runs" / "mine" / "run.db")) as connection:
        row = connection.execute(
            "SELECT fate, parent FROM attempts WHERE proposer = 'human'"
        ).fetchone()
    assert row[0] in ("evaluated", "twin", "duplicate")
    assert row[1] is not None


def test_a_problem_that_has_changed_is_not_explained(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 5, "--name", "mine").code == 0
    file = toy / "problem.py"
    file.write_text(file.read_text() + "\n# another\n")
    ended = evolve("explain", "mine")
    assert ended.code == 2
    assert "has changed" in ended.one_line
