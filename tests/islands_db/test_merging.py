"""Runs merged, scored anew, and relieved of texts: what must stay, stays; kills included."""

import os
import random
import resource
import shutil
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path
from struct import pack

import pytest

from islands_db import (
    Call,
    CallState,
    Cells,
    Fate,
    Outcome,
    Reader,
    Rescoring,
    Sample,
    Status,
    Store,
    StoreError,
    Verdict,
    audit,
    collect,
    connections,
    fingerprint,
    merge_runs,
)

KINDS = ["plain", "changing"]


@pytest.fixture(scope="module", params=KINDS)
def stored(request, tmp_path_factory, scripted):
    path = tmp_path_factory.mktemp("run") / f"{request.param}.db"
    scripted.play(path, 300, until=240, kind=request.param).close()
    return path


@pytest.fixture
def run_db(stored, tmp_path):
    shutil.copy(stored, tmp_path / "run.db")
    return tmp_path / "run.db"


def other_run(path, scripted, kind, seed, attempts=160):
    """Another run of the same problem: the scripted one, with other numbers in its programs."""
    store = Store.create(path, settings=scripted.KINDS[kind], meta={})
    rng = random.Random(seed)
    for attempt in range(attempts):
        sample = scripted.sample_of(store, attempt)
        store.begin(sample)
        values = [attempt + 1] * (4 + attempt)
        if sample.parent is not None:
            values = scripted.values_of(store.files(sample.parent)["program.py"])
            values[rng.randrange(len(values))] = rng.randrange(10)
        program = scripted.program_of(scripted.text_of(values))
        known = store.known(program.hash, program.syntax_hash)
        outcome = Outcome(fate=Fate.DUPLICATE, duplicate_of=known)
        if known is None:
            outcome = scripted.judged(sample, program, "other", values)
        store.settle(attempt, outcome)
    number = store.open_call(Call(attempt=5, turn=0, model="m"))
    store.end_call(
        number,
        Call(attempt=5, turn=0, model="m", state=CallState.ANSWERED, answer="paid", cost_usd=0.5),
    )
    store.event("best", {"program": 3, "attempt": 2, "other": 3})
    store.close()
    return path


def sound(path):
    with connections.alone(path) as connection:
        assert list(audit.faults_of(connection)) == []


def programs_of(path):
    """Everything a run knows of its programs, by hash, and the hash of each number."""
    with Reader(path) as reader:
        every = [reader.program(n) for n in range(1, reader.counts().programs + 1)]
        names = {program.id: program.hash for program in every}
        known = {
            program.hash: (reader.files(program.id), names.get(program.parent), program.fitness)
            for program in every
            if program.rung
        }
        verdicts = {
            (program.hash, v.stage, v.split, v.seed): v
            for program in every
            for v in program.verdicts
        }
    return known, names, verdicts


# Merging


def test_a_merged_run_has_every_program_once_with_every_verdict(stored, tmp_path, scripted):
    other = other_run(tmp_path / "other.db", scripted, stored.stem, seed=1)
    merged = merge_runs([stored, other], tmp_path / "new.db", meta={"problem": "totals"})
    one, _, one_verdicts = programs_of(stored)
    two, _, two_verdicts = programs_of(other)
    both, names, verdicts = programs_of(tmp_path / "new.db")
    assert both.keys() == one.keys() | two.keys()
    assert len(set(names.values())) == len(names) == merged.programs
    assert merged.doubles == len(one.keys() & two.keys()) > 0
    for hash, found in both.items():
        assert found == one.get(hash, two.get(hash))
    assert verdicts.keys() == one_verdicts.keys() | two_verdicts.keys()
    sound(tmp_path / "new.db")


def test_a_program_of_both_keeps_the_draws_of_the_first(tmp_path, scripted):
    """In each split: means over the draws of two runs would not compare with the others'."""
    paths = [tmp_path / "one.db", tmp_path / "two.db"]
    for number, path in enumerate(paths):
        scripted.play(path, 30).close()
        with connections.alone(path) as connection:
            connection.execute("UPDATE verdicts SET seed = ?", (f"{number}",))
            if number == 0:
                connection.execute("DELETE FROM verdicts WHERE split <> 'training' AND program > 1")
    merge_runs(paths, tmp_path / "new.db", meta={})
    with Reader(paths[0]) as one, Reader(paths[1]) as two, Reader(tmp_path / "new.db") as new:
        assert new.counts().programs == one.counts().programs
        for number in range(1, new.counts().programs + 1):
            own, other = one.verdicts(number), two.verdicts(number)
            if number > 1:
                own += [verdict for verdict in other if verdict.split != "training"]
            assert new.verdicts(number) == own
        assert any(v.seed == 1 for v in new.verdicts(new.find("best")))
    sound(tmp_path / "new.db")


def test_every_test_draw_of_a_program_of_both_is_kept(tmp_path, scripted):
    """So the seed program stays beside each champion that was tested with it."""
    paths = [tmp_path / "one.db", tmp_path / "two.db"]
    for number, path in enumerate(paths):
        store = scripted.play(path, 30)
        tested = Verdict(stage="test", split="test", seed=number, status=Status.OK, fitness=1.0)
        store.add_verdicts(1, [tested])
        store.close()
    merge_runs(paths, tmp_path / "new.db", meta={})
    with Reader(tmp_path / "new.db") as reader:
        assert [v.seed for v in reader.verdicts(1) if v.split == "test"] == [0, 1]
    sound(tmp_path / "new.db")


def test_attempts_among_a_runs_own_values_have_their_new_numbers(tmp_path, scripted):
    path = other_run(tmp_path / "one.db", scripted, "plain", seed=1, attempts=30)
    store = Store.open(path)
    store.begin(scripted.sample_of(store, 30))
    store.begin(scripted.sample_of(store, 31))
    store.settle(31, Outcome(fate=Fate.NO_ANSWER))
    store.close()
    merge_runs([path, path], tmp_path / "a.db", meta={"notes": 5, "barren": 31, "seed": 5})
    with Reader(tmp_path / "a.db") as reader:
        assert reader.meta == {"notes": 5, "barren": 30, "seed": 5}
        assert reader.calls(attempt=5)
    merge_runs([path], tmp_path / "b.db", meta={"notes": 6, "barren": 30})
    with Reader(tmp_path / "b.db") as reader:
        assert reader.meta == {}  # one was never answered, and one is left behind


def test_a_merged_run_has_every_ended_attempt_and_call(stored, tmp_path, scripted):
    other = other_run(tmp_path / "other.db", scripted, stored.stem, seed=1)
    merged = merge_runs([stored, other], tmp_path / "new.db", meta={})
    with Reader(stored) as a, Reader(other) as b, Reader(tmp_path / "new.db") as new:
        ended = [[p for p in r.proposals() if p.fate is not None] for r in (a, b)]
        together = new.proposals()
        assert [p.attempt for p in together] == list(range(merged.attempts))
        assert len(together) == len(ended[0]) + len(ended[1])
        assert merged.left == a.counts().pending
        for old, now in zip(ended[0] + ended[1], together, strict=True):
            assert (old.proposer, old.reason, old.diff) == (now.proposer, now.reason, now.diff)
        [call] = new.calls()
        assert (call.attempt, call.answer) == (len(ended[0]) + 5, "paid")
        event = new.events("best")[-1]
        assert new.program(event.data["program"]).hash == b.program(3).hash
        assert (event.data["attempt"], event.data["other"]) == (len(ended[0]) + 2, 3)
        assert new.counts().evaluated == a.counts().evaluated + b.counts().evaluated - (
            merged.doubles
        )


def test_a_merged_run_goes_on(stored, tmp_path, scripted):
    other = other_run(tmp_path / "other.db", scripted, stored.stem, seed=1)
    before = [fingerprint(stored), fingerprint(other)]
    merged = merge_runs([stored, other], tmp_path / "new.db", meta={})
    assert before == [fingerprint(stored), fingerprint(other)]
    with Reader(stored) as a, Reader(other) as b:
        born = len(a.counts().islands) + len(b.counts().islands)
    store = Store.open(tmp_path / "new.db")
    assert len(store.counts().islands) == born
    assert all(island.size for island in store.counts().islands)
    while scripted.step(store, merged.attempts + 60):
        pass
    assert store.counts().attempts == merged.attempts + 60
    store.close()
    sound(tmp_path / "new.db")


def test_three_runs_and_one_with_itself(stored, tmp_path, scripted):
    more = [
        other_run(tmp_path / f"{seed}.db", scripted, stored.stem, seed, attempts=30)
        for seed in (1, 2)
    ]
    merge_runs([stored, *more], tmp_path / "new.db", meta={})
    sound(tmp_path / "new.db")
    merged = merge_runs([stored, stored], tmp_path / "twice.db", meta={})
    assert programs_of(tmp_path / "twice.db")[0] == programs_of(stored)[0]
    assert merged.doubles == len(programs_of(stored)[0]) + _failed(stored)


def _failed(path):
    with Reader(path) as reader:
        every = [reader.program(n) for n in range(1, reader.counts().programs + 1)]
    judged = sum(bool(program.verdicts) for program in every)
    return judged - len([program for program in every if program.rung])


def test_runs_that_cannot_be_compared_are_not_merged(stored, tmp_path, scripted):
    kind = scripted.KINDS[stored.stem]
    axes = (replace(kind.axes[0], cells=9),)
    Store.create(tmp_path / "o.db", settings=replace(kind, axes=axes), meta={}).close()
    with pytest.raises(StoreError, match=r"o\.db: axes = "):
        merge_runs([stored, tmp_path / "o.db"], tmp_path / "new.db", meta={})
    assert not (tmp_path / "new.db").exists()
    for centroids in (9, 8):
        few = replace(kind, cells=Cells.CVT, centroids=centroids)
        Store.create(tmp_path / f"{centroids}.db", settings=few, meta={}).close()
    with pytest.raises(StoreError, match=r"8\.db: centroids = 8, the first run has 9"):
        merge_runs([tmp_path / "9.db", tmp_path / "8.db"], tmp_path / "new.db", meta={})
    with pytest.raises(StoreError, match="exists already"):
        merge_runs([stored, stored], stored, meta={})


# Scores given anew


def judged_anew(due):
    """The changed verifier: the sum counts half, and every ninth program fails."""
    values = [int(line.strip(" ,")) for line in due.files["program.py"].splitlines()[1:-1]]
    if sum(values) % 9 == 4 and due.program > 2:
        failed = Verdict(stage="quick", split="training", status=Status.INVALID, reason="nines")
        return Outcome(fate=Fate.EVALUATED, verdicts=(failed,))
    fitness = sum(values) / 2
    verdicts = [
        Verdict(stage="exact", split="training", status=Status.OK, fitness=fitness, wall_s=0.5)
    ] + [
        Verdict(stage="check", split=split, seed=seed, status=Status.OK, fitness=fitness)
        for split, seed in due.splits
    ]
    return Outcome(
        fate=Fate.EVALUATED,
        verdicts=tuple(verdicts),
        rung=1,
        fitness=fitness,
        features={"ones": float(sum(values))},
        cases=pack("<2f", fitness, -fitness),
    )


def rescore(path, *, most=10**9):
    with Rescoring(path, {"verifier": "new"}) as work:
        for due, _ in zip(work.due(), range(most), strict=False):
            work.put(due.program, judged_anew(due))
        return work.finish({"identity": {"verifier": "new"}, "baselines": None})


def test_every_score_is_new_and_every_old_verdict_kept(run_db, scripted):
    with Reader(run_db) as reader:
        before = {n: reader.program(n) for n in range(1, reader.counts().programs + 1)}
        proposals = reader.proposals()
    assert rescore(run_db) == 1
    sound(run_db)
    with Reader(run_db) as reader:
        for number, old in before.items():
            now = reader.program(number)
            assert (now.hash, now.parent) == (old.hash, old.parent)
            if old.verdicts:
                assert now.verdicts
                assert not {v.stage for v in now.verdicts} & {"quick"} or now.fitness is None
            past = reader.past_verdicts(number)
            assert past == [(1, verdict) for verdict in old.verdicts]
        assert reader.proposals() == proposals
        best = max(reader.program(n).fitness or 0.0 for n in before)
        assert reader.program(reader.find("best")).fitness == best
        assert reader.counts().best[1] == best
        assert reader.meta["identity"] == {"verifier": "new"}
        assert "rescoring" not in reader.meta
        assert len(reader.events("rescored")) == 1
    with sqlite3.connect(run_db) as connection:
        stored = connection.execute("SELECT program, scores FROM cases").fetchall()
        passed = connection.execute("SELECT id, fitness FROM programs WHERE rung > 0").fetchall()
    connection.close()
    assert sorted(stored) == [(n, pack("<2f", fitness, -fitness)) for n, fitness in sorted(passed)]
    store = Store.open(run_db)
    while scripted.step(store, 300):
        pass
    store.close()
    sound(run_db)


def test_the_islands_hold_the_best_by_the_new_scores(run_db):
    rescore(run_db)
    store = Store.open(run_db)
    with Reader(run_db) as reader:
        for number, island in enumerate(store.counts().islands):
            own = [
                program.fitness or 0.0
                for n in range(1, reader.counts().programs + 1)
                if (program := reader.program(n)).island == number or program.proposer == "seed"
                if program.rung
            ]
            assert island.best_fitness <= max(own) or island.size == 1
        assert max(i.best_fitness for i in store.counts().islands) == store.best[1]
    store.close()


def forked(work):
    """Does the work in a child process, which never comes back into the test."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except StoreError as error:
        os._exit(7 if "\n" not in str(error) else 8)
    finally:
        os._exit(1)


def rescore_and_tell(path, tell, heard):
    with Rescoring(path, {"verifier": "new"}) as work:
        for due in work.due():
            work.put(due.program, judged_anew(due))
            os.write(tell, b".")
            os.read(heard, 1)
        os.write(tell, b"!")
        work.finish({"identity": {"verifier": "new"}, "baselines": None})


def test_rescoring_killed_anywhere_comes_to_the_same_end(run_db, tmp_path):
    shutil.copy(run_db, tmp_path / "whole.db")
    rescore(tmp_path / "whole.db")
    rng, kills = random.Random(3), 0
    before = fingerprint(run_db)
    while True:
        told, tell = os.pipe()
        heard, go = os.pipe()
        child = forked(lambda: rescore_and_tell(run_db, tell, heard))  # noqa: B023
        os.close(tell)
        os.close(heard)
        for _ in range(rng.randrange(40)):
            if os.read(told, 1) == b".":
                os.write(go, b"!")
        os.kill(child, signal.SIGKILL)  # one program further at most
        os.close(told)
        os.close(go)
        _, status = os.waitpid(child, 0)
        if status == 0:
            break
        kills += 1
        # wholly the old scores, or wholly the new
        if fingerprint(run_db) == fingerprint(tmp_path / "whole.db"):
            break
        assert fingerprint(run_db) == before
    assert kills >= 2
    assert fingerprint(run_db) == fingerprint(tmp_path / "whole.db")


def test_it_is_not_finished_before_all_are_judged(run_db):
    before = fingerprint(run_db)
    with pytest.raises(ValueError, match="before every program"):
        rescore(run_db, most=5)
    assert fingerprint(run_db) == before
    with Rescoring(run_db, {"verifier": "new"}) as work:
        assert work.done == 5
    with Rescoring(run_db, {"verifier": "newer"}) as work:
        assert work.done == 0


def test_a_run_in_use_is_not_rescored_or_collected(run_db):
    store = Store.open(run_db)
    with pytest.raises(StoreError, match="in use"):
        rescore(run_db)
    with pytest.raises(StoreError, match="in use"):
        collect(run_db)
    store.close()
    collect(run_db)


def test_rescoring_twice_keeps_all_that_was_said(run_db):
    rescore(run_db)
    with Reader(run_db) as reader:
        between = [v for n in range(1, 20) for v in reader.program(n).verdicts]
    assert rescore(run_db) == 2
    with Reader(run_db) as reader:
        past = [v for n in range(1, 20) for s, v in reader.past_verdicts(n) if s == 2]
    assert past == between


# Dropping texts


def test_what_is_dropped_is_only_what_nothing_needs(run_db, scripted):
    store = Store.open(run_db)
    number = store.open_call(Call(attempt=100, turn=0, model="m"))
    paid = Call(attempt=100, turn=0, model="m", state=CallState.ANSWERED, answer="paid")
    store.end_call(number, paid)
    pending, counts = store.pending(), store.counts()
    draws = [store.sample(n, random.Random(n), proposer="tree") for n in range(20)]
    store.close()
    with Reader(run_db) as reader:
        champion = reader.lineage(reader.find("champion"))
        texts = {n: reader.files(n) for n in range(1, counts.programs + 1)}
        programs = {n: reader.program(n) for n in texts}
        proposal = reader.proposals(attempt=100)[0]
    found = collect(run_db)
    assert found.dropped + found.kept == counts.programs
    assert found.after <= found.before
    sound(run_db)
    with Reader(run_db) as reader:
        needed = {program.id for program in champion}
        needed |= {n for s in [*pending, *draws] for n in (s.parent, *s.inspirations)}
        needed |= {n for n in (proposal.parent, proposal.program, proposal.duplicate_of) if n}
        needed |= set(proposal.inspirations)
        for n in needed:
            assert reader.files(n) == texts[n]
        kept = 0
        for n, program in programs.items():
            now = reader.program(n)
            assert (now.hash, now.fitness, now.parent) == (
                program.hash, program.fitness, program.parent
            )  # fmt: skip
            try:
                assert reader.files(n) == texts[n]
                assert now == program
                kept += 1
            except StoreError as error:
                assert "dropped by `evolve gc`" in str(error)  # noqa: PT017
                assert n not in needed
        assert kept == found.kept
        assert reader.calls(attempt=100)[0].answer == "paid"
    store = Store.open(run_db)
    assert store.counts() == counts
    assert draws == [store.sample(n, random.Random(n), proposer="tree") for n in range(20)]
    for n, program in programs.items():
        if program.verdicts:
            assert store.known(program.hash, program.syntax_hash) == n
    while scripted.step(store, 300):
        pass
    store.close()
    sound(run_db)


@pytest.mark.parametrize("paid", [False, True])
def test_what_notes_are_written_from_is_kept(paid, run_db, tmp_path):
    """It stands in the attempt's own note only, and is read again when a run is resumed."""
    shutil.copy(run_db, tmp_path / "copy.db")
    collect(tmp_path / "copy.db")
    with Reader(tmp_path / "copy.db") as reader:
        every = range(1, reader.counts().programs + 1)
        dropped = [n for n in every if not reader.has_text(n)]
        attempt = max(p.attempt for p in reader.proposals()) + 1
    shown = dropped[:: max(1, len(dropped) // 3)]
    assert shown
    store = Store.open(run_db)
    note = f'{{"arm":"m","programs":{shown},"notes":null,"count":9}}'
    store.begin(Sample(attempt=attempt, island=0, parent=None, proposer="notes", note=note))
    if paid:
        asked = Call(attempt=attempt, turn=0, model="m", state=CallState.ANSWERED, answer="notes")
        store.end_call(store.open_call(Call(attempt=attempt, turn=0, model="m")), asked)
        store.settle(attempt, Outcome(fate=Fate.NOTES, operator="notes"))
    texts = {n: store.files(n) for n in shown}
    store.close()
    collect(run_db)
    with Reader(run_db) as reader:
        assert {n: reader.files(n) for n in shown} == texts
        parents = {reader.came_from(n)[1] for n in shown} - {None}
        assert all(map(reader.has_text, parents))


def test_what_an_attempt_under_way_shows_of_its_parents_children_is_kept(run_db, tmp_path):
    shutil.copy(run_db, tmp_path / "copy.db")
    collect(tmp_path / "copy.db")
    with Reader(tmp_path / "copy.db") as reader:
        every = range(1, reader.counts().programs + 1)
        parents = {n: reader.came_from(n)[1] for n in every if not reader.has_text(n)}
        attempt = max(p.attempt for p in reader.proposals()) + 1
    child, parent = next((n, p) for n, p in parents.items() if p is not None)
    store = Store.open(run_db)
    store.begin(Sample(attempt=attempt, island=0, parent=parent, proposer="a model", note="not it"))
    store.close()
    collect(run_db)
    with Reader(run_db) as reader:
        assert reader.has_text(child)


def test_a_second_time_there_is_nothing_to_drop(run_db):
    collect(run_db)
    before = fingerprint(run_db)
    assert collect(run_db).dropped == 0
    assert fingerprint(run_db) == before


def test_programs_without_a_text_lose_their_score_when_scores_are_given_anew(run_db):
    found = collect(run_db)
    rescore(run_db)
    sound(run_db)
    with Reader(run_db) as reader:
        every = [reader.program(n) for n in range(1, reader.counts().programs + 1)]
        assert sum(bool(program.verdicts) for program in every) <= found.kept
        lost = [p for p in every if not p.verdicts and reader.past_verdicts(p.id)]
        assert all(program.fitness is None for program in lost)
        assert (len(lost) > 0) == (found.dropped > 0)


def test_gc_killed_anywhere_leaves_a_sound_run(run_db, tmp_path):
    with Reader(run_db) as reader:
        counts = reader.counts()
    for delay in range(12):
        path = Path(shutil.copy(run_db, tmp_path / f"{delay}.db"))
        child = forked(lambda: collect(path))  # noqa: B023
        for _ in range(delay * 20_000):
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        sound(path)
        with Reader(path) as reader:
            assert reader.counts() == counts


def test_a_full_disk_during_gc_loses_nothing(run_db, tmp_path):
    before = fingerprint(run_db)
    shutil.copy(run_db, tmp_path / "whole.db")
    collect(tmp_path / "whole.db")

    def collect_on_a_full_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        collect(run_db)

    child = forked(collect_on_a_full_disk)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    sound(run_db)
    # texts may be dropped already, and only the room be missing to write the file anew
    assert fingerprint(run_db) in (before, fingerprint(tmp_path / "whole.db"))
    collect(run_db)
    assert fingerprint(run_db) == fingerprint(tmp_path / "whole.db")
