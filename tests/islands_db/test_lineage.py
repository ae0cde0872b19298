"""Lineage by SQL: the views that anybody can read, and the reader's methods on them."""

import random
import sqlite3
from contextlib import closing

import pytest

from islands_db import Edit, Reader, StoreError

PARENTS = {2: 1, 3: 1, 4: 2, 5: 4, 6: 3, 8: 7}
"""Two trees: 1 above 2 and 3, and 7 above 8."""


@pytest.fixture
def family(new_run):
    run = new_run(islands=1)
    for number in range(1, 9):
        parent = PARENTS.get(number)
        run.add(
            f"line\nprogram {number}\n",
            float(number % 5),
            seed=parent is None,
            parent=parent,
            rung=2 if number == 5 else 1,
            operator="grow",
            diff=f"to {number}",
        )
    with Reader(run.path) as reader:
        yield reader


def test_ancestors_go_up_to_the_seed_and_descendants_down(family):
    assert family.ancestors(5) == [4, 2, 1]
    assert family.ancestors(1) == []
    assert family.descendants(1) == [2, 3, 4, 6, 5]
    assert family.descendants(5) == []


def test_the_common_ancestor_is_the_nearest(family):
    assert family.common_ancestor(5, 6) == 1
    assert family.common_ancestor(5, 4) == 4
    assert family.common_ancestor(5, 5) == 5
    assert family.common_ancestor(5, 8) is None


def test_edits_along_a_path_say_what_each_gained(family):
    made = {"proposer": "tree", "operator": "grow"}
    assert family.edits(5) == [
        Edit(child=2, parent=1, diff="to 2", rung_gain=0, gain=1.0, **made),
        Edit(child=4, parent=2, diff="to 4", rung_gain=0, gain=2.0, **made),
        Edit(child=5, parent=4, diff="to 5", rung_gain=1, gain=None, **made),
    ]


def test_generations_name_their_best(family):
    found = [(g.generation, g.programs, g.best, g.fitness) for g in family.generations()]
    assert found == [(0, 2, 7, 2.0), (1, 3, 3, 3.0), (2, 2, 4, 4.0), (3, 1, 5, 0.0)]


def test_hunks_show_what_differs(family):
    lines = family.hunks(1, 6).splitlines()
    assert lines[3:] == [" line", "-program 1", "+program 6"]
    assert family.hunks(3, 3) == ""


def test_an_unknown_program_is_an_error(family):
    for ask in (family.ancestors, family.descendants, family.edits):
        with pytest.raises(StoreError, match="no program 99"):
            ask(99)
    with pytest.raises(StoreError, match="no program 99"):
        family.common_ancestor(1, 99)


def test_the_views_hold_every_pair_for_whoever_reads_the_file(family):
    with closing(sqlite3.connect(family.path)) as plain:
        pairs = set(plain.execute("SELECT program, ancestor FROM ancestors WHERE distance > 0"))
        down = set(plain.execute("SELECT descendant, program FROM descendants"))
    expected = {(program, above) for program in range(1, 9) for above in family.ancestors(program)}
    assert pairs == down == expected


def test_one_programs_lineage_is_read_without_walking_the_others(new_run):
    """A walk of all 600 lines would take some 100,000 steps; one line takes few."""
    run = new_run(islands=1, migration_every=0)
    rng = random.Random(1)
    run.add("seed", 0.0, seed=True)
    for number in range(2, 600):
        run.add(f"p{number}", rng.random(), parent=number - 1)
    steps = 0

    def count():
        nonlocal steps
        steps += 1
        return 0

    with closing(sqlite3.connect(run.path)) as plain:
        plain.set_progress_handler(count, 1000)
        (found,) = plain.execute("SELECT count(*) FROM ancestors WHERE program = 300").fetchone()
        assert found == 300
        assert plain.execute(
            "SELECT ancestor FROM common_ancestors WHERE one = 300 AND other = 200"
            " ORDER BY distance LIMIT 1"
        ).fetchone() == (200,)
    assert steps < 200
