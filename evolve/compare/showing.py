"""A comparison in a terminal."""

from __future__ import annotations

from evolve.compare.curves import Trace
from evolve.compare.results import Interval, Line, Results
from evolve.terminal import clipped, duration, inert, number, table

_HEADINGS = {"to_target": "to target", "area": "area", "final": "final"}


def shown(results: Results) -> list[str]:
    """The tables, one for each problem, and what they say."""
    lines = []
    tests = {(test.problem, test.method): test for test in results.tests}
    for problem in dict.fromkeys(line.problem for line in results.lines):
        mine = [line for line in results.lines if line.problem == problem]
        rows = []
        for line in mine:
            test = tests.get((problem, line.method))
            row = [line.method, *_figures(line)]
            if test is None:
                row += ["", "", "reference" if line.method == results.reference else ""]
            else:
                row += [f"{test.ahead:.2f}", f"{test.adjusted:.2g}", test.outcome(results.alpha)]
            rows.append(row)
        header = ["", "reached", "to target", "area", "final", "ahead", "p", ""]
        lines += [f"{inert(problem)}", *table(header, rows, right="lrrrrrr"), ""]
    lines += [
        f"{results.runs} of {results.of} runs, each of {results.limit:g} {results.unit}, "
        f"{len(results.seeds)} seeds; medians with 95 % intervals",
        f"tested: {_HEADINGS[results.measure]}; ahead: how often {inert(results.reference)} beats "
        "the method",
        f"p: Mann-Whitney, exact, Holm's correction over {len(results.tests)} tests at "
        f"{results.alpha:g}",
    ]
    lines += [f"no result: {clipped(inert(fault), 160)}" for fault in results.faults[:5]]
    if len(results.faults) > 5:
        lines.append(f"no result: {len(results.faults) - 5} more")
    return [*lines, "", *map(inert, results.sentences)]


def _figures(line: Line) -> list[str]:
    reached = "" if line.reached is None else f"{line.reached}/{line.runs}"
    to_target = "" if line.to_target is None else _interval(line.to_target, never="never")
    return [reached, to_target, _interval(line.area), _interval(line.final)]


def _interval(interval: Interval, never: str = "none") -> str:
    def figure(value: float | None) -> str:
        return never if value is None else number(value, 3)

    if interval.low == interval.high:
        return figure(interval.median)
    return f"{figure(interval.median)} [{figure(interval.low)}, {figure(interval.high)}]"


def progress(done: int, total: int, trace: Trace, spent_s: float) -> str:
    """One line after each run."""
    what = f"{trace.method} on {trace.problem}, seed {trace.seed}"
    came = f"no result: {clipped(trace.fault, 100)}" if trace.fault else number(trace.final)
    return f"{duration(spent_s):>8}  {done}/{total}  {inert(what)}  {inert(came)}"
