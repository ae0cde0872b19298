"""What a person sees: how fast commands read a large run, how large a report is, what is inert."""

from __future__ import annotations

import http.client
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from benchmarks import big_run, processes
from benchmarks.rows import Measured, NotMeasured, Plan, Row
from evolve.control import send
from evolve.errors import UsageError
from islands_db import Reader

ROOT = Path(__file__).parent.parent
EVOLVE = [sys.executable, "-P", "-m", "evolve"]
LARGE = 1_000_000
MIDDLE = 10_000
FOLLOWED = 100_000
UPDATES = 20


@contextmanager
def _run_of(count: int, plan: Plan) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evolve-seen-") as scratch:
        big_run.write(Path(scratch) / "big", count, seed=plan.seed)
        yield Path(scratch)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one whole command took."""

    wall_s: float
    cpu_s: float


@lru_cache(maxsize=2)
def _readings(plan: Plan) -> dict[str, list[_Reading]]:
    """Seconds of each command on the large run, whole process; first with none of the database in
    the page cache."""
    commands = {
        "lineage": ["lineage", "big"],
        "why": ["why", "big"],
        "tree": ["lineage", "big", "--tree"],
    }
    found: dict[str, list[_Reading]] = {}
    with _run_of(LARGE, plan) as root:
        for name, command in commands.items():
            _leave_the_cache(root / "big" / "run.db")
            for _ in range(1 + (5 if plan.full else 3)):
                began, before = time.perf_counter(), _cpu_of_children()
                subprocess.run(
                    [*EVOLVE, *command, "--runs", str(root)], check=True, capture_output=True
                )
                taken = time.perf_counter() - began, _cpu_of_children() - before
                found.setdefault(name, []).append(_Reading(*taken))
    return found


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _leave_the_cache(file: Path) -> None:
    os.sync()  # what is not written yet stays
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _seconds(name: str, plan: Plan) -> Measured:
    cold, *warm = _readings(plan)[name]
    times = [reading.wall_s for reading in warm]
    cpu_s = min(reading.cpu_s for reading in warm)
    detail = (
        f"median of {len(times)}, most {max(times):.2f}, {cold.wall_s:.2f} where the file was not"
        f" in memory; {cpu_s:.2f} s of CPU; {LARGE:,} programs"
    )
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
        [sys.executable, "-m", "pytest", "-q", "tests/evolve/test_hostile.py",
         "tests/evolve/test_ui_browser.py", "-k", "hostile or nothing or policy or page", "-p",
         "no:cacheprovider"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    last = ended.stdout.strip().splitlines()[-1]
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    if not counts.get("passed") or counts.get("skipped"):
        return NotMeasured(why=f"no Chromium here, or the tests did not run: {last}")
    failed = counts.get("failed", 0) + counts.get("error", 0)
    return Measured(value=failed, detail=f"{counts['passed']} checks of texts in every field")


@dataclass(frozen=True, slots=True)
class _Page:
    """A server of the live page, and how to ask it."""

    pid: int
    port: int
    token: str

    def ask(self, path: str) -> bytes:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            link.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            answer = link.getresponse()
            body = answer.read()
        finally:
            link.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        return body


@contextmanager
def _page(root: Path) -> Iterator[_Page]:
    server = subprocess.Popen(
        [*EVOLVE, "ui", "--port", "0", "--runs", str(root)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        address = re.search(r":(\d+)/#token=(\S+)", server.stdout.readline())
        assert address is not None
        yield _Page(pid=server.pid, port=int(address[1]), token=address[2])
    finally:
        server.terminate()
        server.wait()


@lru_cache(maxsize=2)
def _views(plan: Plan) -> dict[str, list[float]]:
    """Seconds of each view's first answer by a fresh server, and of updates after new programs."""
    found: dict[str, list[float]] = {}

    def timed(name: str, page: _Page, path: str) -> None:
        began = time.perf_counter()
        page.ask(path)
        found.setdefault(name, []).append(time.perf_counter() - began)

    with _run_of(FOLLOWED, plan) as root:
        for _ in range(5 if plan.full else 3):
            with _page(root) as page:
                page.ask("/")
                timed("first", page, "/api/runs/big/overview")
                timed("tree", page, "/api/runs/big/tree")
                timed("table", page, "/api/runs/big/programs?search=op1&sort=length")
        with _page(root) as page:
            page.ask("/api/runs/big/overview")
            server = processes.tree(page.pid)
            before = processes.cpu_s(server)
            for number in range(UPDATES):
                big_run.add(root / "big", 40, seed=plan.seed + number)
                timed("update", page, "/api/runs/big/overview")
            found["update's CPU"] = [(processes.cpu_s(server) - before) / UPDATES]
    return found


def _view(name: str, plan: Plan, unit_s: float = 1.0) -> Measured:
    times = [seconds / unit_s for seconds in _views(plan)[name]]
    detail = f"median of {len(times)}, most {max(times):.3g}; {FOLLOWED:,} programs"
    return Measured(value=statistics.median(times), detail=detail)


def first_view(plan: Plan) -> Measured:
    return _view("first", plan)


def family(plan: Plan) -> Measured:
    return _view("tree", plan)


def population(plan: Plan) -> Measured:
    return _view("table", plan)


def update(plan: Plan) -> Measured:
    found = _view("update", plan, unit_s=1e-3)
    cpu_ms = 1e3 * _views(plan)["update's CPU"][0]
    return replace(found, detail=f"{found.detail}; {cpu_ms:.1f} ms of CPU")


@dataclass(frozen=True, slots=True)
class _Turn:
    """Some seconds of a run: CPU of its processes and of the page's server, and what came of it."""

    wall_s: float
    run_cpu_s: float
    page_cpu_s: float
    evaluated: int


def slowed(plan: Plan) -> Measured:
    """At most so much a run with every core to itself is slowed by a page that follows it.

    It loses no more than the page takes, and that is measured, as evaluations a second differ far
    more from turn to turn, with the programs that come up. The server takes its part of all cores:
    counted in turns within one run that is followed in some and not in others. The engine says
    how the run stands, and may be what the run waits for, so its part counts whole: it is lost
    among evaluations, and so is counted while the run is paused.
    """
    turns, turn_s = (12, 10.0) if plan.full else (6, 5.0)
    found: dict[bool, list[_Turn]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="evolve-seen-") as scratch:
        run = subprocess.Popen(
            [*EVOLVE, "run", "bin_packing", "--name", "a", "--runs", scratch, "--seed",
             str(plan.seed)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            folder = Path(scratch)
            with _page(folder) as page:
                _until_searching(folder / "a" / "run.sock")
                page.ask("/api/runs/a/overview")
                for turn in range(turns):
                    followed = turn % 4 in (1, 2)  # so that a trend meets both alike
                    found[followed].append(_turn(folder / "a", run.pid, page, followed, turn_s))
                asked_s = _cpu_of_an_answer(folder / "a" / "run.sock", run.pid, page)
        finally:
            run.terminate()
            run.wait()
    alone, beside = found[False], found[True]
    wall_s = sum(turn.wall_s for turn in beside)
    idle = sum(turn.page_cpu_s for turn in alone) / sum(turn.wall_s for turn in alone)
    server = sum(turn.page_cpu_s for turn in beside) / wall_s - idle
    run_cpu = sum(turn.run_cpu_s for turn in beside) / wall_s
    cores = len(os.sched_getaffinity(0))
    rates = [
        sum(turn.evaluated for turn in some) / sum(turn.wall_s for turn in some)
        for some in (beside, alone)
    ]
    return Measured(
        value=100 * (server / cores + asked_s),  # one answer a second
        detail=f"each second {1e3 * server:.1f} ms by the server, {1e3 * asked_s:.1f} ms by the"
        f" engine, {run_cpu:.2f} s by the run, {cores} cores; {rates[0]:.1f} against"
        f" {rates[1]:.1f} evaluations a second in {turns} turns of {turn_s:g} s; asked"
        " once a second",
    )


def _until_searching(path: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if send(path, "status")["phase"] == "searching":
                time.sleep(3)
                return
        except UsageError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the run did not begin")


def _turn(folder: Path, run: int, page: _Page, followed: bool, seconds: float) -> _Turn:
    def standing() -> tuple[float, float, float, int]:
        with Reader(folder / "run.db") as reader:
            ran = reader.counts().ran
        run_cpu_s, page_cpu_s = (processes.cpu_s(processes.tree(root)) for root in (run, page.pid))
        return time.perf_counter(), run_cpu_s, page_cpu_s, ran

    before = standing()
    while time.perf_counter() - before[0] < seconds:
        if followed:
            page.ask("/api/runs/a/overview")
        time.sleep(1.0)
    wall_s, run_cpu_s, page_cpu_s, evaluated = (
        now - then for now, then in zip(standing(), before, strict=True)
    )
    return _Turn(wall_s, run_cpu_s, page_cpu_s, int(evaluated))


def _cpu_of_an_answer(socket: Path, run: int, page: _Page, count: int = 100) -> float:
    """CPU seconds that the run's engine takes for one view of the page."""
    send(socket, "pause")
    engine = [process for process in processes.tree(run) if process.pid == run]
    time.sleep(3.0)  # for what is under way
    began, before = time.perf_counter(), processes.cpu_s(engine)
    for _ in range(count):
        page.ask("/api/runs/a/overview")
    asked, after = time.perf_counter(), processes.cpu_s(engine)
    time.sleep(2.0)
    idle = (processes.cpu_s(engine) - after) / (time.perf_counter() - asked)
    send(socket, "go")
    return max(0.0, (after - before - idle * (asked - began)) / count)


ROWS = [
    Row(name="lineage, 10^6 programs", unit="s", measure=lineage, at_most=1.0),
    Row(name="why, 10^6 programs", unit="s", measure=why, at_most=1.0),
    Row(name="lineage --tree, 10^6 programs", unit="s", measure=tree),
    Row(name="report of 10,000 programs", unit="MB", measure=report_size, at_most=3.0),
    Row(name="writing it", unit="s", measure=report_seconds),
    Row(name="hostile texts: checks that fail", unit="checks", measure=hostile, at_most=0),
    Row(name="page: first view of 100,000 programs", unit="s", measure=first_view, at_most=2.0),
    Row(name="page: family tree, first time", unit="s", measure=family),
    Row(name="page: a search of the population", unit="s", measure=population),
    Row(name="page: a live update, server time", unit="ms", measure=update, at_most=100),
    Row(name="page: the run slowed by", unit="%", measure=slowed, at_most=2.0),
]
