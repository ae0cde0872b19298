"""Two runs have one fingerprint exactly when the search went the same way."""

import sqlite3

import pytest

from islands_db import fingerprint


def scores(run, make, *, wall_s=0.5, seeds=(1, 2), stderr="", name="a"):
    run.store.set_meta("name", name)
    run.store.event("resumed", {"by": name})
    run.add("seed", 1.0, seed=True, verdicts=(make.verdict(wall_s=wall_s, stderr=stderr),))
    run.store.add_verdicts(1, [make.verdict("check", "validation", seed=seed) for seed in seeds])
    return fingerprint(run.path)


def test_what_is_measured_and_what_chance_orders_does_not_count(new_run, make):
    first = scores(new_run(), make)
    assert scores(new_run(), make, wall_s=9.0, name="b") == first
    assert scores(new_run(), make, seeds=(2, 1)) == first


def test_what_was_found_counts(new_run, make):
    first = scores(new_run(), make)
    assert scores(new_run(), make, seeds=(1, 3)) != first
    assert scores(new_run(), make, stderr="warning") != first
    assert scores(new_run(population=3), make) != first


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE attempts SET reason = 'x' WHERE attempt = 5",
        "UPDATE programs SET fitness = fitness + 1e-9 WHERE id = 1",
        "UPDATE members SET joined = joined + 1 WHERE slot = 2",
        "UPDATE members SET program = 1 WHERE slot = 2",
        "DELETE FROM elites WHERE slot = 0",
        "UPDATE contents SET source = 1",
        "UPDATE tallies SET attempts = attempts + 1",
        "UPDATE verdicts SET status = 'crash' WHERE program = 2",
    ],
)
def test_any_change_of_a_decision_counts(change, tmp_path, scripted):
    path = tmp_path / "run.db"
    scripted.play(path, 40).close()
    before = fingerprint(path)
    connection = sqlite3.connect(path)
    assert connection.execute(change).rowcount > 0
    connection.commit()
    connection.close()
    assert fingerprint(path) != before


def test_a_fingerprint_of_a_live_run_is_the_one_it_has_when_closed(tmp_path, scripted):
    store = scripted.play(tmp_path / "run.db", 40)
    live = fingerprint(tmp_path / "run.db")
    store.close()
    assert fingerprint(tmp_path / "run.db") == live
