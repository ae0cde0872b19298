"""What a comparison says: figures with intervals, tests, the control, and sentences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from evolve.compare.curves import Trace, measured
from evolve.compare.plan import Comparison, Contest, Measure
from evolve.compare.statistics import (
    Control,
    holm,
    least_p,
    median_interval,
    most_alarms,
    rank_test,
    superiority_interval,
)
from evolve.randomness import derive

PERMUTATIONS = 200

Figures = Mapping[str, Mapping[str, Sequence[float]]]
"""Of each problem, of each method, one figure a run, the smaller the better."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A median over the runs of one method with its 95 % bootstrap interval, in its own sign.

    None stands for "most runs have no such value".
    """

    median: float | None
    low: float | None
    high: float | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one problem."""

    problem: str
    method: str
    runs: int
    reached: int | None
    """Runs that came to the target; None where the problem has none."""
    to_target: Interval | None
    area: Interval
    final: Interval
    waste: float
    """Share of the attempts that were not judged."""
    usd: float


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """The reference against one method on one problem."""

    problem: str
    method: str
    ahead: float
    """How often a run of the reference beats one of the method, ties counting half."""
    p: float
    adjusted: float

    def outcome(self, alpha: float) -> str:
        if self.adjusted > alpha:
            return "undecided"
        return "better" if self.ahead > 0.5 else "worse"


class Overall(msgspec.Struct, frozen=True, kw_only=True):
    """The reference against one method over all problems: the mean of `Test.ahead`.

    With a 95 % bootstrap interval. It is no test: problems are no sample of all that there are.
    """

    method: str
    ahead: float
    low: float
    high: float


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as JSON has it. `tests` is empty until every run of the plan has its result."""

    plan: str
    digest: str
    unit: str
    limit: float
    measure: str
    alpha: float
    reference: str
    seeds: dict[str, tuple[int, ...]]
    """Of each problem."""
    runs: int
    of: int
    faults: tuple[str, ...]
    lines: tuple[Line, ...]
    tests: tuple[Test, ...]
    overall: tuple[Overall, ...]
    """Empty where `tests` is, and where there is one problem only."""
    control: dict[str, float | bool] | None
    sentences: tuple[str, ...]


def hopeless(comparison: Comparison) -> str:
    """Why no test of a plan can come out significant, whatever its runs come to; "" otherwise."""
    tests, alpha = len(_pairs(comparison)), comparison.alpha

    def corrected(seeds: int) -> float:
        return tests * least_p(seeds)

    seeds = max(len(contest.seeds) for contest in comparison.contests.values())
    if corrected(seeds) <= alpha:
        return ""
    enough = next(size for size in itertools.count(seeds) if corrected(size) <= alpha)
    return (
        f"nothing can come out significant: with {seeds} seeds no p is below "
        f"{least_p(seeds):.2g}, corrected over {tests} test{'s' * (tests != 1)} "
        f"{min(1.0, corrected(seeds)):.2g}, and alpha is {alpha:g}; take {enough} seeds or more"
    )


def evaluated(comparison: Comparison, traces: Sequence[Trace]) -> Results:
    """Everything that follows from the traces there are; the same traces give the same results."""
    place = {(c.method, c.problem, c.seed): n for n, c in enumerate(comparison.cells)}
    traces = sorted(traces, key=lambda trace: place[trace.method, trace.problem, trace.seed])
    good = [trace for trace in traces if not trace.fault]
    complete = len(good) == len(comparison.cells)
    figures = _figures(comparison, good)
    tests = _tests(comparison, figures) if complete else ()
    overall = _overall(comparison, figures) if complete else ()
    control = _control(comparison, figures) if complete else None
    return Results(
        plan=str(comparison.file),
        digest=comparison.digest,
        unit=comparison.unit,
        limit=comparison.limit,
        measure=comparison.measure.value,
        alpha=comparison.alpha,
        reference=comparison.reference,
        seeds={name: contest.seeds for name, contest in comparison.contests.items()},
        runs=len(good),
        of=len(comparison.cells),
        faults=tuple(
            f"{t.method} on {t.problem}, seed {t.seed}: {t.fault}" for t in traces if t.fault
        ),
        lines=tuple(_lines(comparison, good)),
        tests=tests,
        overall=overall,
        control=None if control is None else {
            "permutations": control.permutations,
            "false_alarms": control.false_alarms,
            "most_expected": control.most_expected,
            "holds": control.holds,
        },
        sentences=tuple(_sentences(comparison, tests, overall, control, len(good))),
    )  # fmt: skip


def _pairs(comparison: Comparison) -> list[tuple[str, str]]:
    """Problem and method of each test; Holm's correction spans all of them."""
    return [
        (problem, method)
        for problem in comparison.contests
        for method in comparison.methods
        if method != comparison.reference
    ]


def _figures(comparison: Comparison, traces: Sequence[Trace]) -> Figures:
    found: dict[str, dict[str, list[float]]] = {
        problem: {method: [] for method in comparison.methods} for problem in comparison.contests
    }
    for trace in traces:
        figure = measured(trace, comparison, comparison.measure)
        found[trace.problem][trace.method].append(figure)
    return found


def _tests(comparison: Comparison, figures: Figures) -> tuple[Test, ...]:
    pairs = _pairs(comparison)
    found = [
        rank_test(figures[problem][comparison.reference], figures[problem][method])
        for problem, method in pairs
    ]
    adjusted = holm([test.p for test in found])
    return tuple(
        Test(problem=problem, method=method, ahead=test.superiority, p=test.p, adjusted=p)
        for (problem, method), test, p in zip(pairs, found, adjusted, strict=True)
    )


def _overall(comparison: Comparison, figures: Figures) -> tuple[Overall, ...]:
    if len(figures) == 1:
        return ()
    found = []
    for method in comparison.methods:
        if method == comparison.reference:
            continue
        rng = np.random.default_rng(derive(0, f"{comparison.digest} {method} overall"))
        pairs = [(of[comparison.reference], of[method]) for of in figures.values()]
        ahead, low, high = superiority_interval(pairs, rng)
        found.append(Overall(method=method, ahead=ahead, low=low, high=high))
    return tuple(found)


def _control(comparison: Comparison, figures: Figures) -> Control:
    """The same tests after the methods' labels were permuted within each problem."""
    rng = np.random.default_rng(derive(0, f"control {comparison.digest}"))
    alarms = 0
    for _ in range(PERMUTATIONS):
        shuffled: dict[str, dict[str, list[float]]] = {}
        for problem, by_method in figures.items():
            pooled = rng.permutation([v for values in by_method.values() for v in values])
            sizes = np.cumsum([len(values) for values in by_method.values()])[:-1]
            parts = np.split(pooled, sizes)
            shuffled[problem] = {m: p.tolist() for m, p in zip(by_method, parts, strict=True)}
        found = _tests(comparison, shuffled)
        alarms += any(test.adjusted <= comparison.alpha for test in found)
    return Control(
        permutations=PERMUTATIONS,
        false_alarms=alarms,
        most_expected=most_alarms(PERMUTATIONS, comparison.alpha),
    )


def _lines(comparison: Comparison, traces: Sequence[Trace]) -> list[Line]:
    found = []
    for contest in comparison.contests.values():
        for method in comparison.methods:
            runs = [t for t in traces if (t.problem, t.method) == (contest.name, method)]
            if runs:
                found.append(_line(comparison, contest, method, runs))
    return found


def _line(comparison: Comparison, contest: Contest, method: str, runs: Sequence[Trace]) -> Line:
    maximised = contest.task.problem.objectives[0].direction == "max"

    def interval(measure: Measure) -> Interval:
        values = [measured(run, comparison, measure) for run in runs]
        turned = maximised and measure is not Measure.TO_TARGET
        return _interval(comparison, values, f"{method} {contest.name} {measure}", turned)

    attempts = sum(sum(run.fates.values()) for run in runs)
    judged = sum(run.fates.get(fate, 0) for run in runs for fate in ("seed", "evaluated"))
    reached = [measured(run, comparison, Measure.TO_TARGET) < math.inf for run in runs]
    return Line(
        problem=contest.name,
        method=method,
        runs=len(runs),
        reached=None if contest.target is None else sum(reached),
        to_target=None if contest.target is None else interval(Measure.TO_TARGET),
        area=interval(Measure.AREA),
        final=interval(Measure.FINAL),
        waste=1 - judged / attempts if attempts else 0.0,
        usd=sum(run.usd for run in runs),
    )


def _interval(
    comparison: Comparison, values: Sequence[float], purpose: str, turned: bool
) -> Interval:
    rng = np.random.default_rng(derive(0, f"{comparison.digest} {purpose}"))
    median, low, high = median_interval(values, rng)
    if turned:
        median, low, high = -median, -high, -low
    return Interval(median=_finite(median), low=_finite(low), high=_finite(high))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _sentences(
    comparison: Comparison,
    tests: Sequence[Test],
    overall: Sequence[Overall],
    control: Control | None,
    runs: int,
) -> list[str]:
    reference, alpha = comparison.reference, comparison.alpha
    if control is None:
        left = len(comparison.cells) - runs
        return [f"not tested: {left} of {len(comparison.cells)} runs have no result yet"]
    found = []
    means = {mean.method: mean for mean in overall}
    for method in comparison.methods:
        mine = [test for test in tests if test.method == method]
        if not mine:
            continue
        outcomes = [(test.outcome(alpha), test.problem) for test in mine]
        parts = []
        for outcome in ("better", "worse"):
            where = [problem for said, problem in outcomes if said == outcome]
            if where:
                parts.append(f"significantly {outcome} on {', '.join(where)}")
        undecided = sum(said == "undecided" for said, _ in outcomes)
        if parts and undecided:
            parts.append(f"undecided on {undecided}")
        said = "; ".join(parts) or "undecided everywhere"
        if (mean := means.get(method)) is not None:
            said += f"; ahead {mean.ahead:.2f} [{mean.low:.2f}, {mean.high:.2f}] on average"
        found.append(f"{reference} against {method}: {said}")
    if all(test.adjusted > alpha for test in tests):
        found.append(
            f"nothing is significant: these {runs} runs do not tell {reference} from any other"
        )
    how = (
        f"labels permuted {control.permutations} times, something significant in "
        f"{control.false_alarms} (at most {control.most_expected} expected)"
    )
    if control.holds:
        found.append(f"control: {how}")
    else:
        found.append(f"CONTROL FAILED, do not trust these tests: {how}")
    return found
