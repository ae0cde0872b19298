"""Races a kernel in C against a baseline: what a stage of a timed problem calls.

    race = timing.race(kernel.source, BASELINE, LOOP, draw=draw, verify=verify)
    if isinstance(race, Invalid):
        return race
    return Score(ratio=race.comparison.high, ...)

Each race has fresh processes. Rounds are added until the interval is narrow or the time is spent;
every round has inputs of its own, drawn from the system's randomness, and its outputs are verified.
Where the control is off the race waits and begins again, and at last says that it cannot judge.
Declare the stage `exclusive=True`, so that nothing else of the run evaluates meanwhile.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluators import Invalid, timing
from evaluators.timing import Comparison, Decision
from sandbox.timing import SLOWED, Loop, TimedRound, Timer, fingerprint

__all__ = ["CannotJudge", "Comparison", "Decision", "Loop", "Race", "race"]

Verify = Callable[[bytes, bytes], str]

NARROW = 0.004
"""Half an interval, relative, that is narrow enough to stop."""
_CHECKED, _CHECKED_LATER = 1 / 2, 1 / 32
"""Share of rounds after which the clocks are compared; 24 ms each."""
_LEAST_CHECKS = 6
_PAUSE_S = 1.0
_TRIES = 3


class CannotJudge(Exception):
    """The machine is too restless to say anything; a fault of the evaluation, not of a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How it went, and where.

    Attributes:
        candidate_ns, baseline_ns: Of one call with its loop, medians over rounds.
        instructions: Of one call with its loop in user mode, candidate and baseline, where the
            machine counts them; of those alone whose counter ran all the time.
        machine: Processor, kernel, compiler, and whether it counts instructions.
    """

    comparison: Comparison
    candidate_ns: float
    baseline_ns: float
    instructions: tuple[float, float] | None
    machine: str

    @property
    def metrics(self) -> dict[str, float]:
        """What a verdict keeps beside its score."""
        counted = self.instructions or ()
        return {
            "ratio_median": self.comparison.ratio,
            "ratio_low": self.comparison.low,
            "nanoseconds": self.candidate_ns,
            "baseline_nanoseconds": self.baseline_ns,
            "rounds": self.comparison.rounds,
            **dict(zip(("instructions", "baseline_instructions"), counted, strict=False)),
        }

    def __str__(self) -> str:
        found = self.comparison
        return (
            f"{found.decision} than the baseline"
            if found.decision in (Decision.FASTER, Decision.SLOWER)
            else f"{found.decision}"
        ) + (
            f": {self.candidate_ns:.3g} ns a call, baseline {self.baseline_ns:.3g}, ratio "
            f"{found.ratio:.4f} in [{found.low:.4f}, {found.high:.4f}], {found.rounds} rounds; "
            f"{self._instructions}{self.machine}"
        )

    @property
    def _instructions(self) -> str:
        if self.instructions is None:
            return ""
        return "instructions a call {:.4g}, baseline {:.4g}; ".format(*self.instructions)


def race(
    candidate: str,
    baseline: str,
    loop: Loop,
    *,
    draw: Callable[[np.random.Generator], bytes],
    verify: Verify,
    verify_baseline: Verify | None = None,
    seconds: float = 2.0,
    tries: int = _TRIES,
) -> Race | Invalid:
    """Times a checked kernel against a trusted one.

    Args:
        candidate, baseline: C that defines `kernel`; the candidate's is `Kernel.source`.
        draw: Inputs of one round, some thousand items of the loop's size.
        verify: What is wrong with outputs, given inputs and outputs; "" if nothing is.
        verify_baseline: The same of the baseline, where it may answer otherwise.
        seconds: Of measuring, for each try.

    Returns:
        `Invalid` where an output of the candidate is wrong.

    Raises:
        CannotJudge: the control is off, or clock rates differ, or a win comes with a baseline that
            takes longer than it does alone, in all tries.
        CandidateFailure: the candidate does not compile, or its process lies about time.
        SandboxError: this machine cannot time: no compiler, no sandbox, no core to pin.
        ValueError: the baseline is wrong.
    """
    reason = ""
    for number in range(tries):
        if number:
            time.sleep(_PAUSE_S)
        with Timer(candidate, baseline, loop, wall_s=30 + 4 * seconds) as timer:
            found = _rounds(timer, loop, draw, (verify, verify_baseline or verify), seconds)
            if isinstance(found, Invalid):
                return found
            comparison, last, inputs, candidate_ns, baseline_ns = found
            if comparison.decision is Decision.CANNOT_JUDGE:
                reason = f"the baseline beside itself differs by up to {comparison.floor:.1%}"
                continue
            if not timer.clocks_agree(comparison.ratio):
                reason = "rates in short and long runs differ"
                continue
            if comparison.decision is Decision.FASTER:
                with Timer(baseline, baseline, loop) as alone:
                    alone.round(inputs, 0)
                    slowed = timer.slowed(alone, last)
                if slowed > SLOWED:
                    reason = f"beside it the baseline takes {slowed:.2f} times as long as alone"
                    continue
        both = timer.instructions
        counted = (both[0], both[1]) if len(both) == 2 else None
        word = timer.uncounted or ("counted" if counted else "shared")
        return Race(
            comparison=comparison, candidate_ns=candidate_ns, baseline_ns=baseline_ns,
            instructions=counted, machine=f"{fingerprint()}, instruction counter {word}",
        )  # fmt: skip
    raise CannotJudge(f"cannot judge on this machine now, {tries} tries: {reason}")


def _rounds(
    timer: Timer,
    loop: Loop,
    draw: Callable[[np.random.Generator], bytes],
    verify: tuple[Verify, Verify],
    seconds: float,
) -> tuple[Comparison, TimedRound, bytes, float, float] | Invalid:
    # a seed that nothing the candidate saw has any part in
    rng = np.random.default_rng(secrets.randbits(128))
    rounds: list[timing.Round] = []
    each: list[tuple[float, float]] = []
    deadline = time.monotonic() + seconds
    while True:
        inputs = draw(rng)
        found = timer.round(inputs, int(rng.integers(1 << 62)))
        theirs, *ours = found.outputs
        fault = verify[0](inputs, theirs)
        if fault:
            return Invalid(f"in a timed run {fault}")
        for output in ours:
            fault = verify[1](inputs, output)
            if fault:
                raise ValueError(f"the baseline is wrong: {fault}")
        rounds.append(
            timing.round_of(np.array(found.times_ns, dtype=float), np.array(found.orders))
        )
        each.append(timer.per_pass_ns(found))
        over = time.monotonic() >= deadline
        few = timer.checks < _LEAST_CHECKS
        if over:
            # a slow kernel: no time for more rounds, and this one's times are reported
            while timer.checks < _LEAST_CHECKS:
                timer.check_clock(found)
        # which rounds are checked has no pattern that a process could know
        elif rng.random() < (
            _CHECKED if few or len(rounds) <= timing.FIRST_LOOK else _CHECKED_LATER
        ):
            timer.check_clock(found)
        if timer.checks < _LEAST_CHECKS:
            continue
        if over or timing.is_look(len(rounds)):
            comparison = timing.compare(rounds)
            if over or (
                comparison.width <= NARROW and comparison.decision is not Decision.CANNOT_JUDGE
            ):
                middle = np.median(np.array(each), axis=0) / (len(inputs) // loop.item_in)
                return comparison, found, inputs, float(middle[0]), float(middle[1])
