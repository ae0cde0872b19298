"""The statistics of a comparison, against their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.compare.statistics import (
    Control,
    doubled_midranks,
    holm,
    median_interval,
    most_alarms,
    rank_test,
    superiority_interval,
)

VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, math.inf]), min_size=1, max_size=5)


def by_hand(first: list[float], second: list[float]) -> tuple[float, float]:
    """p and superiority by going through every choice of the first sample."""
    pooled = [*first, *second]
    ranks = [
        sum(other < value for other in pooled) + (pooled.count(value) + 1) / 2 for value in pooled
    ]
    mean = len(first) * (len(pooled) + 1) / 2
    far = abs(sum(ranks[: len(first)]) - mean)
    chosen = [
        abs(sum(ranks[i] for i in choice) - mean)
        for choice in itertools.combinations(range(len(pooled)), len(first))
    ]
    pairs = [(a, b) for a in first for b in second]
    ahead = sum((a < b) + (a == b) / 2 for a, b in pairs) / len(pairs)
    return sum(distance >= far - 1e-9 for distance in chosen) / len(chosen), ahead


@given(VALUES, VALUES)
def test_the_rank_test_is_what_counting_every_choice_gives(
    first: list[float], second: list[float]
) -> None:
    found = rank_test(first, second)
    p, ahead = by_hand(first, second)
    assert found.p == pytest.approx(p)
    assert found.superiority == pytest.approx(ahead)
    turned = rank_test(second, first)
    assert turned.p == pytest.approx(p)
    assert turned.superiority == pytest.approx(1 - ahead)


def test_published_critical_values_are_met() -> None:
    # two-sided 5 % for 10 and 10: U = 23 (Mann, Whitney 1947, table I); 24 is not significant
    def with_u(u: int) -> float:
        second = [float(n) for n in range(1, 11)]
        whole, part = divmod(u, 10)
        first = [10.5] * whole + [part + 0.5] + [0.5] * (9 - whole)
        return rank_test([v + k * 1e-6 for k, v in enumerate(first)], second).p

    assert with_u(23) < 0.05 < with_u(24)


def test_large_samples_neither_overflow_nor_lose_their_smallest_p() -> None:
    first, second = [float(n) for n in range(100)], [float(n) for n in range(100, 200)]
    assert rank_test(first, second).p == pytest.approx(2 / math.comb(200, 100), rel=1e-6)


def test_equal_samples_are_never_significant() -> None:
    assert rank_test([math.inf] * 20, [math.inf] * 20).p == 1.0
    assert doubled_midranks([3.0, 3.0, math.inf]).tolist() == [3, 3, 6]


def test_holm_gives_the_values_of_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_the_raw_and_bonferroni(ps: list[float]) -> None:
    adjusted = holm(ps)
    for p, q in zip(ps, adjusted, strict=True):
        assert p <= q <= 1
    assert min(adjusted) == min(1.0, len(ps) * min(ps))
    assert [p for _, p in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)


def test_an_interval_covers_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        _, low, high = median_interval(rng.normal(size=20).tolist(), rng)
        covered += low <= 0 <= high
    assert 178 <= covered <= 200  # 95 % of 200 is 190; percentile intervals are near that


def test_runs_that_never_came_there_make_an_interval_infinite() -> None:
    rng = np.random.default_rng(1)
    assert median_interval([math.inf] * 5, rng) == (math.inf, math.inf, math.inf)
    median, low, high = median_interval([1.0, 2.0, math.inf], rng)
    assert (median, low, high) == (2.0, 1.0, math.inf)
    assert median_interval([3.0, 4.0], rng)[0] == 3.5


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=50)
def test_the_mean_superiority_is_that_of_the_tests_and_lies_in_its_interval(
    pairs: list[tuple[list[float], list[float]]], seed: int
) -> None:
    mean, low, high = superiority_interval(pairs, np.random.default_rng(seed))
    each = [rank_test(first, second).superiority for first, second in pairs]
    assert mean == pytest.approx(sum(each) / len(each))
    assert 0 <= low <= high <= 1 + 1e-9
    if any(0 < one < 1 for one in each):
        assert low <= mean + 1e-9
        assert mean - 1e-9 <= high
    else:
        assert low == pytest.approx(mean)
        assert high == pytest.approx(mean)


def test_its_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(200):
        pairs = [
            (rng.normal(size=20).tolist(), rng.normal(shift, size=20).tolist())
            for shift in (0.0, 1.0, -1.0)  # the mean over the three is one half
        ]
        _, low, high = superiority_interval(pairs, rng)
        covered += low <= 0.5 <= high
    assert 178 <= covered <= 200


@given(st.integers(1, 300), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=30)
def test_the_bound_on_false_alarms_is_the_binomial_quantile(trials: int, alpha: float) -> None:
    def beyond(k: int) -> float:
        return sum(
            math.comb(trials, j) * alpha**j * (1 - alpha) ** (trials - j)
            for j in range(k + 1, trials + 1)
        )

    k = most_alarms(trials, alpha)
    assert beyond(k) < 0.001 + 1e-12
    assert k == 0 or beyond(k - 1) >= 0.001 - 1e-12
    assert Control(permutations=trials, false_alarms=k, most_expected=k).holds
    assert not Control(permutations=trials, false_alarms=k + 1, most_expected=k).holds
