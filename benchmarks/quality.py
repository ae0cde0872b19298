"""Search quality, compared by plans that are fixed in files; offline proposers only.

`toys/plan.toml`: evaluations to the known optimum of five toy problems. The plain call takes a
sample of a plan's methods, seeds and budget. A full one keeps each run's curve, a line of JSON in
`benchmarks/results`: it goes on where it was cut off, and its table can be computed again.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import tomllib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import msgspec

from benchmarks.rows import RESULTS, Measured, NotMeasured, Plan, Row, code
from evolve.compare import (
    Folder,
    Matrix,
    Results,
    Trace,
    evaluated,
    plans,
    showing,
    write_results,
)
from evolve.compare.running import write

PLAN = Path(__file__).parent / "toys" / "plan.toml"
SAMPLE_METHODS = ["default", "best_of_n", "greedy"]
SAMPLE_SEEDS = 2
SAMPLE_EVALS = 300


def _plan(plan: Plan, given_in: Path, evals: int, folder: Path) -> plans.Comparison:
    """The plan with seeds that begin at the benchmark's own, written where it is worked on."""
    given = tomllib.loads(given_in.read_text(encoding="utf-8"))
    if not plan.full:
        given |= {"methods": SAMPLE_METHODS, "budget": {"evals": evals}}
    for holder in (given, *given["problems"]):
        if not plan.full:
            holder.pop("seeds", None)
        elif "seeds" in holder:
            holder["seeds"] = _from(plan.seed, holder["seeds"])
    given.setdefault("seeds", _from(plan.seed, SAMPLE_SEEDS))
    for entry in given["problems"]:
        if entry["problem"].startswith("."):
            entry["problem"] = str((given_in.parent / entry["problem"]).resolve())
    file = folder / "given.toml"
    file.write_bytes(msgspec.toml.encode(given))
    return plans.read(file)


def _from(seed: int, count: int) -> list[int]:
    return [seed * 1000 + n for n in range(count)]


@lru_cache(maxsize=1)
def compared(plan: Plan, given_in: Path, sample_evals: int) -> Results:
    """What a plan's comparison comes to; a sample has fewer methods, seeds and evaluations."""
    name = code()
    if not plan.full or name.endswith("+"):  # one changed tree looks like another
        with tempfile.TemporaryDirectory(prefix="evolve-compared-") as scratch:
            return _compared(_plan(plan, given_in, sample_evals, Path(scratch)), Path(scratch))
    folder = RESULTS / f"{given_in.parent.name}-{name}-{plan.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder.with_name(f"{folder.name}.jsonl")
    return _compared(_plan(plan, given_in, sample_evals, folder), folder, kept)


def _compared(comparison: plans.Comparison, path: Path, kept: Path | None = None) -> Results:
    """Runs what is missing; the traces in the file `kept` are there already, new ones go there."""
    folder = Folder(path)
    with folder.lock():
        folder.fix(comparison)
        if kept is not None and kept.exists():
            _unpack(kept, folder, comparison)
        matrix = Matrix(
            comparison=comparison,
            folder=folder,
            jobs=os.cpu_count() or 1,
            discard=True,
            tell=lambda *_: None,
        )
        try:
            asyncio.run(matrix.run())
        finally:
            if kept is not None:
                done = [trace for trace in folder.read(comparison) if not trace.fault]
                write(kept, msgspec.json.Encoder().encode_lines(done))
        traces = folder.read(comparison)
        results = evaluated(comparison, traces)
        write_results(folder, comparison, traces, results)
    return results


def _unpack(kept: Path, folder: Folder, comparison: plans.Comparison) -> None:
    cells = {(cell.method, cell.problem, cell.seed): cell for cell in comparison.cells}
    for trace in msgspec.json.Decoder(Trace).decode_lines(kept.read_bytes()):
        file = folder.trace(cells[trace.method, trace.problem, trace.seed])
        if not file.exists():
            write(file, msgspec.json.encode(trace))


def ahead(plan: Plan, method: str) -> Measured | NotMeasured:
    """How often a run of the default is at the optimum before one of the method, ties half."""
    results = compared(plan, PLAN, SAMPLE_EVALS)
    tests = [test for test in results.tests if test.method == method]
    if not tests:
        return NotMeasured(why="only with --full")
    medians = {(line.problem, line.method): line for line in results.lines}
    parts = []
    for test in tests:
        mine, other = (
            medians[test.problem, name].to_target for name in (results.reference, method)
        )
        assert mine is not None
        assert other is not None
        figures = f"{_figure(mine.median)} against {_figure(other.median)}"
        parts.append(f"{test.problem} {figures} ({test.outcome(results.alpha)})")
    mean = next(mean for mean in results.overall if mean.method == method)
    there = {
        name: sum(line.reached or 0 for line in results.lines if line.method == name)
        for name in (results.reference, method)
    }
    runs = sum(len(results.seeds[test.problem]) for test in tests)
    return Measured(
        value=mean.ahead,
        detail=f"95 % interval {mean.low:.2f} to {mean.high:.2f}; there in "
        f"{there[results.reference]} and {there[method]} of {runs} runs; "
        f"median evaluations over {showing.seeds_of(results.seeds.values())}: {'; '.join(parts)}",
    )


def false_alarms(plan: Plan) -> Measured | NotMeasured:
    """How often the same tests find something when labels are permuted."""
    control = compared(plan, PLAN, SAMPLE_EVALS).control
    if control is None:
        return NotMeasured(why="some run has no result")
    share = control["false_alarms"] / control["permutations"]
    return Measured(value=share, detail=f"{control['permutations']} permutations")


def _figure(median: float | None) -> str:
    return "never" if median is None else f"{median:.0f}"


def _row(method: str) -> Row:
    measure: Callable[[Plan], Measured | NotMeasured] = partial(ahead, method=method)
    name = f"toys: default before {method}"
    return Row(name=name, unit="share", at_least=0.5, measure=measure)


_METHODS: list[str] = tomllib.loads(PLAN.read_text(encoding="utf-8"))["methods"]
ROWS = [
    *(_row(method) for method in _METHODS[1:]),
    Row(name="toys: false alarms with permuted labels", unit="share", at_most=0.105,
        measure=false_alarms),
]  # fmt: skip
