"""What the islands do over a run: each mechanism acts, and none depends on when it was reopened."""

import random
import sqlite3
from collections import Counter

import pytest

from islands_db import Axis, Cells, Graph, Placement, Reader, Store, fingerprint, migrations
from islands_db.selection.migration import MIGRANTS

X = (Axis(name="x", low=0, high=10, cells=10),)


def members(run, island):
    columns = run.store._state.islands.all[island].population.columns
    return sorted(columns.program.tolist())


def elites(run, island):
    columns = run.store._state.islands.all[island].archive.columns
    return dict(zip(columns.cell.tolist(), columns.program.tolist(), strict=True))


def test_a_seed_enters_every_island_and_any_other_program_its_own(new_run):
    run = new_run(islands=3)
    run.add("seed", 1.0, seed=True)
    assert run.add("child", 0.5, parent=1, island=1) == Placement(program=2, joined=True)
    assert [members(run, island) for island in range(3)] == [[1], [1, 2], [1]]


def test_attempts_take_the_islands_in_turn(new_run):
    run = new_run(islands=3)
    run.add("seed", 1.0, seed=True)
    drawn = [run.store.sample(k, random.Random(k), proposer="tree").island for k in range(7)]
    assert drawn == [0, 1, 2, 0, 1, 2, 0]


def test_a_parent_comes_from_the_attempts_own_island(new_run):
    run = new_run(islands=2, migration_every=0)
    run.add("seed", 1.0, seed=True)
    for number in range(20):
        run.add(f"child {number}", 2.0 + number, island=number % 2)
    for attempt in range(300):
        sample = run.store.sample(attempt, random.Random(attempt), proposer="tree")
        assert sample.parent in members(run, sample.island)


def test_sampling_changes_nothing(run):
    run.add("seed", 1.0, seed=True)
    before = fingerprint(run.path)
    assert len({run.store.sample(3, random.Random(9), proposer="tree") for _ in range(10)}) == 1
    assert fingerprint(run.path) == before


def test_of_programs_that_behave_alike_a_population_holds_the_shortest(new_run):
    run = new_run(islands=1)
    run.add("first", 1.0, length=9, signature=5)
    assert run.add("longer", 1.0, length=10, signature=5).joined is False
    assert run.add("shorter", 1.0, length=4, signature=5).joined is True
    assert members(run, 0) == [3]
    assert run.add("as short", 1.0, length=4, signature=5).joined is True
    assert members(run, 0) == [4]
    assert run.add("other rung", 1.0, length=9, rung=2, signature=5).joined is True
    assert run.add("unknown", 1.0, length=9).joined is True
    assert run.add("unknown too", 1.0, length=9).joined is True
    assert members(run, 0) == [4, 5, 6, 7]


def test_of_programs_that_behave_alike_the_better_stays_where_scores_vary(new_run):
    run = new_run(islands=1, policies=("tournament",))
    run.add("first", 5.0, length=9, signature=5)
    assert run.add("worse", -1.0, length=4, signature=5).joined is False
    assert run.add("better", 5.5, length=10, signature=5).joined is True
    assert members(run, 0) == [3]


@pytest.mark.parametrize("fitness", [[5.0, 1.0], [1.0, 5.0]])
def test_a_cluster_is_worth_its_best_program_where_scores_vary(fitness, new_run):
    run = new_run(islands=1, policies=("funsearch",))
    for number, value in enumerate(fitness):
        run.add(f"p{number}", value, signature=5)
    for _ in range(2):
        columns = run.store._state.islands.all[0].population.columns
        assert columns.clusters.fitness.tolist() == [5.0]
        run.reopen()


def test_who_behaves_alike_is_known_after_reopening(new_run):
    run = new_run(islands=1)
    run.add("first", 1.0, length=4, signature=-5)
    run.reopen()
    assert run.add("longer", 1.0, length=10, signature=-5).joined is False


def test_a_population_stays_within_its_bound_and_keeps_the_best(new_run):
    run = new_run(islands=1, population=5, axes=X)
    rng = random.Random(1)
    fitness = [rng.random() for _ in range(50)]
    for number, value in enumerate(fitness):
        run.add(f"p{number}", value)
    best = sorted(range(50), key=lambda number: -fitness[number])[:5]
    assert members(run, 0) == sorted(number + 1 for number in best)


def test_a_cell_goes_to_the_better_and_of_equals_to_the_shorter(new_run):
    run = new_run(islands=1, axes=X)
    low, high = {"x": 2.2}, {"x": 7.7}
    assert run.add("a", 1.0, length=30, features=low).elite
    assert run.add("b", 0.0, length=30, features=high).elite
    assert not run.add("c", 0.5, length=30, features=low).elite
    assert not run.add("d", 1.0, length=30, features=low).elite
    assert run.add("e", 1.0, length=29, features=low).elite
    assert run.add("f", -3.0, rung=2, length=29, features=low).elite
    assert sorted(elites(run, 0).values()) == [2, 6]


def test_a_program_that_lacks_a_feature_joins_but_holds_no_cell(new_run):
    run = new_run(islands=1, axes=X)
    assert run.add("a", 1.0) == Placement(program=1, joined=True, best=True)
    assert elites(run, 0) == {}


def test_the_holder_of_a_cell_is_not_pushed_out_by_better_ones(new_run):
    run = new_run(islands=1, population=4, axes=X)
    run.add("odd one", -100.0, features={"x": 9.5})
    for number in range(20):
        run.add(f"p{number}", float(number), features={"x": 1.0})
    assert 1 in members(run, 0)
    run.add("better odd one", -99.0, features={"x": 9.5})
    run.add("last", 30.0, features={"x": 1.0})
    run.add("very last", 31.0, features={"x": 1.0})
    assert 1 not in members(run, 0)


def test_copies_of_the_best_go_around_the_ring_as_members(new_run):
    run = new_run(islands=3, migration_every=10)
    for number in range(9):
        run.add(f"p{number}", float(number), island=number % 3)
    assert members(run, 1) == [2, 5, 8]
    run.add("p9", 0.5, island=0)
    assert members(run, 0) == [1, 3, 4, 6, 7, 9, 10]
    assert members(run, 1) == sorted([2, 5, 8, 7, 4, 10])
    assert MIGRANTS == 3
    assert run.store.counts().programs == 10


def test_a_migrant_that_is_there_already_does_not_come_twice(new_run):
    run = new_run(islands=2, migration_every=5)
    run.add("seed", 100.0, seed=True)
    for number in range(40):
        run.add(f"p{number}", float(number), island=number % 2)
    for island in range(2):
        assert max(Counter(members(run, island)).values()) == 1


def test_migration_can_be_switched_off(new_run):
    run = new_run(islands=2, migration_every=0)
    for number in range(50):
        run.add(f"p{number}", float(number), island=0)
    assert members(run, 1) == []


@pytest.mark.parametrize("kind", ["plain", "changing", "adaptive"])
@pytest.mark.parametrize(("every", "attempts"), [(1, 60), (7, 400)])
def test_reopening_at_any_time_changes_no_decision(every, attempts, kind, tmp_path, scripted):
    path = tmp_path / "reopened.db"
    for until in range(0, attempts + every, every):
        scripted.play(path, attempts, until=min(until, attempts), kind=kind).close()
    scripted.play(tmp_path / "whole.db", attempts, kind=kind).close()
    assert fingerprint(path) == fingerprint(tmp_path / "whole.db")


def test_a_reopened_run_draws_what_the_open_one_would_have_drawn(tmp_path, scripted):
    store = scripted.play(tmp_path / "run.db", 300)
    draws = [store.sample(k, random.Random(k), proposer="tree") for k in range(500)]
    counts = store.counts()
    store.close()
    store = type(store).open(tmp_path / "run.db")
    assert [store.sample(k, random.Random(k), proposer="tree") for k in range(500)] == draws
    assert store.counts() == counts
    store.close()


def test_every_mechanism_acts_in_a_long_run(tmp_path, scripted):
    store = scripted.play(tmp_path / "run.db", 1500, kind="changing")
    counts = store.counts()
    store.close()
    connection = sqlite3.connect(tmp_path / "run.db")
    kinds = dict(connection.execute("SELECT kind, count(*) FROM epochs GROUP BY kind"))
    (failed,) = connection.execute(
        "SELECT count(*) FROM members m JOIN programs p ON p.id = m.program"
        " WHERE p.fitness IS NULL AND m.island % 3 = 1"
    ).fetchone()
    connection.close()
    assert kinds["migration"] == 1500 // 25
    assert kinds["map"] >= 5
    assert kinds["birth"] == len(counts.islands) - 3 > 0
    assert kinds["reset"] >= 1500 // 40
    assert failed
    with Reader(tmp_path / "run.db") as reader:
        assert reader.counts() == counts


def test_after_a_reset_what_was_sampled_before_does_not_join(new_run, make):
    run = new_run(islands=2, migration_every=0, reset_every=4, axes=X)
    run.add("good", 9.0, island=0, features={"x": 1.0})
    run.add("poor", 1.0, island=1, features={"x": 1.0})
    early = run.begin(island=1)
    run.add("more", 2.0, island=0)
    run.add("more still", 2.5, island=0)
    assert members(run, 0) == [1, 3, 4]
    assert members(run, 1) == [1]
    late = run.store.settle(early, make.evaluated("late", 99.0, features={"x": 7.0}))
    assert (late.joined, late.elite) == (False, True)
    assert members(run, 1) == [1]
    assert run.add("later", 0.5, island=1).joined


def test_an_island_is_born_from_the_seeds_when_nothing_better_comes(new_run):
    run = new_run(islands=1, stagnation=5, most_islands=2, migration_every=0)
    run.add("seed", 1.0, seed=True)
    run.add("best", 5.0)
    for number in range(4):
        run.add(f"p{number}", 0.0)
    assert len(run.store.counts().islands) == 1
    run.add("last straw", 0.0)
    assert len(run.store.counts().islands) == 2
    assert members(run, 1) == [1]
    drawn = [run.store.sample(k, random.Random(k), proposer="tree").island for k in range(4)]
    assert drawn == [0, 1, 0, 1]
    for number in range(20):
        run.add(f"q{number}", 0.0)
    assert len(run.store.counts().islands) == 2


@pytest.mark.parametrize("acts", [{"reset_every": 4}, {"migration_every": 3}])
def test_copies_of_old_programs_are_no_new_best(acts, new_run):
    run = new_run(islands=2, stagnation=6, most_islands=3, **{"migration_every": 0, **acts})
    run.add("seed", 1.0, seed=True)
    run.add("best", 2.0, parent=1, island=0)
    for number in range(5):
        run.add(f"p{number}", 0.5, parent=1, island=number % 2)
    assert len(run.store.counts().islands) == 2
    run.add("last straw", 0.5, parent=1)
    assert len(run.store.counts().islands) == 3


def test_a_new_best_that_joins_no_population_puts_a_birth_off(new_run):
    run = new_run(islands=1, policies=("best_of_n",), stagnation=3, most_islands=2)
    run.add("seed", 1.0, seed=True)
    for number in range(9):
        assert not run.add(f"p{number}", 2.0 + number, parent=1).joined
    assert len(run.store.counts().islands) == 1
    for number in range(3):
        run.add(f"q{number}", 0.0, parent=1)
    assert len(run.store.counts().islands) == 2


def test_migrants_contend_for_cells_where_parents_are_drawn_from_them(new_run):
    run = new_run(islands=2, policies=("map_elites", "mix"), axes=X, migration_every=4)
    run.add("seed", 1.0, seed=True, features={"x": 0.5})
    run.add("second", 2.0, parent=1, island=1, features={"x": 5.5})
    run.add("third", 3.0, parent=1, island=0, features={"x": 8.5})
    assert sorted(elites(run, 0).values()) == [1, 3]
    run.add("fourth", 0.1, parent=1, island=1, features={"x": 0.6})
    assert sorted(elites(run, 0).values()) == [1, 2, 3]
    assert sorted(elites(run, 1).values()) == [1, 2]
    before = elites(run, 0)
    run.reopen()
    assert elites(run, 0) == before


def test_attempts_on_an_island_born_later_count_after_reopening_too(new_run):
    policies = ("tournament", "mix")
    run = new_run(islands=1, policies=policies, stagnation=3, most_islands=2, migration_every=0)
    run.add("seed", 1.0, seed=True)
    for number in range(4):
        run.add(f"p{number}", 0.0)
    for number in range(6):
        run.add(f"q{number}", 0.0, parent=1, island=1)
    drawn = [run.store.sample(99, random.Random(k), proposer="tree") for k in range(60)]
    run.reopen()
    assert drawn == [run.store.sample(99, random.Random(k), proposer="tree") for k in range(60)]


def test_an_axis_as_wide_as_a_float_can_tell_has_cells(new_run):
    axes = (Axis(name="x", low=0.0, high=1e308, cells=10),)
    run = new_run(islands=1, axes=axes, cells=Cells.ADAPTIVE)
    run.add("seed", 1.0, seed=True, features={"x": 1e307})
    assert len(elites(run, 0)) == 1


def test_a_map_that_follows_the_programs_parts_them_wherever_they_lie(new_run):
    axes = (*X, Axis(name="length", low=0, high=1, cells=1))
    occupied = []
    for cells in (Cells.ADAPTIVE, Cells.GRID):
        run = new_run(islands=1, axes=axes, cells=cells)
        for number in range(100):
            run.add(f"p{number}", 1.0, features={"x": 1e6 + number % 50, "length": 3.0})
        occupied.append(len(elites(run, 0)))
    assert occupied[0] >= 9
    assert occupied[1] == 1


def test_elites_stay_apart_while_all_that_comes_is_alike(new_run):
    axes = (Axis(name="x", low=0, high=1, cells=8), Axis(name="length", low=0, high=1, cells=1))
    run = new_run(islands=1, axes=axes, cells=Cells.ADAPTIVE, migration_every=0, population=5)
    with run.store.atomic():
        for number in range(16):
            run.add(f"alike {number}", 1.0, features={"x": 0.5, "length": 0.0})
        for number in range(1008):
            run.add(f"p{number}", 1.0, features={"x": number % 97 / 97, "length": 0.0})
        assert len(elites(run, 0)) == 8
        for number in range(1024):
            run.add(f"q{number}", 1.5, features={"x": 0.5, "length": 0.0})
    assert len(elites(run, 0)) == 8


def test_a_failed_program_is_a_node_of_a_search_tree_only(new_run):
    run = new_run(islands=2, policies=("tree_search", "mix"))
    run.add("seed", 1.0, seed=True)
    for island in (0, 1):
        failed = run.add(f"fails {island}", None, parent=1, island=island, rung=0)
        assert failed.joined is (island == 0)
        assert not failed.best
    counts = run.store.counts()
    assert [island.best for island in counts.islands] == [1, 1]
    with Reader(run.path) as reader:
        assert reader.counts() == counts


def test_best_of_n_makes_everything_from_seeds(new_run):
    run = new_run(islands=2, policies=("best_of_n", "random_walk"), migration_every=3)
    run.add("seed", 1.0, seed=True)
    for number in range(8):
        child = run.add(f"{number}", 2.0 + number, parent=1, island=number % 2)
        assert child.joined is (number % 2 == 1)
    run.reopen()
    sampled = [run.store.sample(n, random.Random(n), proposer="tree").parent for n in range(80)]
    assert set(sampled[::2]) == {1}
    assert set(sampled[1::2]) == {1, 3, 5, 7, 9}


def test_attempts_are_counted_for_who_asks_and_after_a_crash_too(new_run):
    run = new_run(islands=2, migration_every=4, policies=("mix", "power_law"))
    run.add("seed", 1.0, seed=True)
    for number in range(6):
        run.add(f"{number}", 2.0 + number, parent=1 + number // 2, island=0)
    before = [home.population.columns for home in run.store._state.islands.all]
    assert dict(zip(before[0].program.tolist(), before[0].tries.tolist(), strict=True))[1] == 2
    assert not before[1].tries.any()
    run.reopen()
    after = [home.population.columns for home in run.store._state.islands.all]
    for old, new in zip(before, after, strict=True):
        assert dict(zip(old.program.tolist(), old.tries.tolist(), strict=True)) == dict(
            zip(new.program.tolist(), new.tries.tolist(), strict=True)
        )


def test_a_population_of_one_is_greedy_search(new_run):
    run = new_run(islands=1, population=1, policies=("tournament",))
    run.add("seed", 1.0, seed=True)
    parents = []
    for number, fitness in enumerate([0.5, 1.0, 3.0, 2.0]):
        run.add(f"{number}", fitness, parent=1)
        parents.append(run.store.sample(9, random.Random(1), proposer="tree").parent)
    assert parents == [1, 3, 4, 4]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"policies": ("funserch",)}, "no policy 'funserch'"),
        ({"policies": ()}, "at least one"),
        ({"policies": ("map_elites",), "reset_every": 9}, "does nothing to map_elites"),
        ({"policies": ("best_of_n",), "reset_every": 9}, "leave its island empty"),
        ({"migration": Graph.EDGES, "edges": ((0, 7),)}, "edge 0 -> 7"),
        ({"edges": ((0, 1),)}, "migration = ring"),
        ({"cells": Cells.CVT}, "at least one axis"),
        ({"stagnation": -1}, "stagnation = -1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, complaint, new_run):
    with pytest.raises(ValueError, match=complaint):
        new_run(**settings)


@pytest.mark.parametrize("objectives", [(), (1.0,), (2.0, 3.0), (1.0, float("nan"))])
def test_objectives_that_do_not_fit_are_refused(objectives, new_run, make):
    run = new_run(objectives=2)
    with pytest.raises(ValueError, match=r"objective|fitness"):
        run.add("a", 1.0, objectives=objectives)


def test_a_run_of_the_first_schema_gets_its_islands(tmp_path):
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript(migrations.scripts()[0])
    connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO settings VALUES (1, '{\"islands\": 3}')")
    connection.commit()
    connection.close()
    store = Store.open(path)
    assert store.settings.policies == ("mix",)
    assert len(store.counts().islands) == 3
    store.close()
