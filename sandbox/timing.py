"""Times compiled functions against each other in a sandbox process pinned to one core.

The inner clock is in a process that holds no score; the outer one is the kernel's account of that
process's CPU, read here, which neither waiting for a core nor messages disturb. Both must agree:
2N runs less N runs take what N runs take, without what it costs to ask. A process that reports
other times than it took is a violation. The same difference gives the instructions of a call, where
the machine counts them; they are the kernel's figures, read here. Outputs of the timed runs come
out too, for a verifier.

Covered: lies about time by more than the tolerance; a baseline that is always slowed by more than
`SLOWED`, where the caller compares it with one in another process; noise by addresses, by order and
by warming up; another core than the first. Not covered: a process that was taken over and slows its
baseline in rounds and their checks alone (that the C of kernels is checked keeps it from being
taken over); that outputs are right, which is for the caller; what load does to the figures, which
is for the statistics of rounds.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from types import TracebackType

from sandbox.box import Sandbox
from sandbox.candidate import Candidate
from sandbox.counting import INSTRUCTIONS, Count, Counter, count
from sandbox.records import CandidateFailure, FailureKind, Limits, SandboxError
from sandbox.toolchain import CompileLimits, compile_c, compiler

FLAGS = ("-O3", "-march=native", "-std=gnu17", "-fwrapv", "-fno-strict-aliasing", "-w")
"""Of every kernel and baseline: what overflows wraps, so that no checked C is undefined."""
BLOCK_NS = 40_000
"""Length of one timed run: long beside the clock's own cost, short beside a change of load."""
BLOCKS = 6
"""Timed runs of each of the three in each order, in one round."""
TOLERANCE = 0.15
"""How far inner and outer clock may differ, relative; the median of several checks."""
SLOWED = 1.25
"""How many times as long the baseline may take beside a candidate as it does alone."""
_STEADY_NS = 4_000_000
_TRIES = 6
_CHILD = Path(__file__).parent / "inside" / "timed.py"
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """How a kernel is called: C source of `loop`, and the bytes of one item's input and output.

    `void loop(void *kernel, const void *in, void *out, long count, long repeats)` passes over
    `count` items `repeats` times. It is trusted and the same for candidate and baseline.
    """

    source: str
    item_in: int
    item_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedRound:
    """One round as it was reported.

    Attributes:
        times_ns: For each block, nanoseconds of candidate, baseline and the baseline's copy.
        orders: For each block its order, an index into the six permutations of three.
        outputs: Of the last timed run of each.
    """

    times_ns: list[tuple[int, int, int]]
    orders: list[int]
    outputs: tuple[bytes, bytes, bytes]


@contextlib.contextmanager
def pinned(core: int | None = None) -> Iterator[int]:
    """Keeps this thread, and what it starts, on one core; by default the last it may use.

    Raises:
        SandboxError: the machine does not allow it.
    """
    try:
        before = os.sched_getaffinity(0)
        chosen = max(before) if core is None else core
        os.sched_setaffinity(0, {chosen})
    except (OSError, AttributeError) as error:
        raise SandboxError(
            f"timing needs a core of its own, and this machine does not let it choose one: {error}"
        ) from None
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class _Run:
    """One long run: nanoseconds as the process says and as the kernel accounts to it, and what was
    counted meanwhile."""

    inner_ns: int
    outer_ns: int
    can_be: bool
    """Whether `inner_ns` is above 0 and no more than passed between two messages."""
    counted: Count | None


class Timer:
    """Candidate and baseline in one fresh process; a context manager.

    Args:
        candidate: C source that defines `kernel`, checked.
        baseline: The same of the baseline.
        loop: How both are called.
        limits: Of the process.

    Raises:
        CandidateFailure: the candidate does not compile, or needs what is not there.
        SandboxError: no compiler, no sandbox, no core to pin, or the baseline does not compile.
    """

    def __init__(
        self,
        candidate: str,
        baseline: str,
        loop: Loop,
        *,
        wall_s: float = 60.0,
        memory_bytes: int = 256 << 20,
    ) -> None:
        self._loop = loop
        theirs = compile_c(candidate, flags=FLAGS, limits=CompileLimits(output_bytes=1 << 18))
        try:
            ours = [_trusted(source) for source in (loop.source, baseline)]
        except CandidateFailure as failure:
            raise SandboxError(f"the baseline does not compile: {failure.reason}") from None
        self._stack = contextlib.ExitStack()
        try:
            self.core = self._stack.enter_context(pinned())
            sandbox = self._stack.enter_context(Sandbox(requires=["cffi"], preload=["cffi"]))
            self._process: Candidate = self._stack.enter_context(
                sandbox.open(
                    {"timed.py": _CHILD.read_text(encoding="utf-8")},
                    entry="timed.py",
                    limits=Limits(wall_s=wall_s, memory_bytes=memory_bytes),
                )
            )
            sizes = [loop.item_in, loop.item_out]
            self._process.call("prepare", ours[0], theirs, ours[1], sizes)
            counter = count(self._process.pid, INSTRUCTIONS)
            self._counter: Counter | None = None
            if isinstance(counter, Counter):
                self._counter = self._stack.enter_context(counter)
        except BaseException:
            self._stack.close()
            raise
        self.uncounted = counter if isinstance(counter, str) else ""
        """Why instructions are not counted, in a word; "" where they are."""
        self.instructions: dict[int, float] = {}
        """Of one call with its loop, user mode: candidate (0) and baseline (1); by `check_clock`,
        without those whose counter did not run all the time."""
        self._checks: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
        """Of candidate and baseline: our clock to its own, and our time to what a round claimed."""
        self._ratios: list[float] = []
        """Of candidate to baseline, by our clock, one of each check."""
        self._repeats = self._items = 0

    def round(self, inputs: bytes, seed: int) -> TimedRound:
        """Times all three on these inputs, placed anew.

        Raises:
            CandidateFailure: the process died, hung, or reported what cannot be.
        """
        if len(inputs) > _MOST_BYTES or len(inputs) % self._loop.item_in or not inputs:
            raise ValueError(f"{len(inputs)} bytes of inputs, items are of {self._loop.item_in}")
        self._items = len(inputs) // self._loop.item_in
        if not self._repeats:
            self._repeats = 1
            self._measured(inputs, seed)  # warms up
            first = self._measured(inputs, seed)
            theirs, ours = (min(times[i] for times in first.times_ns) for i in (0, 1))
            # blocks of the faster one are long enough, and those of the other bounded
            self._repeats = max(1, round(BLOCK_NS / max(min(theirs, ours), ours / 10, 1)))
        return self._measured(inputs, seed)

    def _measured(self, inputs: bytes, seed: int) -> TimedRound:
        began = time.perf_counter_ns()
        answer = self._process.call("measure", inputs, self._repeats, BLOCKS, seed)
        took = time.perf_counter_ns() - began
        found = _decoded(answer, len(inputs) // self._loop.item_in * self._loop.item_out)
        if sum(map(sum, found.times_ns)) > took:
            raise CandidateFailure(
                FailureKind.VIOLATION, "it reports more time than there was between two messages"
            )
        return found

    def per_pass_ns(self, found: TimedRound) -> tuple[float, float]:
        """Nanoseconds of one pass over the items, candidate and baseline: medians of a round."""
        middle = len(found.times_ns) // 2
        one, other = (sorted(times[i] for times in found.times_ns)[middle] for i in (0, 1))
        return one / self._repeats, other / self._repeats

    def check_clock(self, found: TimedRound) -> None:
        """Runs what was just timed for longer, on its inputs, and notes what both clocks say.

        To be called after rounds that the process cannot foresee: it has reported their times by
        then. A machine whose speed changes needs the two beside each other, and several of them.
        """
        outer = []
        for which, claimed in enumerate(self.per_pass_ns(found)):
            repeats = max(1, round(_STEADY_NS / max(claimed, 1.0)))
            once, twice = self._steady(which, repeats), self._steady(which, 2 * repeats)
            inner_more = twice.inner_ns - once.inner_ns
            # one time that cannot be is a clock that stood still, as a host's theft makes it;
            # who lies does so in more than half of the checks
            sound = once.can_be and twice.can_be and inner_more > 0
            clock = (twice.outer_ns - once.outer_ns) / inner_more if sound else math.inf
            outer.append((once.outer_ns + twice.outer_ns) / (3 * repeats))
            self._checks[which].append((clock, outer[which] / claimed))
            self._note_instructions(which, once, twice, repeats)
        self._ratios.append(outer[0] / max(outer[1], 1.0))

    @property
    def checks(self) -> int:
        """How often the clocks were compared."""
        return len(self._checks[0])

    def clocks_agree(self, ratio: float) -> bool:
        """Whether what was reported is what longer runs took by our clock: times in half and more
        of the checks, and the ratio of candidate to baseline that came of all rounds.

        Where they are not, the load may have changed.

        Args:
            ratio: Of all rounds; with it no choice of rounds or blocks to lie in gains more than
                the tolerance.

        Raises:
            CandidateFailure: its own clock and ours differ in more than half of the checks.
        """
        for checks, name in zip(self._checks, ("candidate", "baseline"), strict=True):
            clock = median(clock for clock, _ in checks)
            if abs(clock - 1) > TOLERANCE:
                raise CandidateFailure(
                    FailureKind.VIOLATION, f"its clock and ours differ by {clock - 1:+.0%} ({name})"
                )
        rates = [median(rate for _, rate in checks) for checks in self._checks]
        rates.append(median(self._ratios) / ratio)
        return all(abs(rate - 1) <= TOLERANCE for rate in rates)

    def slowed(self, other: Timer, found: TimedRound) -> float:
        """How many times as long the baseline takes here as in another process, on the same inputs.

        By the kernel's account and in turns, the least of some tries of each: a process that was
        taken over can slow its baseline, and then all its clocks agree. One that tells these runs
        from the others, which come after rounds, is not found out.
        """
        repeats = max(1, round(_STEADY_NS / max(self.per_pass_ns(found)[1], 1.0)))
        here: list[int] = []
        there: list[int] = []
        for _ in range(_TRIES):
            for timer, times in ((self, here), (other, there)):
                once, twice = timer._steady(1, repeats), timer._steady(1, 2 * repeats)
                times.append(max(once.outer_ns + twice.outer_ns, 1))
        return min(here) / min(there)

    def _steady(self, which: int, repeats: int) -> _Run:
        counter = self._counter
        earlier = counter.read() if counter else None
        before, began = self._process.cpu_ns, time.perf_counter_ns()
        inner = self._process.call("steady", which, repeats)
        took, used = time.perf_counter_ns() - began, self._process.cpu_ns - before
        if type(inner) is not int:
            raise CandidateFailure(FailureKind.VIOLATION, "a time that is no number")
        counted = counter.read() - earlier if counter and earlier else None
        return _Run(inner, used, 0 < inner <= took, counted)

    def _note_instructions(self, which: int, once: _Run, twice: _Run, repeats: int) -> None:
        less, more = once.counted, twice.counted
        if less is None or more is None:
            return
        if less.covers(once.outer_ns, TOLERANCE) and more.covers(twice.outer_ns, TOLERANCE):
            self.instructions[which] = (more.events - less.events) / (repeats * self._items)

    def close(self) -> None:
        """Ends the process."""
        self._stack.close()

    def __enter__(self) -> Timer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@lru_cache(maxsize=16)
def _trusted(source: str) -> bytes:
    """The object of a loop or a baseline, which are compiled again and again."""
    return compile_c(source, flags=FLAGS)


def _decoded(answer: object, size: int) -> TimedRound:
    blocks = 6 * BLOCKS
    match answer:
        case (list(times), list(orders), list(outputs)) if (
            len(times) == 3 * blocks
            and all(type(value) is int and value > 0 for value in times)
            and all(type(value) is int for value in orders)
            and sorted(orders) == [order for order in range(6) for _ in range(BLOCKS)]
            and all(type(content) is bytes and len(content) == size for content in outputs)
            and len(outputs) == 3
        ):
            triples = list(zip(times[::3], times[1::3], times[2::3], strict=True))
            one, other, copy = outputs
            return TimedRound(times_ns=triples, orders=orders, outputs=(one, other, copy))
    raise CandidateFailure(FailureKind.VIOLATION, "no round of times and outputs")


def fingerprint() -> str:
    """The machine a time belongs to: processor, microcode, kernel, compiler, governor."""
    fields = {"model name": platform.machine(), "microcode": "?"}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in fields:
                fields[name.strip()] = value.strip()
    governor = "unknown"
    with contextlib.suppress(OSError):
        path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        governor = path.read_text(encoding="ascii").strip()
    return (
        f"{fields['model name']}, microcode {fields['microcode']}, Linux {platform.release()}, "
        f"gcc {compiler().version} {' '.join(FLAGS[:2])}, governor {governor}"
    )
