"""The sandbox: what isolation costs beside a bare fork, a driven call, limits, and what is left."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy

from benchmarks import forks
from benchmarks.processes import tree
from benchmarks.rows import Measured, NotMeasured, Plan, Row
from sandbox import CandidateFailure, Limits, Sandbox, SandboxError

_SECONDS = 3.0
_SOAK = {True: 20_000, False: 1_000}
_OVERSHOOTS = {True: 500, False: 100}
_ANSWER = [i * i for i in range(10)]
_HANG = "def run(n):\n    while True:\n        pass\n"
_HOARD = (
    "def run(n):\n    kept = bytearray(900 << 20)\n"
    "    for at in range(0, len(kept), 4096): kept[at] = 1\n    while True:\n        pass\n"
)
_HOARDS = {True: 100, False: 10}
_ECHO = "def run(x):\n    return x\n"
_LARGE_BYTES = 16 << 20
_TURN_S = 0.3

Worker = Callable[[Connection], None]


def _evaluate(sandbox: Sandbox) -> None:
    with sandbox.open({"program.py": forks.PROGRAM}, entry="program.py") as candidate:
        assert candidate.call("run", 10) == _ANSWER


def _warm() -> Sandbox:
    return Sandbox(requires=["numpy"], preload=["numpy"])


# what one worker process does until it is told to stop; each counts its rounds


def _boxed_worker(pipe: Connection) -> None:
    with _warm() as sandbox:
        _count(pipe, lambda: _evaluate(sandbox))


def _bare_worker(pipe: Connection) -> None:
    with forks.Bare() as tell:
        _count(pipe, lambda: tell("1"))


def _count(pipe: Connection, work: Callable[[], None]) -> None:
    """Says how often it did the work in the seconds it was told, until it is told none."""
    for _ in range(50):
        work()
    pipe.send(0)
    while seconds := pipe.recv():
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            work()
            count += 1
        pipe.send(count)


@contextlib.contextmanager
def _workers(worker: Worker, count: int, cores: Sequence[int] = ()) -> Iterator[list[Connection]]:
    """Warm processes that wait, each on one of the cores if given."""
    context = get_context("spawn")
    pipes, started = [], []
    for number in range(count):
        ours, theirs = context.Pipe()
        if cores:
            process = context.Process(target=_on_a_core, args=(worker, theirs, cores[number]))
        else:
            process = context.Process(target=worker, args=(theirs,))
        process.start()
        pipes.append(ours)
        started.append(process)
    for pipe in pipes:
        pipe.recv()
    try:
        yield pipes
    finally:
        for pipe in pipes:
            pipe.send(0)
        for process in started:
            process.join()


def _rate(pipes: Sequence[Connection], seconds: float) -> float:
    """Rounds a second of these at once, while the others wait."""
    for pipe in pipes:
        pipe.send(seconds)
    return float(sum(pipe.recv() for pipe in pipes)) / seconds


def throughput(plan: Plan) -> Measured:
    with _workers(_boxed_worker, 2) as both:
        rate = _rate(both, _SECONDS)
    return Measured(value=rate, detail=f"two workers, {_SECONDS:g} s, numpy loaded")


def cold_start_ratio(plan: Plan) -> Measured:
    """How many sandboxed evaluations fit into one start of an interpreter that imports numpy."""
    cold = []
    for _ in range(9):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", "import numpy"], check=True)
        cold.append(time.perf_counter() - began)
    warm = []
    with _warm() as sandbox:
        for _ in range(300):
            began = time.perf_counter()
            _evaluate(sandbox)
            warm.append(time.perf_counter() - began)
    ratio = statistics.median(cold) / statistics.median(warm)
    detail = (
        f"medians {statistics.median(cold) * 1000:.0f} and {statistics.median(warm) * 1000:.2f} ms"
    )
    return Measured(value=ratio, detail=detail)


def _on_a_core(worker: Worker, pipe: Connection, core: int) -> None:
    os.sched_setaffinity(0, {core})
    worker(pipe)


def scaling(plan: Plan) -> Measured | NotMeasured:
    """The gain from a second worker, as a share of the gain that bare forks have from it.

    Each worker has a core of its own, with all that it starts: left alone, one keeps both busy,
    since the next candidate is prepared while the last one is reaped.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return NotMeasured(why="needs two cores")
    rounds = 60 if plan.full else 8
    shares, gains = [], []
    with _workers(_boxed_worker, 2, cores) as boxed, _workers(_bare_worker, 2, cores) as bare:
        for _ in range(rounds):
            gains.append((_gain(boxed), _gain(bare)))
            shares.append(gains[-1][0] / gains[-1][1])
    with_box, without = (statistics.median(side) for side in zip(*gains, strict=True))
    detail = f"{with_box:.2f} against {without:.2f}; {rounds} rounds, {min(shares):.2f} to "
    return Measured(value=statistics.median(shares), detail=f"{detail}{max(shares):.2f}")


def _gain(both: Sequence[Connection]) -> float:
    """What two do at once over what one does alone, on the one core and on the other.

    In short turns: a virtual machine changes its speed within seconds.
    """
    first, second = (_rate([one], _TURN_S) for one in both)
    return 2 * _rate(both, _TURN_S) / (first + second)


def free_workers(plan: Plan) -> Measured | NotMeasured:
    """The same where the scheduler places everything."""
    if len(os.sched_getaffinity(0)) < 2:
        return NotMeasured(why="needs two cores")
    with _workers(_boxed_worker, 2) as both:
        one, two = _rate(both[:1], _SECONDS), _rate(both, _SECONDS)
    return Measured(value=two / one, detail=f"{one:.0f} and {two:.0f} evaluations a second")


def _call_microseconds(value: object, plan: Plan) -> Measured:
    rounds, calls = (200 if plan.full else 50), 1000
    times = []
    with (
        _warm() as sandbox,
        sandbox.open(
            {"program.py": _ECHO}, entry="program.py", limits=Limits(wall_s=300)
        ) as candidate,
    ):
        for number in range(rounds + 1):
            began = time.perf_counter()
            for _ in range(calls):
                candidate.call("run", value)
            if number:
                times.append((time.perf_counter() - began) / calls * 1e6)
    detail = f"median of {rounds} rounds of {calls}; least {min(times):.1f}"
    return Measured(value=statistics.median(times), detail=detail)


def driven_call(plan: Plan) -> Measured:
    return _call_microseconds(5, plan)


def driven_tuple(plan: Plan) -> Measured:
    return _call_microseconds((1, 2.5, "x"), plan)


def pipe_round_trip(plan: Plan) -> Measured:
    """A pickled number to a forked child and back over two pipes: what no call can do without."""
    to_read, to_child = os.pipe()
    from_child, to_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(to_child)
        while piece := os.read(to_read, 64):
            os.write(to_write, pickle.dumps(pickle.loads(piece)))  # noqa: S301  our own
        os._exit(0)
    for end in (to_read, to_write):
        os.close(end)
    times = []
    for _ in range(8):
        began = time.perf_counter()
        for _ in range(1000):
            os.write(to_child, pickle.dumps(5))
            pickle.loads(os.read(from_child, 64))  # noqa: S301
        times.append((time.perf_counter() - began) / 1000 * 1e6)
    for end in (to_child, from_child):
        os.close(end)
    os.waitpid(child, 0)
    return Measured(value=statistics.median(times), detail=f"least {min(times):.1f}")


def large_array(plan: Plan) -> Measured:
    """An array of 16 MiB to a candidate and back."""
    array = numpy.arange(_LARGE_BYTES // 8 - 64, dtype="f8")
    times = []
    with (
        _warm() as sandbox,
        sandbox.open(
            {"program.py": _ECHO}, entry="program.py", limits=Limits(wall_s=300)
        ) as candidate,
    ):
        for _ in range(9):
            began = time.perf_counter()
            back = candidate.call("run", array)
            times.append((time.perf_counter() - began) * 1000)
            assert numpy.array_equal(array, back)  # type: ignore[arg-type]
    copied = []
    for _ in range(9):
        began = time.perf_counter()
        for _ in range(2):
            array.copy()
        copied.append((time.perf_counter() - began) * 1000)
    detail = (
        f"median of 9; least {min(times):.1f}; two copies in memory: "
        f"median {statistics.median(copied):.1f}, least {min(copied):.1f}"
    )
    return Measured(value=statistics.median(times), detail=detail)


@contextlib.contextmanager
def _every_core_busy() -> Iterator[None]:
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _late(program: str, limits: Limits, count: int) -> Measured:
    """How late so many hanging candidates are ended, with every core kept busy by others."""
    over = []
    with _every_core_busy(), Sandbox() as sandbox:
        for _ in range(count):
            candidate = sandbox.open({"p.py": program}, entry="p.py", limits=limits)
            with candidate, contextlib.suppress(CandidateFailure):
                candidate.call("run", 1)
            over.append((candidate.usage.wall_s - limits.wall_s) * 1000)
    p99 = statistics.quantiles(over, n=100, method="inclusive")[98]
    detail = (
        f"{len(over)} hanging candidates, every core busy; median {statistics.median(over):.1f}, "
        f"longest {max(over):.1f}"
    )
    return Measured(value=p99, detail=detail)


def overshoot(plan: Plan) -> Measured:
    return _late(_HANG, Limits(wall_s=0.05), _OVERSHOOTS[plan.full])


def overshoot_with_memory(plan: Plan) -> Measured:
    """The same with as much memory as they could get, which the kernel has to free."""
    return _late(_HOARD, Limits(wall_s=1.5, memory_bytes=1 << 30), _HOARDS[plan.full])


def _held() -> dict[str, int]:
    """What could be left behind: counts of this process, its descendants and the machine."""
    time.sleep(0.3)  # the process that is being prepared has what it will have
    groups = sum(
        name.startswith(f"evolve-{os.getpid()}-")
        for _, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
    )
    family = tree(os.getpid())
    return {
        "processes": len(family),
        "descriptors": sum(_count_of(f"/proc/{p.pid}/fd") for p in family),
        "mounts": sum(_lines_of(f"/proc/{p.pid}/mounts") for p in family),
        "control groups": groups,
        "temporary files": len(os.listdir(tempfile.gettempdir())),
        "files in /dev/shm": len(os.listdir("/dev/shm")),  # noqa: S108  looked at only
    }


def _count_of(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _lines_of(file: str) -> int:
    try:
        return len(Path(file).read_text(encoding="utf-8").splitlines())
    except OSError:
        return 0


def _memory_kib() -> int:
    gc.collect()
    total = 0
    for process in tree(os.getpid()):
        try:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if "Anonymous:" in line)
    return total


@contextlib.contextmanager
def _own_temporary_folder() -> Iterator[None]:
    """What is left in there is ours, whatever else runs on the machine."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="evolve-soak-") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def left_after_soak(plan: Plan) -> Measured:
    """Evaluations in a row, every hundredth of them one that is killed."""
    count = _SOAK[plan.full]
    with _own_temporary_folder(), _warm() as sandbox:

        def work(number: int) -> None:
            if number % 100:
                _evaluate(sandbox)
                return
            with (
                sandbox.open(
                    {"p.py": _HANG}, entry="p.py", limits=Limits(wall_s=0.02)
                ) as candidate,
                contextlib.suppress(CandidateFailure),
            ):
                candidate.call("run", 1)

        for number in range(200):
            work(number)
        before, memory = _held(), _memory_kib()
        for number in range(count):
            work(number)
        after, grown = _held(), _memory_kib() - memory
    left = {name: after[name] - before[name] for name in before if after[name] > before[name]}
    grew = grown > 1024
    detail = f"{count} evaluations; memory {grown:+d} KiB"
    if left:
        detail += "; " + ", ".join(f"{n} {name}" for name, n in left.items())
    return Measured(value=sum(left.values()) + grew, detail=detail)


def layers(plan: Plan) -> Measured | NotMeasured:
    """Which tier the figures are of; they are for all layers on."""
    try:
        with _warm() as sandbox:
            _evaluate(sandbox)
            return Measured(value=float(sandbox.tier == "A"), detail=f"tier {sandbox.tier}")
    except SandboxError as error:
        return NotMeasured(why=str(error))


ROWS = [
    Row(name="all layers on (tier A)", unit="yes=1", measure=layers, at_least=1),
    Row(name="sandboxed evaluation / bare fork, CPU", unit="ratio", measure=forks.cpu_ratio,
        at_most=1.5),
    Row(name="sandboxed evaluation / bare fork, wall", unit="ratio", measure=forks.wall_ratio,
        at_most=1.8),
    Row(name="evaluations per second, two workers", unit="1/s", measure=throughput, at_least=200),
    Row(name="cold interpreter with numpy / evaluation", unit="ratio", measure=cold_start_ratio,
        at_least=40),
    Row(name="second worker, a core each: gain / that of bare forks", unit="share",
        measure=scaling, at_least=0.95),
    Row(name="two workers beside one, placed by the scheduler", unit="ratio", measure=free_workers),
    Row(name="driven call, one number", unit="us", measure=driven_call, at_most=25),
    Row(name="driven call, a tuple of three", unit="us", measure=driven_tuple, at_most=25),
    Row(name="round trip of a pickled number over pipes", unit="us", measure=pipe_round_trip),
    Row(name="16 MiB array there and back", unit="ms", measure=large_array),
    Row(name="wall limit overshoot, p99 under full load", unit="ms", measure=overshoot, at_most=50),
    Row(name="the same, holding up to 900 MiB", unit="ms", measure=overshoot_with_memory,
        at_most=50),
    Row(name="left after a soak", unit="things", measure=left_after_soak, at_most=0),
]  # fmt: skip
