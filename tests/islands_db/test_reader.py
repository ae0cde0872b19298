"""What readers see of a run, finished or live."""

import random
import sqlite3
import threading
from datetime import datetime

import pytest

from islands_db import Fate, Outcome, Reader, StoreError
from islands_db.fingerprint import MEASURED


@pytest.fixture
def reader(run):
    with Reader(run.path) as reader:
        yield reader


def test_a_program_shows_where_it_came_from(run, reader, make):
    run.add("seed", 1.0, seed=True, proposer="seed")
    run.add(
        "child",
        2.0,
        parent=1,
        island=1,
        operator="swap",
        diff="-seed\n+child",
        length=7,
        rung=3,
        verdicts=(make.verdict("quick"), make.verdict("exact")),
    )
    child = reader.program(2)
    assert (child.parent, child.generation, child.island, child.attempt) == (1, 1, 1, 1)
    assert (child.operator, child.diff, child.proposer) == ("swap", "-seed\n+child", "tree")
    assert (child.length, child.rung, child.fitness) == (7, 3, 2.0)
    assert child.hash == make.program("child").hash
    assert [verdict.stage for verdict in child.verdicts] == ["quick", "exact"]
    assert datetime.fromisoformat(child.created).tzinfo is not None


def test_a_lineage_goes_from_the_seed_down_to_the_program(run, reader):
    run.add("0", 0.0, seed=True)
    for number in range(1, 6):
        run.add(str(number), 0.0, parent=number)
    run.add("branch", 0.0, parent=3)
    assert [program.id for program in reader.lineage(6)] == [1, 2, 3, 4, 5, 6]
    assert [program.id for program in reader.lineage(7)] == [1, 2, 3, 7]
    assert [program.generation for program in reader.lineage(7)] == [0, 1, 2, 3]


def test_children_are_programs_made_from_it_as_parent(run, reader):
    run.add("0", 0.0, seed=True)
    run.add("1", 0.0, parent=1)
    run.settle(Outcome(fate=Fate.NO_OP, duplicate_of=1), parent=1)
    run.add("2", 0.0, parent=1)
    run.add("3", 0.0, parent=2)
    assert [program.id for program in reader.children(1)] == [2, 4 - 1]
    assert reader.children(4) == []


def test_the_top_in_training_goes_by_rung_then_fitness(run, reader):
    run.add("a", 9.0, rung=1)
    run.add("b", 1.0, rung=2)
    run.add("c", 2.0, rung=2)
    run.add("d", None, rung=3)
    assert [program.id for program in reader.top(10)] == [3, 2, 1]
    assert [program.id for program in reader.top(1)] == [3]


def test_the_top_in_validation_goes_by_the_mean_of_complete_verdicts(run, reader, make):
    for text in "abcd":
        run.add(text, 1.0)
    draws = {1: [1.0, 3.0], 2: [5.0, None], 3: [2.5, 2.5], 4: []}
    for number, fitness in draws.items():
        run.store.add_verdicts(
            number,
            [
                make.verdict("check", "validation", seed=seed, fitness=value)
                for seed, value in enumerate(fitness)
            ],
        )
    assert [program.id for program in reader.top(10, "validation")] == [3, 1]
    assert reader.top(10, "test") == []


def test_finding_by_name_id_and_hash(run, reader, make):
    run.add("a", 1.0)
    run.add("b", 3.0)
    run.add("c", 2.0)
    run.store.add_verdicts(3, [make.verdict("check", "validation", fitness=1.0)])
    assert reader.find("best") == 2
    assert reader.find("champion") == 3
    assert reader.find("1") == 1
    digest = make.program("c").hash
    assert reader.find(digest) == reader.find(digest[:9]) == reader.find(digest[:9].upper()) == 3


@pytest.mark.parametrize("text", ["", "0", "4", "99999999999999999999", "zz", "²", "%", "best "])
def test_what_does_not_name_a_program_is_one_line(run, reader, text):
    run.add("a", 1.0)
    with pytest.raises(StoreError, match="no program") as caught:
        reader.find(text)
    assert "\n" not in str(caught.value)


def test_an_ambiguous_hash_names_the_programs_it_could_be(run, reader, make):
    hashes = {}
    for number in range(1, 40):
        run.add(str(number), 1.0)
        hashes.setdefault(make.program(str(number)).hash[0], []).append(number)
    letter, numbers = next((k, v) for k, v in hashes.items() if k.isalpha() and len(v) == 2)
    with pytest.raises(StoreError, match="fits several") as caught:
        reader.find(letter)
    assert all(f"{number} (" in str(caught.value) for number in numbers)


def test_no_best_and_no_champion_in_a_run_without_scores(run, reader):
    for text in ("best", "champion"):
        with pytest.raises(StoreError, match="no program has a score"):
            reader.find(text)


@pytest.mark.parametrize("ask", ["program", "files", "lineage"])
def test_an_unknown_program_is_one_line(reader, ask):
    with pytest.raises(StoreError, match="no program 5"):
        getattr(reader, ask)(5)


def test_proposals_of_a_program_are_the_one_that_made_it_and_its_duplicates(run, reader):
    run.add("a", 1.0, seed=True)
    run.add("b", 1.0, parent=1)
    run.settle(
        Outcome(fate=Fate.DUPLICATE, duplicate_of=2, reason="seen", cost_usd=0.5, propose_s=2.0),
        parent=1,
        note="again",
    )
    run.begin(parent=2)
    assert [proposal.attempt for proposal in reader.proposals(program=2)] == [1, 2]
    assert [proposal.attempt for proposal in reader.proposals(parent=2)] == [3]
    assert [proposal.attempt for proposal in reader.proposals()] == [0, 1, 2, 3]
    (again,) = reader.proposals(attempt=2)
    assert (again.fate, again.duplicate_of, again.reason) == (Fate.DUPLICATE, 2, "seen")
    assert (again.note, again.cost_usd, again.propose_s) == ("again", 0.5, 2.0)
    assert reader.proposals(attempt=3)[0].fate is None
    assert reader.proposals(attempt=9) == []


def test_events_come_in_order_and_by_kind(run, reader):
    for number, kind in enumerate(["pause", "go", "pause"]):
        run.store.event(kind, {"n": number})
    assert [event.data["n"] for event in reader.events()] == [0, 1, 2]
    assert [event.data["n"] for event in reader.events("pause")] == [0, 2]


def test_a_reader_sees_what_is_committed_meanwhile_and_nothing_else(run, reader):
    with run.store.atomic():
        run.add("a", 1.0)
        assert reader.counts().programs == 0
    assert reader.counts() == run.store.counts()
    run.store.set_meta("state", "late")
    assert reader.meta == {"state": "late"}
    assert reader.settings == run.store.settings


def test_many_readers_beside_a_busy_writer_each_see_consistent_figures(run):
    run.add("seed", 0.0, seed=True)
    stop = threading.Event()
    torn, looks = [], []

    def look():
        with Reader(run.path) as reader:
            while not stop.is_set():
                counts = reader.counts()
                looks.append(counts.attempts)
                if counts.attempts != counts.programs or sum(i.size for i in counts.islands) == 0:
                    torn.append(counts)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(400):
        run.add(f"p{number}", random.Random(number).random())
    stop.set()
    for thread in threads:
        thread.join()
    assert torn == []
    assert len(set(looks)) > 1


def test_a_reader_cannot_write(reader):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._database.conn.execute("DELETE FROM meta")


def test_the_views_for_people(run, make):
    scores = (make.verdict("quick", values={"a": 1.0}), make.verdict("exact", values={"a": 2.0}))
    run.add("seed", 1.0, seed=True, proposer="seed", verdicts=scores)
    run.add("child", 1.5, parent=1, operator="swap", inspirations=(1,))
    run.settle(Outcome(fate=Fate.NO_OP, cost_usd=0.5), parent=1)
    run.settle(Outcome(fate=Fate.NO_OP), parent=1)
    connection = sqlite3.connect(f"file:{run.path}?mode=ro", uri=True)
    programs = connection.execute(
        "SELECT id, parent, fitness, stage, scores FROM program_scores ORDER BY id"
    ).fetchall()
    assert programs == [(1, None, 1.0, "exact", '{"a":2.0}'), (2, 1, 1.5, None, None)]
    edges = connection.execute("SELECT child, source, role, operator, gain FROM lineage_edges")
    assert sorted(edges) == [(2, 1, "inspiration", "swap", 0.5), (2, 1, "parent", "swap", 0.5)]
    waste = connection.execute("SELECT proposer, fate, attempts, percent, cost_usd FROM waste")
    assert waste.fetchone() == ("tree", "no_op", 2, 50.0, 0.5)
    connection.close()


def test_measured_columns_exist(run):
    connection = sqlite3.connect(f"file:{run.path}?mode=ro", uri=True)
    for table, measured in MEASURED.items():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        assert set(measured) <= columns
    connection.close()
