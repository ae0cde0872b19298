"""Search without a model: what it finds, and whether `explain` names what was planted.

Test figures are of instances drawn after the search. The plain call measures a sample of each row:
one run, a part of the time.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from benchmarks.planted.lineages import FOLDER, lineage
from benchmarks.rows import Measured, NotMeasured, Plan, Row
from evolve.explain import Measure, account
from evolve.judging import Judge
from evolve.loading import load

LINES = 20
_SAMPLE = 2
_TUNE_EVALS = 20


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


def _median(
    plan: Plan,
    *,
    problem: str,
    minutes: float,
    runs: int,
    options: tuple[str, ...] = (),
    sample_minutes: float | None = None,
) -> Measured | NotMeasured:
    """Median over runs of the champion's value in the test."""
    values = []
    beside = ""
    length = minutes if plan.full else sample_minutes or minutes
    for index in range(runs if plan.full else 1):
        data = _run(problem, length, plan.seed + index, options)
        test = data["test"]
        if not isinstance(test, dict) or test["champion"] is None:
            return NotMeasured(why=f"run {index} has no test: {data['ended']}")
        values.append(float(test["champion"]))
        beside = f"seed alone {test['seed_program']:.4g}"
    found = ", ".join(f"{value:.4g}" for value in values)
    short = "" if length == minutes else f"; {length:g} of {minutes:g} minutes"
    return Measured(value=statistics.median(values), detail=f"{found}; {beside}{short}")


def _run(problem: str, minutes: float, seed: int, options: tuple[str, ...]) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="evolve-offline-") as scratch:
        command = [
            str(Path(sys.executable).with_name("evolve")), "run", problem, "--minutes",
            str(minutes), "--seed", str(seed), "--runs", scratch, "--json", *options,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


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
        name="bin_packing, Weibull 5k, 90 s, median of 5",
        unit="%",
        measure=partial(_median, problem="bin_packing", minutes=1.5, runs=5),
        at_most=0.75,
    ),
    Row(
        name="bin_packing:or3, 90 s, median of 5",
        unit="%",
        measure=partial(_median, problem="bin_packing:or3", minutes=1.5, runs=5),
        at_most=3.0,
    ),
]
