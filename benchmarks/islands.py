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

from benchmarks import kills, quality
from benchmarks.rows import Measured, NotMeasured, Plan, Row, commit
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

SETTINGS = Settings(
    islands=8,
    axes=(
        Axis(name="length", low=0, high=200, cells=20),
        Axis(name="depth", low=0, high=30, cells=20),
    ),
    inspirations=4,
)
FULL, SAMPLE = 1_000_000, 20_000
LINES = 62
DRAWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one database of `programs` programs showed; times in seconds, sizes in bytes."""

    programs: int
    sample: list[float]
    sample_text: list[float]
    insert: list[float]
    fsync: list[float]
    open: list[float]
    memory: float
    memory_without_pages: float
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
        with _checkpoints(store):
            insert = _fill(store, programs, plan.seed)
        sample = _timed_samples(store, plan.seed, text=False)
        sample_text = _timed_samples(store, plan.seed, text=True)
        store.close()
        opened = [_open_in_a_fresh_process(path) for _ in range(3)]
        return Figures(
            programs=programs,
            sample=sample,
            sample_text=sample_text,
            insert=insert,
            fsync=_fsyncs(scratch),
            open=[seconds for seconds, _, _ in opened],
            memory=statistics.median(grown for _, grown, _ in opened) / programs,
            memory_without_pages=statistics.median(kept for _, _, kept in opened) / programs,
            disk=path.stat().st_size / programs,
        )


def _fill(store: Store, programs: int, seed: int) -> list[float]:
    """Stores programs up to so many; the seconds of each transaction made now, with its commit."""
    rng = random.Random(seed)
    text = "".join(_line(rng) for _ in range(LINES))
    spent = []
    sample: Sample | None = None
    if first := store.counts().attempts:
        (sample,) = store.pending()
    else:
        store.begin(Sample(attempt=0, island=0, parent=None, proposer="seed"))
    for attempt in range(first, programs):
        rng = random.Random(f"{seed} program {attempt}")
        outcome = _outcome(store, sample, rng, text)
        began = time.perf_counter()
        with store.atomic():
            store.settle(attempt, outcome)
            sample = store.sample(attempt + 1, rng, proposer="tree")
            store.begin(sample)
        spent.append(time.perf_counter() - began)
    return spent


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
def _checkpoints(store: Store) -> Iterator[None]:
    """Copies the log into the file once a second, as a run does."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(1.0):
            store.checkpoint()

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
import ctypes, sys, time
from islands_db import Store
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024
before, began = resident(), time.perf_counter()
store = Store.open(sys.argv[1])
spent, grown = time.perf_counter() - began, resident() - before
store._connection.execute("PRAGMA shrink_memory")
ctypes.CDLL(None).malloc_trim(0)
print(spent, grown, resident() - before)
"""


def _open_in_a_fresh_process(path: Path) -> tuple[float, int, int]:
    """Seconds that opening takes, and bytes that the process grows by, with and without the pages
    of the file that SQLite keeps."""
    shown = subprocess.run(
        [sys.executable, "-c", _OPEN, str(path)], check=True, capture_output=True, text=True
    )
    seconds, grown, without_pages = shown.stdout.split()
    return float(seconds), int(grown), int(without_pages)


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
    tenth = found.insert[-found.programs // 10 :]
    return Measured(
        value=statistics.median(tenth) * 1e3,
        detail=f"the last tenth of {found.programs:,}; p99 {_percentile(tenth, 99) * 1e3:.2f} ms, "
        f"longest {max(tenth) * 1e3:.0f} ms; an fsync here takes "
        f"{statistics.median(found.fsync) * 1e3:.2f} ms, "
        f"p99 {_percentile(found.fsync, 99) * 1e3:.2f} ms",
    )


def growth(plan: Plan) -> Measured | NotMeasured:
    found = _figures(plan)
    if len(found.insert) < found.programs:
        return NotMeasured(why="the first tenth was stored before a break")
    tenth = len(found.insert) // 10
    first, last = found.insert[:tenth], found.insert[-tenth:]
    return Measured(value=statistics.median(last) / statistics.median(first))


def open_seconds(plan: Plan) -> Measured:
    found = _figures(plan)
    detail = f"{found.programs:,} programs, fresh process, median of {len(found.open)}"
    return Measured(value=statistics.median(found.open), detail=detail)


def memory_bytes(plan: Plan) -> Measured:
    found = _figures(plan)
    return Measured(value=found.memory, detail=_memory_detail(found))


def _memory_detail(found: Figures) -> str:
    return (
        "resident growth by opening, everything included; "
        f"{found.memory_without_pages:.0f} without SQLite's page cache, which ends at 64 MiB"
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
    found = kills.points(plan.seed, count=1000 if plan.full else 6)
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
