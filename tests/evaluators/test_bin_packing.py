"""Packing by ranks and the exact verifier, each against the plain definition."""

from __future__ import annotations

import copy
import json
import math
import time
from fractions import Fraction
from importlib.metadata import entry_points

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators import Invalid, Valid, Verifier
from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import distributions, draw, lower_bound

CAPACITY = 12


def online(table, items, capacity):
    """The rule, word by word: the highest priority, among equals the fullest, then a new bin."""
    spaces, bins = [], []
    for item in items:
        levels = {space for space in spaces if space >= item} | {capacity}
        best = max(levels, key=lambda space: (table[item][space], -space))
        spaces.append(capacity)
        # a new bin stands behind all others; which bin of a level is taken is not compared
        chosen = len(spaces) - 1 if best == capacity else spaces.index(best)
        if best != capacity:
            spaces.pop()
        spaces[chosen] -= item
        bins.append(best)
    return bins, len(spaces)


def levels_of(items, bins, capacity):
    """The space left in each item's bin just before it came."""
    spaces = {}
    found = []
    for item, chosen in zip(items, bins, strict=True):
        found.append(spaces.setdefault(int(chosen), capacity))
        spaces[int(chosen)] -= item
    return found


ITEMS = st.lists(st.integers(1, CAPACITY), max_size=60)
TABLES = st.lists(
    st.lists(
        st.integers(-3, 3) | st.floats(allow_nan=False),
        min_size=CAPACITY + 1,
        max_size=CAPACITY + 1,
    ),
    min_size=CAPACITY + 1,
    max_size=CAPACITY + 1,
)


@given(TABLES, ITEMS)
def test_packs_as_the_rule_says(table, items):
    ranks = packing.rank_table(table, CAPACITY)
    bins = packing.pack_table(ranks, [np.array(items, dtype=np.int64)], CAPACITY)[0]
    expected, count = online(table, items, CAPACITY)
    assert levels_of(items, bins, CAPACITY) == expected
    assert packing.verify_packing(items, bins, CAPACITY).value == count


@given(ITEMS)
def test_bins_are_numbered_as_they_are_opened(items):
    bins = packing.best_fit(np.array(items, dtype=np.int64), CAPACITY).tolist()
    assert list(dict.fromkeys(bins)) == list(range(len(set(bins))))


@given(ITEMS)
def test_first_fit_takes_the_first_bin_that_has_room(items):
    spaces, expected = [], []
    for item in items:
        chosen = next((i for i, space in enumerate(spaces) if space >= item), len(spaces))
        if chosen == len(spaces):
            spaces.append(CAPACITY)
        spaces[chosen] -= item
        expected.append(chosen)
    assert packing.first_fit(np.array(items, dtype=np.int64), CAPACITY).tolist() == expected


@given(TABLES)
def test_ranks_order_each_item_as_the_priorities_do(table):
    ranks = packing.rank_table(table, CAPACITY)
    for item in range(1, CAPACITY + 1):
        values = [float(table[item][space]) for space in range(item, CAPACITY + 1)]
        order = sorted(set(values))
        assert ranks[item, item:].tolist() == [order.index(value) for value in values]
        assert (ranks[item, :item] == -1).all()
    assert (ranks[0] == -1).all()


def good_table():
    return [[float(item - space) for space in range(CAPACITY + 1)] for item in range(CAPACITY + 1)]


def spoiled(value, item=3, space=7):
    table = good_table()
    table[item][space] = value
    return table


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (spoiled(math.nan), "priority(3, 7) is nan"),
        (np.array(spoiled(math.nan)), "priority(3, 7) is nan"),
        (spoiled("1"), "priority(3, 7) is str"),
        (spoiled(None), "priority(3, 7) is NoneType"),
        (spoiled(True), "priority(3, 7) is bool"),
        (spoiled(1j), "priority(3, 7) is complex"),
        (spoiled(10**400), "beyond the range of a float"),
        (spoiled([1.0]), "priority(3, 7) is list"),
        (good_table()[:-1], "not 13 rows"),
        ([*good_table()[:-1], [1.0]], "row 12"),
        ([*good_table()[:-1], 5], "row 12"),
        (None, "not 13 rows"),
        ("table", "not 13 rows"),
        (np.zeros((13, 12)), "shape (13, 12)"),
        (np.zeros(169), "shape (169,)"),
        (np.zeros((13, 13), dtype=complex), "complex128"),
        (np.zeros((13, 13), dtype=bool), "bool"),
        (np.full((13, 13), "1"), "<U1"),
        (np.full((13, 13), None), "object"),
    ],
)
def test_no_ranks_from_anything_but_numbers(table, reason):
    verdict = packing.rank_table(table, CAPACITY)
    assert isinstance(verdict, Invalid)
    assert reason in verdict.reason


def test_cells_that_are_never_asked_may_hold_anything_and_infinities_are_ordered():
    table = np.array(good_table())
    table[0, :] = math.nan
    table[5, 4] = math.nan
    table[5, 6:8] = [math.inf, -math.inf]
    ranks = packing.rank_table(table, CAPACITY)
    assert ranks[5, 6] == max(ranks[5])
    assert ranks[5, 7] == 0


def loads_say(items, bins, capacity):
    """The definition: nobody but a dictionary adds up."""
    loads = {}
    for item, chosen in zip(items, bins, strict=True):
        loads[chosen] = loads.get(chosen, 0) + item
    return len(loads) if all(load <= capacity for load in loads.values()) else None


@given(ITEMS, st.data())
def test_verifier_agrees_with_the_definition(items, data):
    bins = data.draw(
        st.lists(st.integers(0, max(len(items) - 1, 0)), min_size=len(items), max_size=len(items))
    )
    for named in (bins, tuple(bins), np.array(bins, dtype=np.int64), np.array(bins, np.uint8)):
        verdict = packing.verify_packing(items, named, CAPACITY)
        expected = loads_say(items, bins, CAPACITY)
        assert (verdict.value if isinstance(verdict, Valid) else None) == expected


@pytest.mark.parametrize(
    ("items", "bins", "reason"),
    [
        ([7, 6], [0, 0], "bin 0 holds 13, capacity is 12"),
        ([7, 6], [0], "2 items but 1 bins"),
        ([7, 6], [0, 1, 1], "2 items but 3 bins"),
        ([7, 6], [0, 2], "bin of item 1 is 2, expected 0 to 1"),
        ([7, 6], [-1, 0], "bin of item 0 is -1"),
        ([7, 6], [0, True], "bin of item 1 is bool"),
        ([7, 6], [0, 1.0], "bin of item 1 is float"),
        ([7, 6], [0, 10**5000], "a huge integer"),
        ([7, 6], "01", "bin of item: str"),
        ([7, 6], None, "bin of item: NoneType"),
        ([7, 6], np.array([0.0, 1.0]), "float64"),
        ([7, 6], np.array([[0, 1]]), "2-dimensional"),
        ([7, 6], np.array([0, 2**63], dtype=np.uint64), "expected 0 to 1"),
        ([7, 13], [0, 1], "item 1 is 13, expected 1 to 12"),
        ([7, 0], [0, 1], "item 1 is 0"),
        ([7, -3], [0, 0], "item 1 is -3"),
    ],
)
def test_the_first_fault_of_a_packing_is_named(items, bins, reason):
    verdict = packing.verify_packing(items, bins, CAPACITY)
    assert isinstance(verdict, Invalid)
    assert reason in verdict.reason


def test_excess_is_exact():
    assert packing.excess([10, 11], [10, 10]) == Fraction(5)
    assert packing.excess([2067], [2012]) == Fraction(5500, 2012)


def test_standard_error_is_that_of_the_mean_where_all_bounds_are_equal():
    used = [104, 101, 103, 108]
    expected = np.std(np.array(used) / 100, ddof=1) / 2 * 100
    assert packing.standard_error(used, [100] * 4) == pytest.approx(expected)
    assert packing.standard_error([5], [4]) == 0


def test_behaviour_counts_bins_opened_early_and_the_space_left():
    items, capacity = np.array([5, 5, 4, 2]), 10
    # the second bin is opened although 5 fits into the first; then 4 leaves 1, 2 leaves 3
    assert packing.behaviour(items, np.array([0, 1, 0, 1]), capacity) == (0.5, (1 + 3) / 20)
    assert packing.behaviour(items, np.array([0, 0, 1, 1]), capacity) == (0.0, (0 + 4) / 20)


@pytest.fixture(scope="module")
def artifact():
    """A true certificate of three short instances, by ranks, as it comes from a file."""
    capacity = distributions()["or1"].capacity
    instances = draw("or1", 3, 2024)
    table = np.add.outer(np.arange(capacity + 1), -np.arange(capacity + 1))
    ranks = packing.rank_table(table, capacity)
    packings = packing.pack_table(ranks, instances, capacity)
    return json.loads(
        json.dumps(
            packing.certificate(
                distribution="or1", seed=2024, instances=instances, ranks=ranks, packings=packings
            )
        )
    )


def test_a_true_certificate_is_valid_and_says_what_it_shows(artifact):
    verdict = packing.check(artifact)
    bins = sum(len(set(row)) for row in artifact["packings"])
    bound = sum(math.ceil(sum(row) / 150) for row in artifact["instances"])
    assert verdict.value == Fraction(100 * (bins - bound), bound)
    assert (verdict.metrics["drawn"], verdict.metrics["online"]) == (1, 1)
    by_hand = packing.check({**artifact, "seed": None, "ranks": None})
    assert by_hand.value == verdict.value
    assert (by_hand.metrics["drawn"], by_hand.metrics["online"]) == (0, 0)
    assert by_hand.metrics["published"] == 0


def forged(artifact, *path, value):
    changed = copy.deepcopy(artifact)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("distribution",), "or9", "distribution"),
        (("distribution",), ["or1"], "distribution"),
        (("distribution",), "or2", "instance 0 is not the one drawn"),
        (("capacity",), 151, "capacity: expected 150"),
        (("capacity",), 150.0, "capacity: expected 150"),
        (("seed",), 2025, "instance 0 is not the one drawn from seed 2025"),
        (("seed",), -1, "seed"),
        (("seed",), "2024", "seed"),
        (("seed",), True, "seed"),
        (("seed",), 2**4000, "seed"),
        (("count",), 2, "count"),
        (("count",), True, "count"),
        (("count",), 10**9, "count"),
        (("instances",), [], "instances"),
        (("instances",), {}, "instances"),
        (("instances", 1), "items", "instance 1"),
        (("instances", 1), [], "instance 1 has no items"),
        (("instances", 1, 7), 19.0, "instance 1: item 7 is float"),
        (("instances", 1, 7), 151, "instance 1: item 7 is 151"),
        (("instances", 1, 7), 1, "instance 1 is not the one drawn"),
        (("packings",), None, "packings"),
        (("packings",), [], "packings: expected 3"),
        (("packings", 2), [0] * 119, "packing 2: expected 120"),
        (("packings", 2), [0] * 120, "packing 2: bin 0 holds"),
        (("packings", 2, 0), 1, "packing 2"),
        (("packings", 2, 0), 120, "packing 2: bin of item 0 is 120"),
        (("packings", 2, 0), None, "packing 2: bin of item 0 is NoneType"),
        (("ranks",), [], "ranks: expected 151 rows"),
        (("ranks",), 5, "ranks: expected 151 rows"),
        (("ranks", 30), [1], "ranks of item 30"),
        (("ranks", 30, 40), 0.5, "ranks of item 30"),
        (("ranks", 30, 40), 10**9, "ranks of item 30"),
    ],
)
def test_a_forged_certificate_is_invalid(artifact, path, value, reason):
    verdict = packing.check(forged(artifact, *path, value=value))
    assert isinstance(verdict, Invalid)
    assert reason in verdict.reason


def test_a_better_packing_than_the_ranks_give_is_refused(artifact):
    """Offline it is easy to be better; with ranks only the online packing counts."""
    changed = copy.deepcopy(artifact)
    items = np.array(changed["instances"][0])
    order = np.argsort(-items, kind="stable")
    decreasing = packing.first_fit(items[order], 150)
    bins = np.empty_like(decreasing)
    bins[order] = decreasing
    assert len(set(bins.tolist())) < len(set(changed["packings"][0]))
    changed["packings"][0] = bins.tolist()
    verdict = packing.check(changed)
    assert isinstance(verdict, Invalid)
    assert "the ranks put item" in verdict.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_json_gets_a_verdict(data):
    assert isinstance(packing.check(data), Invalid)


@settings(max_examples=200)
@given(
    key=st.sampled_from(
        ["distribution", "capacity", "seed", "count", "instances", "ranks", "packings"]
    ),
    value=JSON,
)
def test_any_json_in_the_place_of_a_part_gets_a_verdict(artifact, key, value):
    verdict = packing.check({**artifact, key: value})
    assert isinstance(verdict, Valid | Invalid)


def test_a_certificate_with_another_key_is_invalid(artifact):
    assert isinstance(packing.check({**artifact, "value": 0}), Invalid)
    assert isinstance(packing.check({k: v for k, v in artifact.items() if k != "seed"}), Invalid)


def test_a_huge_certificate_is_refused_at_once(artifact):
    row = [20] * 5000
    began = time.process_time()
    for changed in (
        {**artifact, "instances": [row] * 2001, "count": 2001},
        {**artifact, "instances": [row] * 2000, "count": 2000},
        {
            **artifact,
            "distribution": "weibull5k",
            "capacity": 100,
            "instances": [[20]] * 1000,
            "count": 1000,
        },
    ):
        assert isinstance(packing.check(changed), Invalid)
    assert time.process_time() - began < 10


def test_the_verifier_is_registered_under_its_name():
    (point,) = entry_points(group="evolve.verifiers", name="online_bin_packing")
    verifier = point.load()
    assert isinstance(verifier, Verifier)
    assert verifier.name == "online_bin_packing"
    assert verifier.check is packing.check


def test_best_fit_is_the_table_that_prefers_the_least_space():
    capacity = 150
    table = np.add.outer(np.zeros(capacity + 1), -np.arange(capacity + 1))
    ranks = packing.rank_table(table, capacity)
    for items in draw("or2", 3, 1):
        (by_table,) = packing.pack_table(ranks, [items], capacity)
        assert by_table.tolist() == packing.best_fit(items, capacity).tolist()
        assert lower_bound(items, capacity) <= len(set(by_table.tolist()))
