"""Statistics of timing: what is called different, and how often wrongly."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators import timing
from evaluators.timing import ORDERS, Decision, Round, compare, is_look, round_of


def noisy_rounds(rng, count, *, ratio=1.0, noise=0.006, stalls=0.05, position=(0, 0, 0), bias=0.0):
    """Rounds of a machine with drift, stalls, and a cost for the place in an order."""
    rounds = []
    for _ in range(count):
        orders = rng.permutation(np.repeat(np.arange(6), 6))
        speed = rng.lognormal(0, 0.3)
        layout = rng.normal(0, noise, size=3)
        logs = rng.normal(0, noise, size=(36, 3)) + layout + log(speed)
        logs[:, 0] += log(ratio)
        logs[:, 2] += bias
        logs += rng.exponential(0.5, size=logs.shape) * (rng.random(logs.shape) < stalls)
        for place, cost in enumerate(position):
            for block, order in enumerate(orders):
                logs[block, ORDERS[order][place]] += cost
        rounds.append(round_of(np.exp(logs), orders))
    return rounds


def decisions(ratio, trials, rounds=96, **more):
    rng = np.random.default_rng(4)
    return [compare(noisy_rounds(rng, rounds, ratio=ratio, **more)).decision for _ in range(trials)]


def test_the_same_code_is_hardly_ever_called_different():
    found = decisions(1.0, 60)
    assert not {Decision.FASTER, Decision.SLOWER} & set(found)
    assert found.count(Decision.ALIKE) >= 50


def test_two_percent_are_found():
    found = decisions(0.98, 30)
    assert found.count(Decision.FASTER) >= 29
    assert decisions(1.02, 10).count(Decision.SLOWER) == 10


def test_what_a_place_in_the_order_costs_cancels():
    found = noisy_rounds(np.random.default_rng(1), 64, noise=0.001, position=(0.2, 0.0, -0.1))
    comparison = compare(found)
    assert comparison.decision is Decision.ALIKE
    assert abs(comparison.ratio - 1) < 0.002


def test_a_control_that_is_off_ends_in_no_judgement():
    # a false gain of the same size as the bias of the control
    assert set(decisions(0.95, 10, bias=0.04)) == {Decision.CANNOT_JUDGE}


def test_a_bias_of_the_control_widens_the_interval():
    rng = np.random.default_rng(2)
    clean = compare(noisy_rounds(rng, 128, noise=0.001))
    biased = compare(noisy_rounds(rng, 128, noise=0.001, bias=0.008))
    assert biased.floor > 0.008 > clean.floor
    assert biased.width > clean.width + 0.005


def test_few_rounds_decide_nothing():
    assert compare([Round(ratio=-1.0, control=0.0)] * 8).decision is Decision.CANNOT_JUDGE
    with pytest.raises(ValueError, match="no rounds"):
        compare([])


def test_looks_double():
    assert [n for n in range(200) if is_look(n)] == [16, 32, 64, 128]


@given(st.integers(5, 1200), st.floats(1e-5, 0.1))
def test_the_ranks_bound_the_median_as_often_as_they_say(count, error):
    rank = timing._rank(count, error)
    if rank is None:
        return
    assert 0 <= rank < count / 2
    rng = np.random.default_rng(count)
    below = rng.binomial(count, 0.5, size=4000)
    missed = float(((below <= rank) | (below >= count - rank)).mean())
    assert missed <= error + 4 * (error / 4000) ** 0.5 + 1 / 4000


@pytest.mark.parametrize(
    ("times", "orders"),
    [
        (np.ones((6, 3)), np.zeros(6, dtype=int)),
        (np.ones((6, 2)), np.arange(6)),
        (np.zeros((6, 3)), np.arange(6)),
        (np.full((6, 3), np.nan), np.arange(6)),
        (np.ones((5, 3)), np.arange(6)),
    ],
)
def test_a_round_that_is_none_is_refused(times, orders):
    with pytest.raises(ValueError, match=r"order|shape|positive"):
        round_of(times, orders)
