"""Search without a model: what it finds, and whether `explain` names what was planted.

Test figures are of instances drawn after the search. The plain call measures a sample of each row:
one run, a part of the time.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

from benchmarks.planted.lineages import FOLDER, lineage
from benchmarks.quality import compared
from benchmarks.rows import Measured, NotMeasured, Plan, Row
from evolve import diff, tree
from evolve.compare import Results, showing
from evolve.explain import Measure, account
from evolve.judging import Judge
from evolve.loading import load
from evolve.program import Program, length
from evolve.proposers.base import describe

LINES = 20
_SAMPLE = 2
_TUNE_EVALS = 20
SIX = Path(__file__).parent / "six" / "plan.toml"
_SIX_EVALS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What `explain` called the steps of one line, beside what they are."""

    number: int
    expected: tuple[str, ...]
    said: tuple[str, ...]

    @property
    def right(self) -> bool:
        return self.expected == self.said

    @property
    def wrong(self) -> str:
        pairs = zip(self.expected, self.said, strict=True)
        return ", ".join(f"line {self.number}: {a} called {b}" for a, b in pairs if a != b)


@cache
def _named(seed: int, count: int, planted: bool) -> list[Named]:
    return [
        asyncio.run(_explained(1000 * seed + number, planted=planted)) for number in range(count)
    ]


async def _explained(number: int, *, planted: bool) -> Named:
    line = lineage(number, planted=planted)
    task = load(str(FOLDER), {"truth": str(line.truth)})
    judge = Judge(task, workers=os.cpu_count() or 1, unsafe=False, log=None)
    try:
        await judge.start()
        measure = Measure(task=task, judge=judge, seed=line.seed)
        found = await account(measure, line.programs, tune_evals=_TUNE_EVALS, tell=lambda _: None)
    finally:
        await judge.stop()
    said = tuple(step.effect.word.value for step in found.steps)
    return Named(number=number, expected=line.expected, said=said)


def _planted(plan: Plan) -> Measured:
    named = _named(plan.seed, LINES if plan.full else _SAMPLE, True)
    wrong = "; ".join(one.wrong for one in named if not one.right)
    return Measured(value=sum(one.right for one in named) / len(named), detail=wrong)


def _false_alarms(plan: Plan) -> Measured:
    named = _named(plan.seed, LINES if plan.full else _SAMPLE, False)
    wrong = "; ".join(one.wrong for one in named if not one.right)
    return Measured(value=sum(not one.right for one in named), detail=wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """How a run ended: the test's figures, and the value its certificate proves."""

    champion: float | None
    """None where the run ended before anything was judged."""
    seed_program: float | None
    proved: float | None
    minutes: float


def _tested(
    plan: Plan, *, problem: str, minutes: float, runs: int, sample_minutes: float, options: str = ""
) -> Measured | NotMeasured:
    """Median over runs of the champion's value in the test."""
    length = minutes if plan.full else sample_minutes
    found = [
        _run(plan.seed + i, problem, length, *options.split())
        for i in range(runs if plan.full else 1)
    ]
    champions = [one.champion for one in found if one.champion is not None]
    if len(champions) < len(found):
        return NotMeasured(why="a run ended before anything was judged")
    values = ", ".join(f"{value:.4g}" for value in champions)
    cut = "" if length == minutes else f"; {length:g} of {minutes:g} minutes"
    return Measured(
        value=statistics.median(champions),
        detail=f"{values}; the seed program alone {found[0].seed_program}{cut}",
    )


def _published(plan: Plan, *, distribution: str, runs: int) -> Measured | NotMeasured:
    """The champion on the published instances, which neither training nor validation uses."""
    if not os.environ.get("EVOLVE_PUBLISHED"):
        return NotMeasured(why="EVOLVE_PUBLISHED names no folder with the published instances")
    return _tested(
        plan, problem=f"bin_packing:{distribution}", minutes=10, runs=runs, sample_minutes=0.1,
        options="--set instances=published",
    )  # fmt: skip


def _worse_than_a_baseline(plan: Plan) -> Measured | NotMeasured:
    """Tests of the six problems in which the default is significantly worse."""
    results = compared(plan, SIX, _SIX_EVALS)
    if not results.tests:
        return NotMeasured(why="; ".join(results.faults) or "some run has no result")
    said = [(test, test.outcome(results.alpha)) for test in results.tests]
    return Measured(
        value=sum(outcome == "worse" for _, outcome in said),
        detail=_seeds(plan, results)
        + "; ".join(
            f"{test.problem}, {test.method}: {test.ahead:.2f} ahead, {outcome}"
            for test, outcome in said
        ),
    )


def _better_than_both(plan: Plan) -> Measured | NotMeasured:
    """Problems on which the default is significantly better than both best-of-N and greedy."""
    results = compared(plan, SIX, _SIX_EVALS)
    if not results.tests:
        return NotMeasured(why="; ".join(results.faults) or "some run has no result")
    better: dict[str, int] = {}
    for test in results.tests:
        if test.method in ("best_of_n", "greedy") and test.outcome(results.alpha) == "better":
            better[test.problem] = better.get(test.problem, 0) + 1
    both = sorted(problem for problem, count in better.items() if count == 2)
    return Measured(value=len(both), detail=_seeds(plan, results) + ", ".join(both))


def _seeds(plan: Plan, results: Results) -> str:
    too_few = "" if plan.full else ", too few for any test to be significant either way"
    return f"{showing.seeds_of(results.seeds.values())}{too_few}: "


def _proved(
    plan: Plan,
    *,
    problem: str,
    minutes: float,
    runs: int = 1,
    target: float | None = None,
    settings: tuple[str, ...] = (),
    sample_minutes: float | None = None,
) -> Measured:
    """Best over runs of what the certificate proves; a run that reaches the target ends there."""
    length = minutes if plan.full else sample_minutes or minutes
    options = tuple(x for setting in settings for x in ("--set", setting))
    if target is not None:
        options += ("--target", str(target))
    found = [
        _run(plan.seed + i, problem, length, *options) for i in range(runs if plan.full else 1)
    ]
    figures = ", ".join(f"{one.proved} after {60 * one.minutes:.0f} s" for one in found)
    cut = "" if length == minutes else f"; given {length:g} of {minutes:g} minutes"
    return Measured(
        value=max(one.proved or 0.0 for one in found),
        detail=f"{figures}; {_WHOSE if settings else 'by priority functions'}{cut}",
    )


_WHOSE = "the seed program's own search at work"


def _run(seed: int, problem: str, minutes: float, *options: str) -> Searched:
    with tempfile.TemporaryDirectory(prefix="evolve-offline-") as scratch:
        command = [
            str(Path(sys.executable).with_name("evolve")), "run", problem, "--minutes",
            str(minutes), "--seed", str(seed), "--runs", scratch, "--json", *options,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        data = json.loads(done.stdout)
        proved = None
        if data["certificate"]:
            claimed = json.loads(Path(data["certificate"]).read_text(encoding="utf-8"))
            proved = float(Fraction(claimed["claim"]["value"]))
    return Searched(
        champion=data["test"] and data["test"]["champion"],
        seed_program=data["test"] and data["test"]["seed_program"],
        proved=proved,
        minutes=data["status"]["elapsed_s"] / 60,
    )


_SEARCH = ("interface=search", "seconds=10")
_BEST = {4: 20, 5: 45, 6: 112, 7: 236}
_PRIORITY = (5, 6, 7, 8)

_PUBLISHED = {
    "weibull5k": (0.68, 3), "or3": (3.11, 3), "or1": (5.30, 1), "or2": (4.19, 1), "or4": (2.47, 1)
}  # fmt: skip
"""FunSearch's values, and how many runs."""


_LARGE = """
def step_{i}(tour: list[int], dist: np.ndarray, limit: int) -> list[int]:
    \"\"\"Improves a tour by moves of kind {i}.\"\"\"
    n = len(tour)
    best = tour[:]
    for rounds in range(limit):
        for i in range(n - 1):
            for j in range(i + 2, n):
                before = dist[best[i], best[i + 1]] + dist[best[j], best[(j + 1) % n]]
                after = dist[best[i], best[j]] + dist[best[i + 1], best[(j + 1) % n]]
                if before - after > 1e-6 * {i} and rounds < {i} + 10:
                    best[i + 1 : j + 1] = best[i + 1 : j + 1][::-1]
                elif before - after > -0.0{i} * before and (i + j) % {i} == 0:
                    best[i], best[j] = best[j], best[i]
    return best


def weight_{i}(x: float, y: float, k: int) -> float:
    \"\"\"A weight of kind {i}.\"\"\"
    scale = {i}.5 * x + y / (1.0 + abs(x))
    if k > {i}:
        scale *= 1.0 - 0.{i} / k
    return min(max(scale, -{i}.0), {i}.0)

"""
"""Much as a person's: loops over arrays, short functions between them."""


def _cpu_of_a_proposal(plan: Plan) -> Measured:
    """Each of a child that a chain of them has come to, diff and hashes included."""
    body = "".join(_LARGE.format(i=i) for i in range(1, 17))
    text = f"import numpy as np\n# EVOLVE-BLOCK-START\n{body}# EVOLVE-BLOCK-END\n"
    program = seed = Program.of({"large.py": text})
    rng, taken = random.Random(plan.seed), list[float]()
    for _ in range(1000 if plan.full else 100):
        began = time.process_time()
        child = tree.propose(program, [seed], rng, max_length=2 * length(seed)).program
        diff.between(program, child)
        describe(child)
        taken.append(1000 * (time.process_time() - began))
        program = child
    lines = text.count("\n")
    detail = f"mean {statistics.fmean(taken):.1f}, {len(taken)} proposals, {lines} lines"
    return Measured(value=statistics.median(taken), detail=detail)


ROWS = [
    Row(
        name="explain: lines with every planted edit named",
        unit="share",
        measure=_planted,
        at_least=1.0,
    ),
    Row(
        name="explain: false alarms on lines with nothing planted",
        unit="lines",
        measure=_false_alarms,
        at_most=1,
    ),
    Row(
        name="CPU of a proposal on a block of 400 lines, median",
        unit="ms",
        measure=_cpu_of_a_proposal,
        at_most=3,
    ),
    Row(
        name="bin_packing, Weibull 5k, 90 s, median of 5",
        unit="%",
        measure=partial(
            _tested, problem="bin_packing", minutes=1.5, runs=5, sample_minutes=0.25
        ),
        at_most=0.75,
    ),
    Row(
        name="bin_packing:or3, 90 s, median of 5",
        unit="%",
        measure=partial(
            _tested, problem="bin_packing:or3", minutes=1.5, runs=5, sample_minutes=0.25
        ),
        at_most=3.0,
    ),
    *(
        Row(
            name=f"bin_packing:{distribution}, published instances, 10 minutes, runs: {runs}",
            unit="%",
            measure=partial(_published, distribution=distribution, runs=runs),
            at_most=math.nextafter(value, 0),  # below it
        )
        for distribution, (value, runs) in _PUBLISHED.items()
    ),
    *(
        Row(
            name=f"cap_set:{n} within a minute, orbits",
            unit="vectors",
            measure=partial(
                _proved, problem=f"cap_set:{n}", minutes=1, target=size, settings=_SEARCH,
                sample_minutes=0.5,
            ),
            at_least=size,
        )
        for n, size in _BEST.items()
    ),
    Row(
        name="cap_set:8, 10 minutes, orbits, best of 3",
        unit="vectors",
        measure=partial(
            _proved, problem="cap_set:8", minutes=10, runs=3, target=512,
            settings=("interface=search", "seconds=60"), sample_minutes=1,
        ),
        at_least=512,
    ),
    *(
        Row(
            name=f"cap_set:{n}, 2 minutes, priority functions",
            unit="vectors",
            measure=partial(
                _proved, problem=f"cap_set:{n}", minutes=2, sample_minutes=0.15
            ),
        )
        for n in _PRIORITY
    ),
    Row(
        name="circle_packing:26 within 2 minutes",
        unit="radii",
        measure=partial(
            _proved, problem="circle_packing:26", minutes=2, target=2.63598308,
            settings=("interface=search", "seconds=40"), sample_minutes=1,
        ),
        at_least=2.63598308,
    ),
    Row(
        name="circle_packing:32, 2 minutes",
        unit="radii",
        measure=partial(
            _proved, problem="circle_packing:32", minutes=2,
            settings=("interface=search", "seconds=40"), sample_minutes=0.5,
        ),
    ),
    Row(
        name="compare, six problems: tests in which the default is significantly worse",
        unit="tests",
        measure=_worse_than_a_baseline,
        at_most=0,
    ),
    Row(
        name="compare, six problems: significantly better than best-of-N and greedy",
        unit="problems",
        measure=_better_than_both,
        at_least=3,
    ),
]  # fmt: skip
