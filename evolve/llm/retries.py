"""When to ask again: pure functions of what happened, given the time and chance.

A `Breaker` stands between a model and everyone who wants to ask it. It opens after failures in a
row, lets one probe through when its wait is over, and closes with the first answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from evolve.llm.base import CallError, Fault

TRIES = 8
"""Calls for one question, before the attempt is given up as unanswered."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
OPENS_AFTER = 10
"""Failures in a row. With 30 % of calls faulty, ten in a row come once in 170,000 calls."""


def worth_another_try(error: CallError) -> bool:
    """Whether the same request may be answered later."""
    return error.fault in (Fault.TRANSIENT, Fault.RATE_LIMIT)


def wait_s(error: CallError, tried: int, rng: random.Random) -> float:
    """Seconds before try `tried` + 1: what the vendor asks for, or about twice the last wait.

    Chance spreads the waits, so that calls that failed together do not come back together.

    Source: Brooker, "Exponential backoff and jitter", AWS Architecture Blog (2015), "full jitter".
    """
    if error.retry_after_s is not None:
        return error.retry_after_s * (1.0 + 0.1 * rng.random()) + 0.05 * rng.random()
    ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**tried)
    return ceiling * (0.1 + 0.9 * rng.random())


@dataclass(slots=True)
class Breaker:
    """Whether a model may be asked at a time; all times are of one monotonic clock, in seconds."""

    failures: int = 0
    """In a row."""
    answered: bool = False
    """It has answered at least once."""
    not_before: float = 0.0
    """No call starts earlier: a rate limit, or the wait of an open breaker."""
    reason: str = ""
    _probing: bool = False
    _failed_probes: int = 0
    """Since it went down; calls that were in flight then do not count."""

    @property
    def down(self) -> bool:
        return self.failures >= OPENS_AFTER

    def may_ask(self, now: float) -> bool:
        """Whether a call may start now; where the model is down, the first to ask is the probe."""
        if now < self.not_before or (self.down and self._probing):
            return False
        self._probing = self.down
        return True

    def succeeded(self) -> None:
        if self.down:
            self.not_before = 0.0
        self._failed_probes = 0
        self.failures, self.answered, self._probing, self.reason = 0, True, False, ""

    def failed(self, error: CallError, now: float, rng: random.Random) -> None:
        self._failed_probes += self._probing
        self._probing = False
        self.reason = str(error)
        self.failures += 1
        if error.fault is Fault.RATE_LIMIT and error.retry_after_s is not None:
            self.not_before = max(self.not_before, now + error.retry_after_s)
        if self.down:
            rest = min(LONGEST_WAIT_S, 2.0 ** min(self._failed_probes, 16)) * (
                0.5 + 0.5 * rng.random()
            )
            self.not_before = max(self.not_before, now + rest)

    def abandoned(self) -> None:
        """The call that was let through was cut off by us."""
        self._probing = False
