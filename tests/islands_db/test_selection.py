"""The policies: their draws have the distribution their source gives."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from islands_db.grid import LENGTH_CELLS, axis_cell, length_cell
from islands_db.maps import Grid, features_of
from islands_db.pool import NO_CELL
from islands_db.records import Axis
from islands_db.selection import archive, migration, mix
from islands_db.selection.inspirations import FOREIGN_SHARE, mixed
from islands_db.selection.replacement import best, leaver
from islands_db.selection.tournament import tournament

DRAWS = 20_000


def cell(features, length, axes):
    return Grid(axes).cell(features_of(features, axes), length)


def close(counted, expected, draws=DRAWS):
    """Within five standard deviations of a binomial."""
    return abs(counted - draws * expected) <= 5 * math.sqrt(draws * expected * (1 - expected)) + 1


@pytest.mark.parametrize("entrants", [1, 2, 4])
def test_a_tournament_chooses_each_rank_as_often_as_the_formula_says(entrants, make):
    fitness = [3.0, 1.0, 7.0, 5.0, 2.0, 6.0]
    n = len(fitness)
    by_rank = sorted(range(n), key=lambda slot: -fitness[slot])
    rng = random.Random(1)
    columns = make.columns(fitness)
    drawn = Counter(tournament(columns, rng, entrants=entrants) for _ in range(DRAWS))
    for rank, slot in enumerate(by_rank, start=1):
        expected = ((n - rank + 1) ** entrants - (n - rank) ** entrants) / n**entrants
        assert close(drawn[slot], expected)


def test_a_tournament_puts_the_rung_before_the_fitness(make):
    columns = make.columns([9.0, -1.0], rung=[1, 2])
    rng = random.Random(2)
    drawn = Counter(tournament(columns, rng, entrants=3) for _ in range(1000))
    assert close(drawn[1], 7 / 8, 1000)


def test_the_archive_gives_every_cell_the_same_chance(make):
    columns = make.columns([1.0, 100.0, -5.0, 0.0])
    rng = random.Random(3)
    drawn = Counter(archive.uniform(columns, rng) for _ in range(DRAWS))
    assert all(close(drawn[slot], 1 / 4) for slot in range(4))


def test_the_default_takes_its_share_from_the_archive(make):
    population, elites = make.columns([1.0, 2.0]), make.columns([3.0])
    rng = random.Random(4)
    drawn = [mix.parent(population, elites, rng)[0] is elites for _ in range(DRAWS)]
    assert close(sum(drawn), mix.ELITE_SHARE)


def test_without_an_archive_the_default_uses_the_population(make):
    population, nothing = make.columns([1.0]), make.columns([])
    rng = random.Random(5)
    assert all(mix.parent(population, nothing, rng) == (population, 0) for _ in range(100))


def test_the_worst_leaves_and_of_equals_the_longest_there(make):
    columns = make.columns([2.0, 1.0, 1.0, 3.0], joined=[0, 9, 4, 1])
    assert leaver(columns, rung=1, fitness=5.0) == 2


def test_an_elite_stays_while_others_are_there(make):
    columns = make.columns([2.0, 1.0], elite=[False, True])
    assert leaver(columns, rung=1, fitness=5.0) == 0
    assert leaver(make.columns([2.0, 1.0], elite=[True, True]), rung=1, fitness=5.0) == 1


def test_a_newcomer_worse_than_all_does_not_enter_but_an_equal_one_does(make):
    columns = make.columns([2.0, 3.0], rung=[1, 1])
    assert leaver(columns, rung=1, fitness=1.9) is None
    assert leaver(columns, rung=0, fitness=9.0) is None
    assert leaver(columns, rung=1, fitness=2.0) == 0


def test_the_best_of_equals_is_the_older_program(make):
    assert best(make.columns([1.0, 4.0, 4.0], program=[1, 8, 5])) == 2
    assert best(make.columns([9.0, 4.0], rung=[1, 2])) == 1


def test_migration_goes_once_around_the_ring():
    assert list(migration.ring(3)) == [(0, 1), (1, 2), (2, 0)]
    assert list(migration.ring(1)) == []


def test_the_best_migrate_first_and_of_equals_the_longest_there(make):
    columns = make.columns([1.0, 5.0, 5.0, 0.0, 9.0], rung=[1, 1, 1, 2, 1], joined=[0, 7, 3, 1, 2])
    assert migration.migrants(columns, count=4) == [3, 4, 2, 1]


def test_inspirations_differ_from_the_parent_and_from_each_other(make):
    archives = [
        make.columns([1.0, 2.0, 3.0], program=[1, 2, 3], cell=[0, 1, 2]),
        make.columns([1.0, 2.0, 3.0], program=[1, 2, 6], cell=[0, 1, 3]),
    ]
    parent = archives[0].entrant(0)
    rng = random.Random(6)
    seen = Counter()
    for _ in range(2000):
        shown = mixed(archives, 0, parent, rng, count=2)
        assert 1 not in shown
        assert len(set(shown)) == len(shown)
        seen.update(shown)
    assert set(seen) == {2, 3, 6}


def test_inspirations_come_from_other_islands_in_their_share(make):
    many = list(range(100))
    archives = [
        make.columns([0.0] * 100, program=[1000 * (island + 1) + n for n in many], cell=many)
        for island in range(3)
    ]
    parent = archives[1].entrant(0)
    rng = random.Random(7)
    drawn = [mixed(archives, 1, parent, rng, count=1)[0] // 1000 - 1 for _ in range(DRAWS)]
    shares = Counter(drawn)
    assert close(shares[1], 1 - FOREIGN_SHARE)
    assert close(shares[0], FOREIGN_SHARE / 2)


def test_there_are_as_many_inspirations_as_there_are_other_cells(make):
    # most draws meet the parent's cell, which is that of the best
    archives = [make.columns([float(n) for n in range(40)], cell=[*range(3), *[3] * 37])]
    parent = archives[0].entrant(39)
    rng = random.Random(5)
    for count, there in ((1, 1), (2, 2), (3, 3), (9, 3)):
        for _ in range(200):
            shown = mixed(archives, 0, parent, rng, count=count)
            assert len(shown) == len(set(shown)) == there
            assert set(shown) <= {1, 2, 3}


def test_a_lone_program_has_no_inspirations(make):
    archives = [make.columns([1.0]), make.columns([])]
    parent = archives[0].entrant(0)
    assert mixed(archives, 0, parent, random.Random(8), count=3) == ()


def test_length_cells_are_half_octaves():
    lengths = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 22, 23, 32]
    assert [length_cell(n) for n in lengths] == [0, 2, 3, 4, 4, 5, 5, 6, 6, 7, 8, 8, 9, 10]


@given(st.integers(0, 10**6))
def test_a_longer_program_is_never_in_a_lower_cell(length):
    assert 0 <= length_cell(length) <= length_cell(length + 1) < LENGTH_CELLS


@given(st.floats(allow_nan=False), st.integers(1, 30))
def test_every_value_has_a_cell_on_an_axis(value, cells):
    assert 0 <= axis_cell(value, Axis(name="x", low=-1.5, high=4.0, cells=cells)) < cells


def test_an_axis_has_equal_cells_and_open_ends():
    axis = Axis(name="x", low=0.0, high=1.0, cells=4)
    values = [-9, 0, 0.24, 0.25, 0.49, 0.5, 0.75, 1.0, 9]
    assert [axis_cell(value, axis) for value in values] == [0, 0, 0, 1, 1, 2, 3, 3, 3]


def test_different_places_on_the_axes_are_different_cells():
    axes = (Axis(name="x", low=0, high=3, cells=3), Axis(name="y", low=0, high=4, cells=4))
    places = {
        cell({"x": x + 0.5, "y": y + 0.5}, length, axes)
        for x in range(3)
        for y in range(4)
        for length in (1, 2, 3, 4, 6)
    }
    assert len(places) == 60


def test_a_missing_feature_means_no_cell():
    assert cell({"y": 1.0}, 5, (Axis(name="x", low=0, high=1, cells=2),)) == NO_CELL


def test_an_axis_named_length_takes_the_place_of_the_built_in_one():
    axes = (Axis(name="length", low=0, high=100, cells=10),)
    assert {cell({"length": 55.0}, length, axes) for length in (1, 10, 500)} == {5}
