"""A comparison in a terminal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from evolve.compare.curves import Trace
from evolve.compare.plan import Measure
from evolve.compare.results import Interval, Line, Results, Test
from evolve.terminal import clipped, columns, duration, inert, number, table, width_of, wrapped

_HEADINGS = {"to_target": "to target", "area": "area", "final": "final"}
_LESS = ("", "the intervals of what is not tested", "what is not tested")
"""What is left out of a table, step by step, where there is no room for it."""
_UNNAMED = ("method", "outcome")
"""Columns without a heading."""


def shown(results: Results) -> list[str]:
    """The tables, one for each problem, and what they say."""
    lines = []
    tests = {(test.problem, test.method): test for test in results.tests}
    varied = len({len(seeds) for seeds in results.seeds.values()}) > 1
    for problem in dict.fromkeys(line.problem for line in results.lines):
        mine = [line for line in results.lines if line.problem == problem]
        heading = inert(problem) + (f", {len(results.seeds[problem])} seeds" if varied else "")
        lines += [heading, *_table(results, mine, tests), ""]
    below = [
        f"{results.runs} of {results.of} runs, each of {results.limit:g} {results.unit}, "
        f"{seeds_of(results.seeds.values())}; medians with 95 % intervals",
        f"tested: {_HEADINGS[results.measure]}; ahead: how often {inert(results.reference)} beats "
        "the method",
        f"p: Mann-Whitney, exact, Holm's correction over {len(results.tests)} tests at "
        f"{results.alpha:g}",
    ]
    below += [f"no result: {clipped(inert(fault), 160)}" for fault in results.faults[:5]]
    if len(results.faults) > 5:
        below.append(f"no result: {len(results.faults) - 5} more")
    below += ["", *map(inert, results.sentences)]
    return [*lines, *(wrapped(line, indent=2) for line in below)]


def seeds_of(seeds: Collection[Sequence[int]]) -> str:
    """How many seeds each problem has: "20 seeds", "20 to 80 seeds"."""
    few, many = (pick(map(len, seeds)) for pick in (min, max))
    return f"{few} seeds" if few == many else f"{few} to {many} seeds"


def _table(
    results: Results, mine: Sequence[Line], tests: Mapping[tuple[str, str], Test]
) -> list[str]:
    """The methods on one problem, as much of it as the terminal has room for."""
    found: list[str] = []
    step = 0
    for step in range(len(_LESS)):
        rows = [_row(results, line, tests.get((line.problem, line.method)), step) for line in mine]
        names = [name for name in rows[0] if any(row[name] for row in rows)]
        found = table(
            ["" if name in _UNNAMED else name for name in names],
            [[row[name] for name in names] for row in rows],
            right="".join("l" if name in _UNNAMED else "r" for name in names),
            elastic=0 if step == len(_LESS) - 1 else None,
        )
        if max(map(width_of, found)) <= columns():
            break
    if step:
        found.append(wrapped(f"no room for {_LESS[step]}: results.json has it", indent=2))
    return found


def _row(results: Results, line: Line, test: Test | None, step: int) -> dict[str, str]:
    """The cells of a line by column, an empty one where there is nothing to say or no room."""

    def tested(measure: Measure) -> bool:
        return results.measure == measure.value

    def cell(measure: Measure, interval: Interval | None) -> str:
        if interval is None or (step == 2 and not tested(measure)):
            return ""
        never = "never" if measure is Measure.TO_TARGET else "none"
        return _interval(interval, never, whole=step == 0 or tested(measure))

    counted = line.reached is not None and (step < 2 or tested(Measure.TO_TARGET))
    reference = "reference" if line.method == results.reference else ""
    return {
        "method": line.method,
        "reached": f"{line.reached}/{line.runs}" if counted else "",
        "to target": cell(Measure.TO_TARGET, line.to_target),
        "area": cell(Measure.AREA, line.area),
        "final": cell(Measure.FINAL, line.final),
        "ahead": "" if test is None else f"{test.ahead:.2f}",
        "p": "" if test is None else f"{test.adjusted:.2g}",
        "outcome": reference if test is None else test.outcome(results.alpha),
    }


def _interval(interval: Interval, never: str, *, whole: bool) -> str:
    def figure(value: float | None) -> str:
        return never if value is None else number(value, 3)

    if interval.low == interval.high or not whole:
        return figure(interval.median)
    return f"{figure(interval.median)} [{figure(interval.low)}, {figure(interval.high)}]"


def progress(done: int, total: int, trace: Trace, spent_s: float) -> str:
    """One line after each run."""
    what = f"{trace.method} on {trace.problem}, seed {trace.seed}"
    came = f"no result: {clipped(trace.fault, 100)}" if trace.fault else number(trace.final)
    return f"{duration(spent_s):>8}  {done}/{total}  {inert(what)}  {inert(came)}"
