"""Kills runs at random moments and resumes them: what is lost, what is left, whether ends agree."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from benchmarks.processes import kill, left_after, tree
from benchmarks.rows import Measured, Plan
from islands_db import fingerprint

EVOLVE = [sys.executable, "-P", "-m", "evolve"]
EVALS = 800
_POINT_EVALS = 60
"""A second or two of work, so that a kill at a random moment mostly falls into it."""
_POINT_KILLS = 3
_ORPHANS_MUST_GO_S = 30.0
"""What leaks never goes; what the kernel has ended may go late on a busy machine."""
_LONGEST_LIFE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one run that was killed again and again."""

    kills: int
    lost: int
    doubled: int
    orphans: int
    end: str


def killed_run(
    scratch: Path, *, seed: int, workers: int, kills: int, evals: int, moments: str = ""
) -> Report:
    """Runs to `evals` evaluations in deterministic mode through `kills` kills at random moments.

    Every other kill takes the engine alone, and the kernel must take the rest; else the whole tree
    is killed at once.
    """
    rng = random.Random(moments or f"{seed}/{workers}/{kills}")
    database = scratch / "killed" / "run.db"
    done = lost = doubled = orphans = 0
    before: set[tuple[object, ...]] = set()
    while True:
        process = subprocess.Popen(
            _resume(scratch, evals) if _begun(database) else start(scratch, seed, workers, evals),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            limit = rng.uniform(0.05, _LONGEST_LIFE_S) if done < kills else None
            _, errors = process.communicate(timeout=limit)
            if process.returncode != 0 and _begun(database):
                raise RuntimeError(f"the resumed run failed: {errors}")
            if process.returncode == 0:
                break
        except subprocess.TimeoutExpired:
            family = tree(process.pid)
            only_engine = done % 2 == 0
            kill(p for p in family if not only_engine or p.pid == process.pid)
            process.communicate()
            orphans += len(left_after(family, within_s=_ORPHANS_MUST_GO_S))
            done += 1
        if _begun(database):
            now, twice = _stored(database)
            lost += len(before - now)
            doubled += twice
            before = now
    now, twice = _stored(database)
    lost += len(before - now)
    doubled += twice
    return Report(
        kills=done, lost=lost, doubled=doubled, orphans=orphans, end=fingerprint(database)
    )


def start(scratch: Path, seed: int, workers: int, evals: int) -> list[str]:
    """The command of a deterministic run."""
    return [
        *EVOLVE, "run", "bin_packing:or1", "--deterministic", "--json", "--seed", str(seed),
        "--workers", str(workers), "--evals", str(evals), "--name", "killed", "--replace",
        "--runs", str(scratch),
    ]  # fmt: skip


def _resume(scratch: Path, evals: int) -> list[str]:
    return [*EVOLVE, "resume", "killed", "--evals", str(evals), "--json", "--runs", str(scratch)]


def _begun(database: Path) -> bool:
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'programs'")
        if not tables.fetchone()[0]:
            return False
        return bool(connection.execute("SELECT count(*) FROM attempts").fetchone()[0])


def _stored(database: Path) -> tuple[set[tuple[object, ...]], int]:
    """Programs and verdicts in the file, and how many stand there twice."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows: list[tuple[object, ...]] = connection.execute(
            "SELECT 'program', id, hash, '', '', 0 FROM programs"
        ).fetchall()
        rows += connection.execute(
            "SELECT 'verdict', program, stage, split, status, seed FROM verdicts"
        ).fetchall()
        twice = connection.execute(
            "SELECT count(*) - count(DISTINCT hash) FROM programs"
        ).fetchone()[0]
    return set(rows), len(rows) - len(set(rows)) + int(twice)


@lru_cache(maxsize=4)
def _campaign(plan: Plan) -> list[tuple[Report, str]]:
    """Killed runs with one and two workers, each with the end of an uninterrupted run beside it."""
    found = []
    kills = 50 if plan.full else 5
    evals = EVALS * 10 if plan.full else EVALS
    for workers in (1, 2):
        with tempfile.TemporaryDirectory(prefix="evolve-kill-") as name:
            scratch = Path(name)
            subprocess.run(
                start(scratch, plan.seed, 3 - workers, evals), check=True, capture_output=True
            )
            straight = fingerprint(scratch / "killed" / "run.db")
            report = killed_run(
                scratch / "again", seed=plan.seed, workers=workers, kills=kills, evals=evals
            )
            found.append((report, straight))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """What became of runs that were killed a few times each, until there were `kills` in all."""

    kills: int
    runs: int
    evals: int
    differing: int
    lost: int
    orphans: int


def points(seed: int, *, count: int, kept: Path | None = None) -> Points:
    """Kills short runs, one a core, up to three times each, at `count` points in all; beside one
    left alone.

    Args:
        kept: A file that keeps the reports, so that a count begun is gone on with.
    """
    reports = _kept(kept)
    with tempfile.TemporaryDirectory(prefix="evolve-kill-") as name:
        scratch = Path(name)
        subprocess.run(start(scratch, seed, 2, _POINT_EVALS), check=True, capture_output=True)
        straight = fingerprint(scratch / "killed" / "run.db")

        def again(turn: int, kills: int) -> Report:
            folder = scratch / f"again{turn}"
            found = killed_run(
                folder, seed=seed, workers=1 + turn % 2,
                kills=kills, evals=_POINT_EVALS, moments=f"{seed} {turn}",
            )  # fmt: skip
            shutil.rmtree(folder)
            return found

        with ThreadPoolExecutor(os.cpu_count()) as together:
            while (done := sum(report.kills for report in reports)) < count:
                left = range(count - done, 0, -_POINT_KILLS)[: os.cpu_count()]
                kills = [min(_POINT_KILLS, most) for most in left]
                turns = range(len(reports), len(reports) + len(kills))
                reports += together.map(again, turns, kills)
                if kept is not None:
                    kept.write_bytes(msgspec.json.encode(reports))
    return Points(
        kills=done,
        runs=len(reports),
        evals=_POINT_EVALS,
        differing=sum(report.end != straight for report in reports),
        lost=sum(report.lost + report.doubled for report in reports),
        orphans=sum(report.orphans for report in reports),
    )


def _kept(kept: Path | None) -> list[Report]:
    if kept is None or not kept.exists():
        return []
    return msgspec.json.decode(kept.read_bytes(), type=list[Report])


def lost(plan: Plan) -> Measured:
    reports = [report for report, _ in _campaign(plan)]
    value = sum(report.lost + report.doubled for report in reports)
    detail = f"{sum(report.kills for report in reports)} kills, 1 and 2 workers, in every other "
    return Measured(value=value, detail=detail + "one the engine alone")


def orphans(plan: Plan) -> Measured:
    return Measured(value=sum(report.orphans for report, _ in _campaign(plan)))


def differing_ends(plan: Plan) -> Measured:
    ends = {end for report, straight in _campaign(plan) for end in (report.end, straight)}
    detail = "two uninterrupted runs (2 and 1 workers), two killed ones (1 and 2 workers)"
    return Measured(value=len(ends) - 1, detail=detail)
