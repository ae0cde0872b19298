"""The whole path: from a fresh clone to a checked result, its quality, its cost, its durability."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks import children, forks, kills, stalls
from benchmarks.rows import Measured, NotMeasured, Plan, Row

ROOT = Path(__file__).parent.parent
EVOLVE = [sys.executable, "-P", "-m", "evolve"]
SEARCH_MINUTES = 1.5
QUALITY_SEEDS = 5
MOST_BLOCK_MS = 20.0
_MOST_AGAIN = 2


@lru_cache(maxsize=1)
def _demo() -> dict[str, float] | str:
    """Clones the committed tree, runs `make demo` with nothing else set up; seconds and scores."""
    if shutil.which("make") is None or shutil.which("git") is None:
        return "needs make and git"
    with tempfile.TemporaryDirectory(prefix="evolve-demo-") as scratch:
        clone = Path(scratch) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        kept = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
        environment = {k: v for k, v in os.environ.items() if k not in kept}
        began = time.monotonic()
        demo = subprocess.run(
            ["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True
        )
        total = time.monotonic() - began
        if demo.returncode != 0:
            return f"make demo failed: {demo.stderr.strip().splitlines()[-1:]}"
        shown = subprocess.run(
            [".venv/bin/evolve", "show", "demo", "--json"],
            cwd=clone, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        champion = json.loads(shown.stdout)
        verified = subprocess.run(
            [".venv/bin/evolve", "verify", "runs/demo/certificate.json"],
            cwd=clone, env=environment, capture_output=True,
        )  # fmt: skip
        return {
            "total_s": total,
            "test": float(champion["test"]),
            "verified": float(verified.returncode == 0),
        }


def demo_seconds(plan: Plan) -> Measured | NotMeasured:
    demo = _demo()
    if isinstance(demo, str):
        return NotMeasured(why=demo)
    detail = f"installation, search and test; test score {demo['test']:.3f} %"
    return Measured(value=demo["total_s"], detail=detail)


def demo_verified(plan: Plan) -> Measured | NotMeasured:
    demo = _demo()
    return NotMeasured(why=demo) if isinstance(demo, str) else Measured(value=demo["verified"])


def help_milliseconds(plan: Plan) -> Measured:
    times = []
    for _ in range(11):
        began = time.perf_counter()
        subprocess.run([str(Path(sys.executable).with_name("evolve")), "--help"],
                       check=True, capture_output=True)  # fmt: skip
        times.append(time.perf_counter() - began)
    detail = f"median of {len(times)}; least {min(times) * 1000:.0f}"
    return Measured(value=statistics.median(times) * 1000, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """A run of 90 seconds: what it printed, and how long the machine itself stood still."""

    said: dict[str, object]
    stood_ms: float | None

    @property
    def block_ms(self) -> float:
        return float(self.said["longest_block_ms"])  # type: ignore[arg-type]

    @property
    def unjust(self) -> bool:
        """Whether its block says as much of the machine as of the loop."""
        return self.block_ms > MOST_BLOCK_MS and (self.stood_ms or 0.0) > MOST_BLOCK_MS / 2


def _search(seed: int) -> _Search:
    with tempfile.TemporaryDirectory(prefix="evolve-path-") as scratch, stalls.watched() as stood:
        ended = subprocess.run(
            [*EVOLVE, "run", "bin_packing", "--minutes", str(SEARCH_MINUTES), "--json",
             "--seed", str(seed), "--runs", scratch],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return _Search(said=json.loads(ended.stdout), stood_ms=stood.longest_ms)


@lru_cache(maxsize=4)
def _searches(plan: Plan) -> list[_Search]:
    """Runs of 90 seconds with fresh seeds: a sample is one."""
    seeds = range(QUALITY_SEEDS if plan.full else 1)
    return [_search(plan.seed * 1000 + index) for index in seeds]


def quality(plan: Plan) -> Measured:
    tests = [run.said["test"] for run in _searches(plan)]
    scores = sorted(float(test["champion"]) for test in tests)  # type: ignore[index]
    alone = statistics.mean(float(test["seed_program"]) for test in tests)  # type: ignore[index]
    share = sum(score <= 1.0 for score in scores) / len(scores)
    shown = ", ".join(f"{score:.3f}" for score in scores)
    detail = f"test excess in %: {shown}; seed alone, same budget: {alone:.3f}"
    return Measured(value=share, detail=detail)


def worst_quality(plan: Plan) -> Measured:
    tests = [run.said["test"] for run in _searches(plan)]
    return Measured(value=max(float(test["champion"]) for test in tests))  # type: ignore[index]


def longest_block(plan: Plan) -> Measured | NotMeasured:
    """Takes runs again, two at most, in which a block and a standstill of the machine met."""
    runs, again = [], 0
    for run in _searches(plan):
        while run.unjust and again < _MOST_AGAIN:
            again += 1
            run = _search(plan.seed * 1000 + QUALITY_SEEDS + again)
        runs.append(run)
    judged = [run for run in runs if not run.unjust]
    if not judged:
        stood = min(run.stood_ms or 0.0 for run in runs)
        return NotMeasured(why=f"the machine itself stood still for {stood:.0f} ms and more")
    detail = f"longest in {len(judged)} runs of 90 s"
    stood_ms = [run.stood_ms for run in judged if run.stood_ms is not None]
    if stood_ms:
        detail += f", in which the machine itself stood still for up to {max(stood_ms):.1f} ms"
    if again:
        detail += f"; {again} runs taken again, for it did so for over {MOST_BLOCK_MS / 2:.0f} ms"
    return Measured(value=max(run.block_ms for run in judged), detail=detail)


def evaluations_per_second(plan: Plan) -> Measured:
    rates = []
    for run in _searches(plan):
        status = run.said["status"]
        assert isinstance(status, dict)
        rates.append(status["evaluated"] / (SEARCH_MINUTES * 60))
    return Measured(value=statistics.median(rates), detail="all of a 90 s run, start included")


ROWS = [
    Row(name="evolve --help", unit="ms", measure=help_milliseconds, at_most=200),
    Row(name="make demo from a fresh clone", unit="s", measure=demo_seconds, at_most=300),
    Row(name="its certificate holds", unit="yes=1", measure=demo_verified, at_least=1),
    Row(name="share of 90 s runs with test excess <= 1.0 %", unit="share", measure=quality,
        at_least=0.8),
    Row(name="worst test excess of these runs", unit="%", measure=worst_quality),
    Row(name="evaluations per second in these runs", unit="1/s", measure=evaluations_per_second),
    Row(name="the loop's longest block", unit="ms", measure=longest_block, at_most=MOST_BLOCK_MS),
    Row(name="sandboxed evaluation / bare fork, wall", unit="ratio", measure=forks.wall_ratio,
        at_most=2.5),
    Row(name="sandboxed evaluation / bare fork, CPU", unit="ratio", measure=forks.cpu_ratio,
        at_most=2.5),
    Row(name="CPU of a proposal of bin_packing, not weighed", unit="ms", measure=children.plain,
        at_most=3),
    Row(name="CPU of a child of bin_packing, made and weighed", unit="ms",
        measure=children.child, at_most=3),
    Row(name="CPU of a proposal of bin_packing, the best of eight children", unit="ms",
        measure=children.proposal),
    Row(name="kill -9 and resume: lost or doubled", unit="programs", measure=kills.lost,
        at_most=0),
    Row(name="kill -9: processes left", unit="processes", measure=kills.orphans, at_most=0),
    Row(name="kill -9 in deterministic mode: ends that differ", unit="ends",
        measure=kills.differing_ends, at_most=0),
]  # fmt: skip
