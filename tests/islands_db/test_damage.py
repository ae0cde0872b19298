"""Flipped bits, full disks, jumping clocks: what is read is right, or one line says what is not."""

import itertools
import os
import random
import resource
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest
from msgspec import structs

from islands_db import (
    Axis,
    Call,
    CallState,
    Fate,
    Inspire,
    Outcome,
    ProgramText,
    Reader,
    Sample,
    Settings,
    Status,
    Store,
    StoreError,
    Verdict,
    audit,
    connections,
    fingerprint,
    salvage,
)

FLIPS = 200


@pytest.fixture(scope="module")
def whole(tmp_path_factory, scripted):
    """A small run without room between its rows, so that a flip seldom hits nothing."""
    path = tmp_path_factory.mktemp("whole") / "run.db"
    scripted.play(path, 60, until=50, kind="changing").close()
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")
    connection.close()
    return path


def all_of(path):
    """Everything that a reader says of a run."""
    with Reader(path) as reader:
        numbers = range(1, reader.counts().programs + 1)
        return (
            dict(reader.meta),
            reader.settings,
            reader.counts(),
            reader.events(),
            reader.calls(),
            reader.proposals(),
            reader.generations(),
            [reader.program(number) for number in numbers],
            [reader.files(number) for number in numbers],
        )


def sound(path):
    with connections.alone(path) as connection:
        assert list(audit.faults_of(connection)) == []


def test_a_flipped_bit_is_harmless_or_named(whole, tmp_path):
    expected, content = all_of(whole), whole.read_bytes()
    rng, named, promised, saved = random.Random(11), 0, 0, 0
    for number in range(FLIPS):
        path = tmp_path / f"{number}.db"
        place = rng.randrange(len(content))
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            assert all_of(path) == expected, f"bit flipped in byte {place}"
            if number % 8 == 0:
                Store.open(path).close()
        except StoreError as error:
            named += 1
            assert str(path) in str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            promised += " attempts and " in str(error)
            if promised % 8 == 1 and " attempts and " in str(error):
                found = salvage(path, tmp_path / f"saved{number}.db")
                assert str(found) in str(error)  # noqa: PT017
                assert found.attempts >= 40
                sound(tmp_path / f"saved{number}.db")
                saved += 1
    assert named > FLIPS // 10
    assert saved >= 2


def test_an_attempt_under_way_is_sealed_once_a_call_of_it_has_ended(tmp_path):
    path = tmp_path / "run.db"
    store = Store.create(path, settings=Settings(islands=1), meta={})
    store.begin(Sample(attempt=0, island=0, parent=None, proposer="m"))
    call = Call(attempt=0, turn=0, model="m")
    number = store.open_call(call)
    assert damaged(path) == []
    store.end_call(number, structs.replace(call, state=CallState.ANSWERED, answer="said"))
    store.open_call(Call(attempt=0, turn=1, model="m"))
    assert damaged(path) == []
    store.close()
    for change in ("UPDATE calls SET latency_s = 7 WHERE turn = 0", "DELETE FROM calls"):
        copy = tmp_path / "copy.db"
        copy.write_bytes(path.read_bytes())
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.execute(change)
        assert damaged(copy) == ["attempts 0 has changed"]


def damaged(path):
    with closing(sqlite3.connect(path)) as connection:
        return connections.damage(connection)


def told(path, **meta):
    """A run that says of itself what is given."""
    settings = Settings(
        islands=2,
        axes=(Axis(name="x", low=0, high=3, cells=3),),
        population=7,
        policies=("funsearch", "mix"),
        inspire=(Inspire.TOP, Inspire.MIXED),
    )
    store = Store.create(path, settings=settings, meta={**NEEDED, **meta})
    store.begin(Sample(attempt=0, island=0, parent=None, proposer="seed"))
    text = "values = [\n    1,\n]\n"
    program = ProgramText(hash="a" * 64, syntax_hash="b" * 64, files={"a.py": text}, length=30)
    store.settle(
        0,
        Outcome(
            fate=Fate.SEED,
            program=program,
            rung=1,
            fitness=1.0,
            features={"x": 1.0},
            verdicts=(Verdict(stage="s", split="training", status=Status.OK, fitness=1.0),),
        ),
    )
    store.close()
    return settings


NEEDED = {
    "problem": "toy", "folder": "/toy", "parameters": {}, "objectives": ["min x"], "identity": {},
    "seed": 5,
    "config": {
        "islands": {
            "count": 3, "population": 7, "policy": ["funsearch", "mix"], "most": 9,
            "inspire": ["top", "mixed"],
        },
    },
}  # fmt: skip


@pytest.mark.parametrize(("table", "name"), [("settings", "id"), ("meta", "key")])
def test_one_changed_byte_in_a_runs_own_values_is_undone(table, name, tmp_path):
    rng = random.Random(3)
    for number in range(30):
        path, saved = tmp_path / f"{number}.db", tmp_path / f"saved{number}.db"
        settings = told(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            rows = connection.execute(f"SELECT {name}, value FROM {table}").fetchall()  # noqa: S608
            key, value = rng.choice(rows)
            place = rng.randrange(len(value))
            changed = bytearray(value.encode())
            changed[place] ^= 1 << rng.randrange(8)
            connection.execute(
                f"UPDATE {table} SET value = CAST(? AS TEXT) WHERE {name} = ?",  # noqa: S608
                (bytes(changed), key),
            )
        with pytest.raises(StoreError, match="1 of 1 attempts and 1 programs\\)"):
            Store.open(path)
        found = salvage(path, saved)
        assert (found.settings, found.lost) == (True, ())
        with Reader(saved) as reader:
            assert reader.meta == NEEDED
            assert reader.settings == settings
            assert reader.program(1).fitness == 1.0


def test_lost_settings_are_made_anew_from_the_configuration(tmp_path):
    settings = told(tmp_path / "run.db")
    with closing(sqlite3.connect(tmp_path / "run.db", isolation_level=None)) as connection:
        connection.execute("UPDATE settings SET value = '?'")
    found = salvage(tmp_path / "run.db", tmp_path / "saved.db")
    assert "settings are lost" in str(found)
    store = Store.open(tmp_path / "saved.db")
    assert store.settings == replace(
        settings,
        axes=(),
        islands=3,
        most_islands=9,
        policies=("funsearch", "mix", "funsearch"),
        inspire=(Inspire.TOP, Inspire.MIXED, Inspire.TOP),
    )
    assert store.best == (1, 1.0)
    assert all(island.elites == 1 for island in store.counts().islands)
    store.close()
    sound(tmp_path / "saved.db")


@pytest.mark.parametrize("config", [None, {"islands": {"count": 2, "policy": "?"}}, [3]])
def test_without_a_configuration_too_programs_are_saved(config, tmp_path):
    told(tmp_path / "run.db", config=config)
    with closing(sqlite3.connect(tmp_path / "run.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM settings")
        connection.execute("UPDATE meta SET value = 'lost' WHERE key = 'seed'")
        # what is left is judged by its checksum all the same
        connection.execute("UPDATE meta SET value = '\"other\"' WHERE key = 'problem'")
    found = salvage(tmp_path / "run.db", tmp_path / "saved.db")
    assert (found.settings, found.lost) == (False, ("problem", "seed"))
    assert "without problem, seed" in str(found)
    with Reader(tmp_path / "saved.db") as reader:
        assert reader.files(1)
        assert len(reader.counts().islands) == 2


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_what_can_be_read_of_a_file_cut_short_is_saved(share, whole, tmp_path):
    path = tmp_path / "cut.db"
    content = whole.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert "\n" not in str(caught.value)
    try:
        salvage(path, tmp_path / "saved.db")
    except StoreError as error:
        assert "can be saved" in str(error) or "malformed" in str(error)  # noqa: PT017
        assert not (tmp_path / "saved.db").exists()
    else:
        sound(tmp_path / "saved.db")


def test_pages_overwritten_are_read_around(whole, tmp_path, scripted):
    content = whole.read_bytes()
    saved = []
    for page in range(1, len(content) // 4096, 7):
        path = tmp_path / f"{page}.db"
        noise = random.Random(page).randbytes(4096)
        path.write_bytes(content[: page * 4096] + noise + content[(page + 1) * 4096 :])
        try:
            saved.append(salvage(path, tmp_path / f"saved{page}.db"))
        except StoreError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        sound(tmp_path / f"saved{page}.db")
    assert max(found.attempts for found in saved) == 50
    assert sum(found.attempts > 20 for found in saved) > len(saved) / 2
    last = max(tmp_path.glob("saved*.db"))
    store = Store.open(last)
    while scripted.step(store, 120):
        pass
    store.close()


def broken(path, attempt):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE attempts SET created = created + 1 WHERE attempt = ?", (attempt,)
        )


@pytest.fixture
def copied(whole, tmp_path):
    with closing(sqlite3.connect(whole)) as one, closing(sqlite3.connect(tmp_path / "a.db")) as two:
        one.backup(two)
    return tmp_path / "a.db"


def test_what_happened_to_a_lost_program_happened_to_no_other(copied, tmp_path):
    with Reader(copied) as reader:
        born = [reader.program(n) for n in range(3, reader.counts().programs + 1)]
        parents = {program.parent for program in born}
        leaf = next(p for p in born if p.id not in parents and p.id < born[-1].id)
        kept = next(p for p in born if p.id > leaf.id)
    store = Store.open(copied)
    assert store.ban(leaf.id) == 1
    for program in (leaf, kept):
        store.event("best", {"program": program.id, "attempt": program.attempt})
        store.event("test", {"program": program.id, "seed": 1, "seed_program": 1})
    store.event("deterministic_mode_ended", {"attempt": leaf.attempt, "stage": "x"})
    store.close()
    with Reader(copied) as reader:
        expected = {
            kind: [reader.program(event.data["program"]).hash for event in reader.events(kind)]
            for kind in ("best", "test")
        }
    broken(copied, leaf.attempt)
    salvage(copied, tmp_path / "saved.db")
    with Reader(tmp_path / "saved.db") as reader:
        assert reader.events("ban") == []
        assert not reader.banned()
        for kind in ("best", "test"):
            told = [reader.program(event.data["program"]).hash for event in reader.events(kind)]
            assert told == [hash for hash in expected[kind] if hash != leaf.hash]
            assert told[-1] == kept.hash
        (ended,) = reader.events("deterministic_mode_ended")
        assert ended.data == {"stage": "x"}
    sound(tmp_path / "saved.db")


def test_what_came_of_a_lost_program_that_was_banned_stays_banned(copied, tmp_path):
    with Reader(copied) as reader:
        numbers = range(3, reader.counts().programs + 1)
        most = max(numbers, key=lambda n: len(reader.children(n)))
        attempt = reader.program(most).attempt
    store = Store.open(copied)
    assert store.ban(most) > 2
    store.close()
    with Reader(copied) as reader:
        hashes = {reader.program(n).hash for n in reader.banned() if n != most}
    broken(copied, attempt)
    salvage(copied, tmp_path / "saved.db")
    with Reader(tmp_path / "saved.db") as reader:
        assert {reader.program(n).hash for n in reader.banned()} == hashes
    sound(tmp_path / "saved.db")


@pytest.mark.parametrize("mark", ["unsafe", "mixed_draws"])
def test_a_mark_that_cannot_be_read_counts_as_set(mark, copied, tmp_path):
    for number, value in enumerate((True, False)):
        store = Store.open(copied)
        store.set_meta(mark, value)
        store.close()
        with closing(sqlite3.connect(copied, isolation_level=None)) as connection:
            connection.execute("UPDATE meta SET value = 'tqqe' WHERE key = ?", (mark,))
        saved = tmp_path / f"saved{number}.db"
        found = salvage(copied, saved)
        assert found.taken == (mark,)
        assert f"{mark} cannot be read and counts as set" in str(found)
        with Reader(saved) as reader:
            assert reader.meta[mark] is True
        with closing(sqlite3.connect(copied, isolation_level=None)) as connection:
            connection.execute("DELETE FROM meta WHERE key = ?", (mark,))


def test_without_the_mark_verdicts_tell_of_a_run_without_a_sandbox(tmp_path):
    path = tmp_path / "run.db"
    store = Store.create(path, settings=Settings(islands=1), meta={"unsafe": True})
    store.begin(Sample(attempt=0, island=0, parent=None, proposer="seed"))
    verdict = Verdict(stage="s", split="training", status=Status.OK, fitness=1.0, tier="none")
    program = ProgramText(hash="a", syntax_hash="a", files={"program.py": "1"}, length=1)
    store.settle(
        0,
        Outcome(fate=Fate.SEED, program=program, verdicts=(verdict,), rung=1, fitness=1.0),
    )
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM meta")
    assert salvage(path, tmp_path / "saved.db").taken == ("unsafe",)


def test_a_sound_run_is_salvaged_whole(whole, tmp_path):
    found = salvage(whole, tmp_path / "saved.db")
    with Reader(whole) as one, Reader(tmp_path / "saved.db") as other:
        counts = one.counts()
        assert (found.attempts, found.programs) == (counts.attempts, counts.programs)
        assert found.taken == ()
        for number in range(1, counts.programs + 1):
            assert other.program(number).hash == one.program(number).hash


def test_a_disk_that_is_full_in_the_middle_of_a_commit(tmp_path, scripted):
    """However much room is left: what was committed before is there, and the run goes on."""
    for room in range(40_000, 400_000, 45_000):
        path = tmp_path / f"{room}.db"
        scripted.play(path, 60, until=5).close()
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                store = Store.open(path)
                log = path.with_name(path.name + "-wal")
                size = path.stat().st_size + (log.stat().st_size if log.exists() else 0)
                limit = min(size, 4096 * 10) + room
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                while scripted.step(store, 60):
                    os.write(tell, b".")
                os._exit(0)
            except StoreError as error:
                one_line = "\n" not in str(error) and str(path) in str(error)
                os._exit(7 if one_line else 8)
            finally:
                os._exit(1)
        os.close(tell)
        _, status = os.waitpid(child, 0)
        steps = len(os.read(told, 1000))
        os.close(told)
        assert os.waitstatus_to_exitcode(status) in (0, 7)
        with Reader(path) as reader:
            assert reader.counts().attempts == 5 + steps
        scripted.play(path, 60).close()
        sound(path)
        with Reader(path) as reader:
            assert reader.counts().attempts == 60


def test_what_is_written_after_a_full_disk_says_the_same(tmp_path, scripted):
    """The one who is heard may be another than the one who met it."""
    store = scripted.play(tmp_path / "run.db", 60, until=5)
    store._connection.execute("PRAGMA max_page_count = 1")  # no page more than there are
    with pytest.raises(StoreError, match="disk is full; free some disk space") as first:
        store.set_meta("large", "x" * 10**6)
    for _ in range(2):
        with pytest.raises(StoreError) as again:
            store.event("ended", {})
        assert str(again.value) == str(first.value)
    store.close()
    scripted.play(tmp_path / "run.db", 60).close()


def test_a_clock_that_jumps_back_changes_no_decision(tmp_path, scripted, monkeypatch):
    scripted.play(tmp_path / "steady.db", 80, kind="changing").close()
    jumps = itertools.cycle([2e9, 1e9, 0.0, -5.0, 1.7e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    scripted.play(tmp_path / "jumping.db", 80, until=40, kind="changing").close()
    scripted.play(tmp_path / "jumping.db", 80, kind="changing").close()
    assert fingerprint(tmp_path / "jumping.db") == fingerprint(tmp_path / "steady.db")
    with Reader(tmp_path / "jumping.db") as reader:
        history = reader.history()
        assert len(history.attempt) == 80
        assert reader.proposals()[-1].created
        assert [event.id for event in reader.events()] == sorted(e.id for e in reader.events())
