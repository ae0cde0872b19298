"""The breaker and the waits, which are pure."""

from __future__ import annotations

import random

from evolve.llm.base import CallError, Fault
from evolve.llm.retries import LONGEST_WAIT_S, OPENS_AFTER, Breaker, wait_s

GONE = CallError(Fault.TRANSIENT, "gone")


def opened(in_flight: int = 0) -> Breaker:
    breaker = Breaker()
    for _ in range(OPENS_AFTER + in_flight):
        breaker.failed(GONE, 100.0, random.Random(1))
    return breaker


def test_a_model_that_fails_in_a_row_gets_one_probe_at_a_time() -> None:
    breaker = opened()
    assert breaker.down
    assert not breaker.may_ask(100.1)
    assert breaker.may_ask(breaker.not_before)
    assert not breaker.may_ask(breaker.not_before)
    breaker.succeeded()
    assert breaker.may_ask(100.2)
    assert not breaker.down


def test_calls_in_flight_when_it_went_down_do_not_make_the_wait_longer() -> None:
    assert opened(in_flight=200).not_before - 100.0 <= 1.0


def test_probes_become_rare_but_never_stop() -> None:
    breaker, rng = opened(), random.Random(2)
    waits = []
    for _ in range(20):
        now = breaker.not_before
        assert breaker.may_ask(now)
        breaker.failed(GONE, now, rng)
        waits.append(breaker.not_before - now)
    assert waits[0] <= 2.0
    assert LONGEST_WAIT_S / 2 <= waits[-1] <= LONGEST_WAIT_S


def test_a_vendors_wish_to_wait_is_kept_by_all_calls() -> None:
    breaker = Breaker()
    limit = CallError(Fault.RATE_LIMIT, "slow down", retry_after_s=7.0)
    breaker.failed(limit, 10.0, random.Random(1))
    assert not breaker.may_ask(16.9)
    assert breaker.may_ask(17.0)
    assert 7.0 <= wait_s(limit, 1, random.Random(1)) <= 8.0
