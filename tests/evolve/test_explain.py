"""What made a program good: effects, parts, and the account of a real lineage."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.planted.lineages import FOLDER, lineage
from evolve.cli.explaining import _ended_by_signals
from evolve.explain import Account, Kind, Measure, Word, account
from evolve.explain.asking import judged
from evolve.explain.effects import Span, effect, quantile
from evolve.explain.pairing import Pairs, paired, typical
from evolve.explain.parts import hunks, reductions
from evolve.judging import Judge
from evolve.loading import load
from evolve.problem import SplitKind
from evolve.program import Program, length
from evolve.randomness import derive

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
        # small beside the line, and far beyond what any fresh draw shows
        ([0.0, 0.0, 0.0, 0.0], 0.001, Word.OVERFIT),
        ([0.0], 0.001, Word.OVERFIT),
        ([0.01, -0.01, 0.011, -0.012], 0.19, Word.OVERFIT),
        ([0.01, -0.01, 0.011, -0.012], 0.05, Word.NONE),
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
        ([0.0] * 32, True, Word.UNCLEAR),
        ([0.0] * 128, True, Word.NONE),
        ([-0.2] * 128, True, Word.LOSS),
    ],
)
def test_what_is_small_is_nothing_once_there_are_no_more_draws(
    differences: list[float], more: bool, word: Word
) -> None:
    span = Span(fresh=10.0, most=40.0)
    assert effect(differences, training=0.0, span=span, level=0.1, more=more).word is word


def test_differences_are_taken_on_the_draws_on_which_both_come_as_far() -> None:
    ours = [(2, 5.0), (2, 4.0), (1, 9.0), None, (2, 1.0), (2, 0.3)]
    theirs = [(2, 3.0), (1, 4.0), (1, 1.0), None, None, (2, 0.1 + 0.2)]
    pairs = paired(ours, theirs)
    assert pairs.differences == [2.0, 0.0]
    assert (pairs.further, pairs.behind) == (2, 0)
    assert paired(theirs, ours).behind == 2
    assert pairs.mean is None
    assert pairs.lead == 2
    assert paired(ours[:1], theirs[:1]).lead == 2.0
    assert paired([(1, 3e-12)], [(1, 1e-12)]).differences == [3e-12 - 1e-12]
    assert paired([(1, 3e-12)], [(1, 1e-12)], scale=1.0).differences == [0.0]
    assert paired([(1, 10.0**12 + 1)], [(1, 10.0**12)]).differences == [1.0]
    assert typical([None, (2, 1.0), (1, 9.0), (2, 2.0)]) == (2, 1.5)
    assert typical([None]) is None


@pytest.mark.parametrize(
    ("further", "behind", "gains", "word"),
    [
        (8, 0, [], Word.NEEDED),
        (0, 8, [], Word.LOSS),
        (4, 4, [], Word.UNCLEAR),
        (30, 2, [1.0, 1.1] * 48, Word.GAIN),
        (30, 2, [0.0] * 96, Word.NEEDED),
        (2, 30, [1.0, 1.1] * 48, Word.LOSS),
        (2, 1, [1.0, 1.1] * 62, Word.GAIN),
        (1, 0, [0.0] * 127, Word.UNCLEAR),
        (0, 0, [0.0] * 128, Word.NONE),
        (4, 3, [1.0], Word.UNCLEAR),
        (0, 0, [], Word.NONE),
    ],
)
def test_a_change_after_which_some_draws_fail_is_judged_by_those_too(
    further: int, behind: int, gains: list[float], word: Word
) -> None:
    pairs = Pairs(differences=gains, further=further, behind=behind)
    given = {"training": None, "span": Span(fresh=1.0, most=1.0), "level": 1e-4, "noisy": False}
    found = judged(pairs, climbed=False, fewest=8, more=False, **given)  # type: ignore[arg-type]
    assert found.word is word
    assert (found.further, found.behind) == (further, behind)
    climbed = judged(pairs, climbed=True, fewest=8, more=False, **given)  # type: ignore[arg-type]
    assert climbed.word is (Word.OVERFIT if word is Word.NONE else word)


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


def test_statements_that_share_a_line_are_cut_alone() -> None:
    rest = "    if x > 9: return 4.0\n    elif x > 8: x = 6; x += 1\n    return a * x"
    line = 'text = "é;"; a = 3.0 ; b = 5;  # why; not'
    whole = program(f"def f(x):\n    {line}\n{rest}")
    cuts = {cut.what: cut.program.files["candidate.py"] for cut in reductions(whole)}
    for what, expected in (
        ("- text = 'é;'", whole.files["candidate.py"].replace('text = "é;"; ', "")),
        ("- a = 3.0", whole.files["candidate.py"].replace("a = 3.0 ; ", "")),
        ("- b = 5", whole.files["candidate.py"].replace(" ; b = 5;", ";")),
        ("- return 4.0", whole.files["candidate.py"].replace("return 4.0", "pass")),
        ("- x = 6", whole.files["candidate.py"].replace("x = 6; ", "")),
        ("- x += 1", whole.files["candidate.py"].replace("; x += 1", "")),
    ):
        assert cuts[what] == expected


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


EXACT = """
from evolve import Problem, Score

problem = Problem(name="exact", statement="statement.md", seeds=["seed.py"], objective="max value")


@problem.stage(timeout_s=2)
def fit(candidate):
    return Score(value=-sum((candidate.call("f", x) - 3 * x - 0.1) ** 2 for x in (0.1, 0.5, 0.9)))
"""
DRAWN = """
import random

from evolve import Problem, Score

problem = Problem(name="drawn", statement="statement.md", seeds=["seed.py"], objective="max value")


def fit(candidate, seed):
    rng = random.Random(seed)
    x = 7.0 if rng.random() < 1 / 40 else rng.random()
    return Score(value=-((candidate.call("f", x) - 3 * x) ** 2))


@problem.stage(timeout_s=2)
def training(candidate, *, seed):
    return fit(candidate, seed)


@problem.validation(timeout_s=2)
def validation(candidate, *, seed):
    return fit(candidate, seed)
"""
MARKED = """
import random

from evolve import Problem, Score

problem = Problem(name="marked", statement="statement.md", seeds=["seed.py"], objective="max value")


def fit(candidate, seed):
    x = random.Random(seed).uniform(0, 2)
    return Score(value=-abs(candidate.call("f", x) - 3 * x))


@problem.stage(timeout_s=2, pass_mark=-2)
def easy(candidate, *, seed):
    return fit(candidate, seed)


@problem.stage(timeout_s=2)
def hard(candidate, *, seed):
    return fit(candidate, seed)
"""


def account_of(
    folder: Path,
    problem: str,
    *bodies: str,
    seed: int = 1,
    tune_evals: int = 0,
    draws: int | None = None,
    measure: type[Measure] = Measure,
) -> Account:
    """The account of programs with these bodies of `f`."""
    texts = [
        "# EVOLVE-BLOCK-START\ndef f(x):\n"
        + "".join(f"    {line}\n" for line in body.split("\n"))
        + "# EVOLVE-BLOCK-END\n"
        for body in bodies
    ]
    (folder / "problem.py").write_text(problem)
    (folder / "statement.md").write_text("A fit.")
    (folder / "seed.py").write_text(texts[0])
    line = [Program.of({"program.py": text}) for text in texts]
    return asyncio.run(
        accounted(str(folder), {}, seed, line, tune_evals=tune_evals, draws=draws, kind=measure)
    )


def body_of(found: Program | None) -> str:
    assert found is not None
    lines = found.files["program.py"].split("\n")[2:-2]
    return "\n".join(line.removeprefix("    ") for line in lines)


def test_what_only_undoes_a_loss_is_no_gain(tmp_path: Path) -> None:
    ends = "return 0.0", "return 3.0 * x"
    detour = account_of(tmp_path, EXACT, ends[0], "return 200.0", ends[1], tune_evals=40)
    straight = account_of(tmp_path, EXACT, *ends, tune_evals=40)
    assert detour.verdict == straight.verdict == "new structure"
    assert detour.structure == straight.structure == straight.whole.mean
    assert detour.constants == 0
    assert detour.retuned == straight.retuned
    assert detour.retuned is not None
    assert 0 < detour.retuned.share < 0.8


def test_a_step_that_changes_nothing_that_runs_is_called_so(tmp_path: Path) -> None:
    found = account_of(
        tmp_path, EXACT, "return 1.0 * x", "return 1.0 * x  # one", "return 2.0 * x", "return x * 3"
    )
    assert [step.kind for step in found.steps] == [Kind.TEXT, Kind.CONSTANTS, Kind.STRUCTURE]
    assert found.steps[0].effect.word is Word.NONE


def test_rounding_is_no_effect(tmp_path: Path) -> None:
    bodies = "return 0.0", "return 2.0 * x + 0.3", "return 0.3 + x + x", "return x * 2 + 0.1 + 0.2"
    found = account_of(tmp_path, EXACT, *bodies)
    assert [step.effect.word for step in found.steps] == [Word.GAIN, Word.NONE, Word.NONE]
    assert found.steps[2].effect.mean == 0


def test_a_name_that_changes_in_several_places_is_no_effect_in_any(tmp_path: Path) -> None:
    before = "def g(a):\n    return a\ny = x\nz = 1.0\nreturn g(y)"
    after = "def h(a):\n    return a\ny = x\nz = 1.0\nreturn 2.0 * y\nreturn h(y)"
    renamed = "def h(a):\n    return a\ny = x * 2.0\nz = 1.0\nreturn h(y)"
    found = account_of(tmp_path, EXACT, before, renamed, after)
    words = [[hunk.effect.word for hunk in step.hunks] for step in found.steps]
    assert words[0] == [Word.NONE, Word.GAIN, Word.NONE]
    assert [hunk.together for hunk in found.steps[0].hunks] == [True, False, True]


def test_gains_on_draws_some_of_which_end_earlier_count(tmp_path: Path) -> None:
    bodies = "return 0.0 * x", "return 0.6 * x", "return 0.6 * x + 0.0"
    found = account_of(tmp_path, MARKED, *bodies, draws=128)
    assert [step.effect.word for step in found.steps] == [Word.GAIN, Word.NONE]
    first = found.steps[0].effect
    assert 0 < first.further < first.draws
    assert first.mean is not None
    assert first.mean > 0
    assert found.structure + found.constants > 0
    assert found.verdict != "no gain"


def test_what_opens_the_next_stage_in_training_only_is_overfit(tmp_path: Path) -> None:
    drawn = {
        seed: random.Random(derive(seed, SplitKind.TRAINING)).uniform(0, 2) for seed in range(100)
    }
    # one whose mark `return 0.0` does not pass
    seed, draw = next((seed, draw) for seed, draw in drawn.items() if 3 * draw > 2)
    bodies = "return 0.0", f"return 3.0 * x if x == {draw!r} else 0.0"
    found = account_of(tmp_path, MARKED, *bodies, seed=seed)
    assert found.steps[0].effect.word is Word.OVERFIT


def test_a_program_with_luck_of_its_own_is_measured_more_often(tmp_path: Path) -> None:
    noise = "import random\ny = random.Random().random()"
    bodies = [f"{noise}\nreturn {rest}" for rest in ("y", "y + 0 * x", "3 * x + 0.01 * y")]
    found = account_of(tmp_path, EXACT, *bodies, f"{noise}\nreturn 3 * x + 0.01 * y  # so")
    words = [step.effect.word for step in found.steps]
    assert words[0] in (Word.UNCLEAR, Word.NONE)
    assert words[1:] == [Word.GAIN, Word.NONE]
    assert found.steps[1].effect.draws > 1


def test_a_part_without_which_nothing_ends_is_waited_for_once(tmp_path: Path) -> None:
    body = "n = 0\nspare = 1\nother = 2\nwhile n < 2:\n    n += 1\nreturn 3.0 * x"
    ends = []

    class Counting(Measure):
        async def _judged(self, program: Program, split: SplitKind, seed: int) -> object:  # type: ignore[override]
            found = await super()._judged(program, split, seed)
            ends.append(self.timed_out(program))
            return found

    found = account_of(tmp_path, EXACT.replace("timeout_s=2", "timeout_s=0.5"), "return x", body,
                       measure=Counting)  # fmt: skip
    assert body_of(found.minimal) == "return 3.0 * x"
    assert ends.count(True) <= 4


def test_the_minimal_program_is_without_what_became_idle(tmp_path: Path) -> None:
    body = "y = 3.0 * x\nu = 0.0\ny += 0.1\nu += 0.1\nw = y\ny += 0.1\nreturn w"
    found = account_of(tmp_path, EXACT, "return 0.0", body)
    assert body_of(found.minimal) == "y = 3.0 * x\ny += 0.1\nw = y\nreturn w"


def test_an_idle_statement_goes_though_one_that_reads_the_same_is_needed(tmp_path: Path) -> None:
    # more between the two than are tried side by side
    needed = ["y = 3.0 * x", "y += 0.5", *(f"y += 0.0{n}" for n in range(11, 31)), "w = y"]
    found = account_of(tmp_path, EXACT, "return 0.0", "\n".join([*needed, "y += 0.5", "return w"]))
    assert body_of(found.minimal) == "\n".join([*needed, "return w"])


def rare(seed: int, purpose: str, count: int) -> list[int]:
    """On which draws of `DRAWN` x is 7."""
    draws = (derive(seed, purpose, index) for index in range(count))
    return [i for i, draw in enumerate(draws) if random.Random(draw).random() < 1 / 40]


RARE = "a = 3.0\nif x > 5:\n    return 20.0\nspare = 2\nreturn min(a * x, 3.0)"


@pytest.mark.slow
def test_what_one_draw_in_forty_shows_is_not_called_idle_nor_left_out(tmp_path: Path) -> None:
    seed = next(
        seed
        for seed in range(1000)
        if not any(rare(seed, kind, 8) for kind in (SplitKind.TRAINING, SplitKind.VALIDATION))
        and not rare(seed, "explain", 32)
        and rare(seed, "explain", 128)
    )
    before = "a = 3.0\nreturn min(a * x, 3.0)"
    found = account_of(tmp_path, DRAWN, "return 0.0", before, RARE, seed=seed, draws=128)
    assert found.steps[1].effect.word is not Word.NONE
    assert found.steps[1].effect.mean
    assert "x > 5" in body_of(found.minimal)
    assert "spare" not in body_of(found.minimal)


@pytest.mark.slow
def test_the_minimal_program_has_the_figures_that_the_run_validated(tmp_path: Path) -> None:
    seed = next(
        seed
        for seed in range(10_000)
        if rare(seed, SplitKind.VALIDATION, 8)
        and not rare(seed, SplitKind.TRAINING, 1)
        and not rare(seed, "explain", 128)
    )
    found = account_of(tmp_path, DRAWN, "return 0.0", RARE, seed=seed, draws=8)
    assert "x > 5" in body_of(found.minimal)
    assert "spare" not in body_of(found.minimal)


def test_what_changes_the_training_score_only_is_counted_as_kept(tmp_path: Path) -> None:
    draw = random.Random(derive(1, SplitKind.TRAINING))
    x = 7.0 if draw.random() < 1 / 40 else draw.random()
    learnt = f"if x == {x!r}:\n    return 0.0\nreturn 3.0 * x"
    found = account_of(tmp_path, DRAWN, "return 0.0", learnt, draws=8)
    assert found.minimal is None
    assert found.kept == 2


def test_ctrl_c_ends_the_work_once_and_lets_it_stop_its_workers() -> None:
    stopped = []

    async def work() -> Account:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(30)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.05)
            stopped.append(True)
        raise AssertionError

    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(_ended_by_signals(work()))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped


async def explained(number: int, *, planted: bool) -> tuple[tuple[str, ...], Account]:
    line = lineage(number, planted=planted)
    given = {"truth": str(line.truth)}
    return line.expected, await accounted(str(FOLDER), given, line.seed, line.programs)


async def accounted(
    folder: str,
    given: dict[str, str],
    seed: int,
    line: Sequence[Program],
    tune_evals: int = 30,
    draws: int | None = None,
    kind: type[Measure] = Measure,
) -> Account:
    task = load(folder, given)
    judge = Judge(task, workers=2, unsafe=False, log=None)
    try:
        await judge.start()
        measure = kind(task=task, judge=judge, seed=seed)
        return await account(measure, line, tune_evals=tune_evals, draws=draws, tell=lambda _: None)
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
