"""What a person sees: how fast commands read a large run, how large a report is, what is inert."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from benchmarks import big_run
from benchmarks.rows import Measured, NotMeasured, Plan, Row

ROOT = Path(__file__).parent.parent
EVOLVE = [sys.executable, "-P", "-m", "evolve"]
LARGE = 1_000_000
MIDDLE = 10_000
_NO_PAGE = NotMeasured(why="there is no live page yet")


@contextmanager
def _run_of(count: int, plan: Plan) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evolve-seen-") as scratch:
        big_run.write(Path(scratch) / "big", count, seed=plan.seed)
        yield Path(scratch)


@lru_cache(maxsize=2)
def _readings(plan: Plan) -> dict[str, list[float]]:
    """Seconds of each command on the large run, whole process; the file has been read before."""
    commands = {
        "lineage": ["lineage", "big"],
        "why": ["why", "big"],
        "tree": ["lineage", "big", "--tree"],
    }
    found: dict[str, list[float]] = {}
    with _run_of(LARGE, plan) as root:
        for name, command in commands.items():
            for _ in range(5 if plan.full else 3):
                began = time.perf_counter()
                subprocess.run(
                    [*EVOLVE, *command, "--runs", str(root)], check=True, capture_output=True
                )
                found.setdefault(name, []).append(time.perf_counter() - began)
    return found


def _seconds(name: str, plan: Plan) -> Measured:
    times = _readings(plan)[name]
    detail = f"median of {len(times)}, most {max(times):.2f}; {LARGE:,} programs"
    return Measured(value=statistics.median(times), detail=detail)


def lineage(plan: Plan) -> Measured:
    return _seconds("lineage", plan)


def why(plan: Plan) -> Measured:
    return _seconds("why", plan)


def tree(plan: Plan) -> Measured:
    return _seconds("tree", plan)


@lru_cache(maxsize=2)
def _report(plan: Plan) -> tuple[float, float]:
    with _run_of(MIDDLE, plan) as root:
        began = time.perf_counter()
        subprocess.run(
            [*EVOLVE, "report", "big", "--runs", str(root)], check=True, capture_output=True
        )
        seconds = time.perf_counter() - began
        return (root / "big" / "report.html").stat().st_size / 1e6, seconds


def report_size(plan: Plan) -> Measured:
    return Measured(value=_report(plan)[0], detail=f"{MIDDLE:,} programs, one HTML file")


def report_seconds(plan: Plan) -> Measured:
    return Measured(value=_report(plan)[1], detail=f"{MIDDLE:,} programs, whole process")


def hostile(plan: Plan) -> Measured | NotMeasured:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/evolve/test_hostile.py", "-p",
         "no:cacheprovider"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    last = ended.stdout.strip().splitlines()[-1]
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    if not counts.get("passed") or counts.get("skipped"):
        return NotMeasured(why=f"no Chromium here, or the tests did not run: {last}")
    failed = counts.get("failed", 0) + counts.get("error", 0)
    return Measured(value=failed, detail=f"{counts['passed']} checks of 60 texts in every field")


def no_page(plan: Plan) -> NotMeasured:
    return _NO_PAGE


ROWS = [
    Row(name="lineage, 10^6 programs", unit="s", measure=lineage, at_most=1.0),
    Row(name="why, 10^6 programs", unit="s", measure=why, at_most=1.0),
    Row(name="lineage --tree, 10^6 programs", unit="s", measure=tree),
    Row(name="report of 10,000 programs", unit="MB", measure=report_size, at_most=3.0),
    Row(name="writing it", unit="s", measure=report_seconds),
    Row(name="hostile texts: checks that fail", unit="checks", measure=hostile, at_most=0),
    Row(name="page: first view of 100,000 programs", unit="s", measure=no_page, at_most=2.0),
    Row(name="page: a live update, server time", unit="ms", measure=no_page, at_most=100),
    Row(name="page: the run slowed by", unit="%", measure=no_page, at_most=2.0),
]
