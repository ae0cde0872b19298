"""The island database at scale and under kills: times, memory, disk, ends; search quality.

A run of programs of 2 kB, each differing from its parent in a few lines, is stored attempt by
attempt as a search does it; the rows measure that one database. The plain call stores a sample of
them, `--full` a million; cut off, it goes on with the database it had begun.

For the kills, deterministic runs are killed at random moments and resumed until they end, which
must be as the run ends that was left alone.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks import kills, quality
from benchmarks.rows import RESULTS, Measured, Plan, Row, code, commit
from islands_db import (
    Axis,
    Fate,
    Outcome,
    ProgramText,
    Sample,
    Settings,
    Status,
    Store,
    Verdict,
)
from islands_db.connections import CACHE_KIB

SETTINGS = Settings(
    islands=8,
    axes=(
        Axis(name="length", low=0, high=200, cells=20),
        Axis(name="depth", low=0, high=30, cells=20),
    ),
    inspirations=4,
)
FULL, SAMPLE = 1_000_000, 20_000
SMALL = 2_000
"""Programs of the database that the memory of a large one is compared with."""
LINES = 62
DRAWS = 20_000
_NOTED_EVERY = 1_000

Spent: TypeAlias = NDArray[np.float64]
"""Seconds of insertions in their order, shape (insertions, 2): on the clock, of the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one database of `programs` programs showed; times in seconds, sizes in bytes.

    Attributes:
        held: Memory for each program beyond the first `SMALL`, SQLite's page cache not counted.
        private: All memory that is the process's own.
    """

    programs: int
    sample: list[float]
    sample_text: list[float]
    insert: Spent
    fsync: list[float]
    open: list[float]
    held: float
    private: float
    disk: float


@contextmanager
def _scratch(plan: Plan) -> Iterator[Path]:
    """Where the database lies: a full one under a name that a later call finds again."""
    if not plan.full:
        with tempfile.TemporaryDirectory(prefix="evolve-islands-") as name:
            yield Path(name)
        return
    folder = Path(tempfile.gettempdir()) / f"evolve-islands-{commit()}-{plan.seed}"
    folder.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder)


@lru_cache(maxsize=1)
def _figures(plan: Plan) -> Figures:
    programs = FULL if plan.full else SAMPLE
    with _scratch(plan) as scratch:
        path = scratch / "run.db"
        there = path.exists()
        store = Store.open(path) if there else Store.create(path, settings=SETTINGS, meta={})
        with _folded(store):
            _fill(store, programs, plan.seed)
        sample = _timed_samples(store, plan.seed, text=False)
        sample_text = _timed_samples(store, plan.seed, text=True)
        store.close()
        opened = [_opened(path) for _ in range(3)]
        small = _opened(_small(path))
        return Figures(
            programs=programs,
            sample=sample,
            sample_text=sample_text,
            insert=_spent(path),
            fsync=_fsyncs(scratch),
            open=[one.seconds for one in opened],
            held=(statistics.median(one.held for one in opened) - small.held) / (programs - SMALL),
            private=statistics.median(one.private for one in opened),
            disk=path.stat().st_size / programs,
        )


def _fill(store: Store, programs: int, seed: int) -> None:
    """Stores programs up to so many; notes what each transaction took, with its commit."""
    rng = random.Random(seed)
    text = "".join(_line(rng) for _ in range(LINES))
    spent: list[tuple[float, float]] = []
    sample: Sample | None = None
    if first := store.counts().attempts:
        (sample,) = store.pending()
    else:
        store.begin(Sample(attempt=0, island=0, parent=None, proposer="seed"))
    for attempt in range(first, programs):
        if attempt == SMALL:
            _copy(store.path, _small(store.path))
        rng = random.Random(f"{seed} program {attempt}")
        outcome = _outcome(store, sample, rng, text)
        began, began_cpu = time.perf_counter(), time.thread_time()
        with store.atomic():
            store.settle(attempt, outcome)
            sample = store.sample(attempt + 1, rng, proposer="tree")
            store.begin(sample)
        spent.append((time.perf_counter() - began, time.thread_time() - began_cpu))
        if len(spent) == _NOTED_EVERY or attempt == programs - 1:
            _note(store.path, attempt + 1 - len(spent), spent)
            spent.clear()


def _small(path: Path) -> Path:
    return path.with_name("small.db")


def _copy(path: Path, to: Path) -> None:
    to.unlink(missing_ok=True)
    reader = sqlite3.connect(path)
    reader.execute("VACUUM INTO ?", (str(to),))
    reader.close()


def _times(path: Path) -> Path:
    """Where the times of insertions are, each at the place of its attempt, so that they outlive
    a break; what was not noted before it is zero."""
    return path.with_name("insertions")


def _note(path: Path, first: int, spent: list[tuple[float, float]]) -> None:
    with os.fdopen(os.open(_times(path), os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.seek(first * 16)
        file.write(np.array(spent).tobytes())


def _spent(path: Path) -> Spent:
    every = np.fromfile(_times(path), np.float64).reshape(-1, 2)
    return every[every[:, 0] > 0]


def _outcome(store: Store, sample: Sample | None, rng: random.Random, seed_text: str) -> Outcome:
    """A child that differs from its parent in two lines, judged by one stage."""
    text, diff = seed_text, ""
    if sample is not None and sample.parent is not None:
        lines = store.files(sample.parent)["program.py"].splitlines(keepends=True)
        for place in rng.sample(range(LINES), 2):
            new = _line(rng)
            diff += f"<<<<<<< SEARCH\n{lines[place]}=======\n{new}>>>>>>> REPLACE\n"
            lines[place] = new
        text = "".join(lines)
    digest = sha256(text.encode())
    fitness = rng.gauss(0.0, 1.0)
    features = {"length": float(rng.randrange(200)), "depth": float(rng.randrange(30))}
    verdict = Verdict(
        stage="exact",
        split="training",
        status=Status.OK,
        values={"size": fitness},
        exact={"size": repr(fitness)},
        features={"depth": features["depth"]},
        fitness=fitness,
        tier="a",
        seed=rng.getrandbits(63),
        wall_s=rng.random(),
        cpu_s=rng.random(),
        memory_bytes=rng.getrandbits(27),
    )
    return Outcome(
        fate=Fate.SEED if sample is None else Fate.EVALUATED,
        operator="mutate",
        diff=diff,
        program=ProgramText(
            hash=digest.hexdigest(),
            syntax_hash=sha256(digest.digest()).hexdigest(),
            files={"program.py": text},
            length=int(features["length"]),
        ),
        verdicts=(verdict,),
        rung=1,
        fitness=fitness,
        features=features,
        signature=rng.getrandbits(62) + 1,
        propose_s=rng.random(),
    )


def _line(rng: random.Random) -> str:
    return f"    total += {rng.randrange(1000)} * item - {rng.randrange(1000)}\n"


@contextmanager
def _folded(store: Store) -> Iterator[None]:
    """Copies the log into the file and begins it anew, as often as a run does."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(10.0):
            if store.checkpoint():
                store.begin_log_anew()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _timed_samples(store: Store, seed: int, *, text: bool) -> list[float]:
    spent = []
    for attempt in range(DRAWS):
        rng = random.Random(f"{seed} {attempt}")
        began = time.perf_counter()
        sample = store.sample(attempt, rng, proposer="tree")
        if text and sample.parent is not None:
            for program in (sample.parent, *sample.inspirations):
                store.files(program)
        spent.append(time.perf_counter() - began)
    return spent


_OPEN = """
import ctypes, random, sys, time
from islands_db import Store
def private():
    with open("/proc/self/smaps_rollup") as rollup:
        return 1024 * sum(int(line.split()[1]) for line in rollup if line.startswith(
            ("Private_Clean", "Private_Dirty", "Swap:")))
began = time.perf_counter()
store = Store.open(sys.argv[1])
spent = time.perf_counter() - began
for attempt in range(3000):
    sample = store.sample(attempt, random.Random(attempt), proposer="tree")
    for program in (sample.parent, *sample.inspirations):
        store.files(program)
everything = private()
store._connection.execute("PRAGMA shrink_memory")
ctypes.CDLL(None).malloc_trim(0)
print(spent, everything, private())
"""


@dataclass(frozen=True, slots=True)
class _Opened:
    """Seconds that opening took, and memory after a while's sampling, without and with the pages
    of the file that SQLite keeps."""

    seconds: float
    private: int
    held: int


def _opened(path: Path) -> _Opened:
    """Opens a database in a fresh process and draws samples with their texts from it."""
    shown = subprocess.run(
        [sys.executable, "-c", _OPEN, str(path)], check=True, capture_output=True, text=True
    )
    seconds, private, held = shown.stdout.split()
    return _Opened(float(seconds), int(private), int(held))


def _fsyncs(folder: Path) -> list[float]:
    spent = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(200):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            spent.append(time.perf_counter() - began)
    return spent


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def sample_seconds(plan: Plan) -> Measured:
    found = _figures(plan)
    detail = f"{found.programs:,} programs; p99 {_percentile(found.sample, 99) * 1e6:.0f} us"
    return Measured(value=statistics.median(found.sample) * 1e6, detail=detail)


def sample_text_seconds(plan: Plan) -> Measured:
    found = _figures(plan)
    detail = f"{found.programs:,} programs; p99 {_percentile(found.sample_text, 99) * 1e3:.3f} ms"
    return Measured(value=statistics.median(found.sample_text) * 1e3, detail=detail)


def insert_seconds(plan: Plan) -> Measured:
    found = _figures(plan)
    seconds, cpu = found.insert[-len(found.insert) // 10 :].T
    return Measured(
        value=float(np.median(seconds)) * 1e3,
        detail=f"the last tenth of {found.programs:,}; {np.median(cpu) * 1e3:.2f} ms of a core; "
        f"p99 {np.percentile(seconds, 99) * 1e3:.2f} ms, longest {seconds.max() * 1e3:.0f} ms; an "
        f"fsync here takes {statistics.median(found.fsync) * 1e3:.2f} ms, "
        f"p99 {_percentile(found.fsync, 99) * 1e3:.2f} ms",
    )


def growth(plan: Plan) -> Measured:
    found = _figures(plan)
    tenth = len(found.insert) // 10
    seconds, cpu = np.median(found.insert[-tenth:], 0) / np.median(found.insert[:tenth], 0)
    detail = f"of the time of a core {cpu:.2f}; {tenth:,} insertions each"
    return Measured(value=float(seconds), detail=detail)


def open_seconds(plan: Plan) -> Measured:
    found = _figures(plan)
    detail = f"{found.programs:,} programs, fresh process, median of {len(found.open)}"
    return Measured(value=statistics.median(found.open), detail=detail)


def memory_bytes(plan: Plan) -> Measured:
    found = _figures(plan)
    pages = CACHE_KIB * 1024 / FULL
    return Measured(
        value=found.held + pages,
        detail=f"{found.held:.0f} of the process's own, for each program more than {SMALL:,}, and "
        f"{pages:.0f} for SQLite's pages: {CACHE_KIB >> 10} MiB at most, shared by {FULL:,}; the "
        f"whole process has {found.private / 2**20:.0f} MiB with {found.programs:,} programs",
    )


def disk_bytes(plan: Plan) -> Measured:
    found = _figures(plan)
    return Measured(value=found.disk, detail="whole file: program, verdict, attempt, indexes")


def line_bytes(plan: Plan) -> Measured:
    """Programs that descend from each other, each from the one before: what a text costs then."""
    programs = 20_000 if plan.full else 2_000
    rng = random.Random(plan.seed)
    text = "".join(_line(rng) for _ in range(LINES))
    with tempfile.TemporaryDirectory(prefix="evolve-line-") as name:
        path = Path(name) / "run.db"
        store = Store.create(path, settings=SETTINGS, meta={})
        sample: Sample | None = None
        for first in range(0, programs, 100):
            with store.atomic():
                for attempt in range(first, first + 100):
                    # an outcome for no sample is a seed's
                    begun = sample or Sample(attempt=0, island=0, parent=None, proposer="seed")
                    store.begin(begun)
                    rng = random.Random(f"{plan.seed} line {attempt}")
                    store.settle(attempt, _outcome(store, sample, rng, text))
                    sample = Sample(
                        attempt=attempt + 1, island=0, parent=attempt + 1, proposer="tree"
                    )
            store.checkpoint()
        store.close()
        size = path.stat().st_size
    return Measured(value=size / programs, detail=f"{programs:,} programs, two lines changed each")


def differing_ends(plan: Plan) -> Measured:
    name = code()
    whole = plan.full and not name.endswith("+")  # one changed tree looks like another
    kept = RESULTS / f"kills-{name}-{plan.seed}.json" if whole else None
    found = kills.points(plan.seed, count=1000 if plan.full else 6, kept=kept)
    return Measured(
        value=found.differing,
        detail=f"{found.kills} kills in {found.runs} deterministic runs of {found.evals} "
        f"evaluations, 1 and 2 workers; {found.lost} verdicts or programs lost or twice, "
        f"{found.orphans} processes left",
    )


ROWS = [
    Row(name="sampling a parent with 4 inspirations, median", unit="us", at_most=200,
        measure=sample_seconds),
    Row(name="the same with their texts, median", unit="ms", at_most=1,
        measure=sample_text_seconds),
    Row(name="insertion with commit, median", unit="ms", at_most=1, measure=insert_seconds),
    Row(name="insertion: last tenth / first tenth", unit="ratio", measure=growth),
    Row(name="opening", unit="s", at_most=5, measure=open_seconds),
    Row(name="memory per program", unit="bytes", at_most=400, measure=memory_bytes),
    Row(name="disk per program", unit="bytes", at_most=1000, measure=disk_bytes),
    Row(name="the same of a line of descent", unit="bytes", at_most=1000, measure=line_bytes),
    Row(name="runs killed at random points that end otherwise", unit="runs", at_most=0,
        measure=differing_ends),
    *quality.ROWS,
]  # fmt: skip
