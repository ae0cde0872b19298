"""The archive's cells: adaptive ones follow the programs, those of a CVT lie evenly."""

import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from islands_db import Axis, Cells, Settings
from islands_db.maps import Adaptive, Voronoi, centroids, edges, load, remap_due, start
from islands_db.pool import NO_CELL

X = Axis(name="x", low=0, high=1, cells=4)
NONE: list[list[float]] = [[], []]
LENGTH = Axis(name="length", low=0, high=1, cells=1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, min_size=2, max_size=60), st.integers(2, 9), st.data())
def test_two_values_seen_are_never_all_in_one_cell(values, cells, data):
    assume(len(set(values)) > 1)
    cuts_before = data.draw(st.lists(FLOATS, max_size=cells - 1, unique=True))
    before = [[], sorted(cuts_before)]
    axes = (LENGTH, Axis(name="x", low=0, high=1, cells=cells))
    seen = [(5.0, value) for value in values]
    cuts = edges(seen, axes, before)
    places = {Adaptive(axes, cuts).cell(features, 5) for features in seen}
    assert 2 <= len(places) <= cells
    assert places <= set(range(cells))
    assert len(places) >= min(len(set(values)), cells) or len(set(values)) > cells


@given(st.lists(FLOATS, min_size=1, max_size=40), FLOATS, FLOATS)
def test_adaptive_cells_keep_the_order(values, a, b):
    axes = (LENGTH, X)
    cells = Adaptive(axes, edges([(0.0, value) for value in values], axes, NONE))
    low, high = sorted((a, b))
    assert 0 <= cells.cell((0.0, low), 1) <= cells.cell((0.0, high), 1) < X.cells


def test_values_without_ties_are_spread_evenly():
    axes = (LENGTH, X)
    seen = [(0.0, math.exp(n)) for n in range(100)]
    cells = Adaptive(axes, edges(seen, axes, [[], [0.1, 0.2, 0.3]]))
    assert np.bincount([cells.cell(one, 1) for one in seen]).tolist() == [25, 25, 25, 25]


def test_a_rare_value_among_equal_ones_has_its_own_cell():
    axes = (LENGTH, X)
    seen = [(0.0, 0.0)] * 1000 + [(0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (0.0, 4.0), (0.0, 5.0)]
    cells = Adaptive(axes, edges(seen, axes, NONE))
    assert cells.cell((0.0, 0.0), 1) != cells.cell((0.0, 1.0), 1)


def test_programs_that_are_alike_for_a_while_leave_the_cells_as_they_were():
    axes = (LENGTH, X)
    before = [[], [0.2, 0.4, 0.6]]
    assert edges([(0.0, 0.9)] * 1024, axes, before) == before
    assert edges([(0.0, 0.9), (0.0, 0.5)] * 512, axes, before) == [[], [0.2, 0.6, 0.9]]
    mostly_one = [(0.0, 0.9)] * 1000 + [(0.0, n / 100) for n in range(24)]
    assert edges(mostly_one, axes, before) == [[], [0.2, 0.6, 0.9]]


def test_a_lacking_feature_means_no_cell():
    assert Adaptive((X,), [[0.5]]).cell((), 5) == NO_CELL
    assert Voronoi((X,), [[0.5]]).cell((), 5) == NO_CELL


def test_edges_are_set_ever_more_rarely_and_then_evenly():
    assert [n for n in range(4000) if remap_due(n)] == [16, 32, 64, 128, 256, 512, 1024, 2048, 3072]


def test_a_new_adaptive_map_is_the_grid_between_the_bounds():
    settings = Settings(axes=(X,), cells=Cells.ADAPTIVE)
    assert start(settings) == [[0.25, 0.5, 0.75]]


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=2))
def test_a_cvt_cell_is_that_of_the_nearest_centroid(values):
    axes = (Axis(name="x", low=-1, high=1, cells=1), Axis(name="y", low=0, high=2, cells=1))
    points = [[0.1, 0.2], [0.7, 0.9], [0.5, 0.1]]
    place = [min(max((values[0] + 1) / 2, 0), 1), min(max(values[1] / 2, 0), 1)]
    far = [math.dist(point, place) for point in points]
    assert math.isclose(far[Voronoi(axes, points).cell(tuple(values), 1)], min(far))


def test_a_cvt_cell_stands_any_size_of_feature():
    cells = Voronoi((Axis(name="x", low=-1.5, high=1.5, cells=1),), [[0.1], [0.9]])
    assert [cells.cell((x,), 1) for x in (-1.7e308, 1.7e308)] == [0, 1]
    cells = Voronoi((Axis(name="x", low=0, high=5e-324, cells=1),), [[0.1], [0.9]])
    assert [cells.cell((x,), 1) for x in (0, 1e308)] == [0, 1]


def test_centroids_lie_evenly_and_depend_on_the_seed_alone():
    found = centroids(16, 2, np.random.default_rng(1))
    assert found == centroids(16, 2, np.random.default_rng(1))
    assert found != centroids(16, 2, np.random.default_rng(2))
    samples = np.random.default_rng(3).random((4000, 2))
    cells = load(Settings(axes=(X, Axis(name="y", low=0, high=1, cells=1)), cells=Cells.CVT), found)
    shares = np.bincount([cells.cell(tuple(row), 1) for row in samples], minlength=16) / 4000
    assert shares.min() > 0.5 / 16
    assert shares.max() < 1.6 / 16
