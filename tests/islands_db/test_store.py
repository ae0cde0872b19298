"""What a store keeps of the attempts, and what it refuses."""

import json
import math
import random
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from islands_db import (
    Axis,
    Fate,
    Outcome,
    Placement,
    ProgramText,
    Reader,
    Sample,
    Settings,
    Status,
    Store,
    StoreError,
    collect,
    connections,
    state,
)
from islands_db.texts import LONGEST_CHAIN


def test_a_new_run_holds_its_settings_and_values_after_reopening(tmp_path):
    settings = Settings(islands=3, population=7)
    store = Store.create(
        tmp_path / "run.db", settings=settings, meta={"seed": 5, "tags": ["a", None]}
    )
    store.set_meta("state", {"done": True})
    store.close()
    store = Store.open(tmp_path / "run.db")
    assert store.settings == settings
    assert dict(store.meta) == {"seed": 5, "tags": ["a", None], "state": {"done": True}}
    store.close()


def test_closing_twice_closes_nobody_elses_file(run, tmp_path):
    run.store.close()
    with (tmp_path / "other").open("w") as other:
        run.store.close()
        other.write("still open")
    run.store = Store.open(run.path)


def test_the_values_cannot_be_changed_past_the_store(run):
    with pytest.raises(TypeError):
        run.store.meta["seed"] = 6


def test_an_attempt_under_way_is_still_under_way_after_reopening(run):
    run.add("a = 1", 1.0, seed=True)
    sample = Sample(
        attempt=1, island=1, parent=1, inspirations=(1,), proposer="llm", note="what to do"
    )
    run.store.begin(sample)
    run.store.hold(1, b"\x00\xff")
    run.reopen()
    assert run.store.pending() == [sample]
    assert run.store.held() == {1: b"\x00\xff"}


def test_settling_ends_the_attempt_and_drops_what_it_held(run):
    attempt = run.begin()
    run.store.hold(attempt, b"early")
    run.store.settle(attempt, Outcome(fate=Fate.NO_ANSWER, reason="no reply"))
    assert run.store.pending() == []
    assert run.store.held() == {}


def test_pending_attempts_come_in_order(run):
    for attempt in (5, 2, 9):
        run.store.begin(Sample(attempt=attempt, island=0, parent=None, proposer="tree"))
    assert [sample.attempt for sample in run.store.pending()] == [2, 5, 9]


def test_a_program_is_known_by_content_and_else_by_syntax_tree(run, make):
    outcome = Outcome(fate=Fate.SEED, program=make.program("a=1", syntax="tree"), fitness=1.0)
    number = run.settle(outcome).program
    same, reformatted, other = (
        make.program("a=1", syntax="x"),
        make.program("a = 1", syntax="tree"),
        make.program("b = 1"),
    )
    assert run.store.known(same.hash, same.syntax_hash) == number
    assert run.store.known(reformatted.hash, reformatted.syntax_hash) == number
    assert run.store.known(other.hash, other.syntax_hash) is None


def test_content_is_preferred_over_the_syntax_tree_of_an_older_program(run, make):
    run.settle(Outcome(fate=Fate.SEED, program=make.program("a=1", syntax="t"), fitness=1.0))
    second = run.settle(
        Outcome(fate=Fate.SEED, program=make.program("a = 1", syntax="t"), fitness=1.0)
    )
    again = make.program("a = 1", syntax="t")
    assert run.store.known(again.hash, again.syntax_hash) == second.program


def test_a_program_whose_evaluator_failed_is_kept_but_may_come_again(run, make):
    program = make.program("a = 1")
    failed = run.settle(Outcome(fate=Fate.EVALUATOR_ERROR, program=program))
    assert run.store.files(failed.program) == {"program.py": "a = 1"}
    assert run.store.known(program.hash, program.syntax_hash) is None
    assert run.add("a = 1", 2.0).best


def test_the_best_goes_by_rung_then_fitness_and_the_first_of_equals_stays(run):
    assert run.add("a", 5.0, rung=1).best
    assert run.add("b", -1.0, rung=2).best
    assert not run.add("c", 9.0, rung=1).best
    assert not run.add("d", -1.0, rung=2).best
    assert run.store.best == (2, -1.0)
    run.reopen()
    assert run.store.best == (2, -1.0)


def test_a_program_without_fitness_is_stored_but_enters_nothing(run):
    assert run.add("a", None) == Placement(program=1)
    assert run.store.best is None
    assert run.store.sample(1, random.Random(0), proposer="tree").parent is None


def test_counts_name_every_fate_and_proposer(run):
    run.add("a", 1.0, seed=True, proposer="seed")
    run.settle(Outcome(fate=Fate.NO_OP, cost_usd=0.25), proposer="llm")
    run.settle(Outcome(fate=Fate.NO_OP, cost_usd=0.5), proposer="llm")
    run.begin()
    counts = run.store.counts()
    assert (counts.attempts, counts.pending, counts.evaluated, counts.programs) == (3, 1, 1, 1)
    assert counts.fates == {Fate.SEED: 1, Fate.NO_OP: 2}
    assert counts.proposers["llm"][Fate.NO_OP].cost_usd == counts.cost_usd == 0.75
    assert [island.best for island in counts.islands] == [1, 1]
    run.reopen()
    assert run.store.counts() == counts


def test_the_total_cost_is_the_same_to_the_last_bit_after_reopening(run):
    for proposer, cost in (("c", 0.1), ("a", 0.2), ("b", 0.3)):
        run.settle(Outcome(fate=Fate.NO_ANSWER, cost_usd=cost), proposer=proposer)
    before = run.store.counts().cost_usd
    run.reopen()
    assert run.store.counts().cost_usd == before


def test_verdicts_come_back_as_they_were_given(run, make):
    given = make.verdict(
        status=Status.INVALID,
        reason="points [0, 1] clash \ud83d\ude00",
        values={"size": 1.5},
        exact={"size": "3/2"},
        features={"x": 0.1},
        fitness=-2.5,
        feedback="try\nagain",
        stderr="Traceback\x00",
        tier="A",
        seed=2**64 - 1,
        wall_s=0.5,
        cpu_s=0.25,
        memory_bytes=2**40,
    )
    number = run.add("a", 1.0, verdicts=(given,)).program
    with sqlite3.connect(f"file:{run.path}?mode=ro", uri=True) as connection:
        (stored,) = connection.execute("SELECT exact FROM verdicts").fetchone()
    connection.close()
    assert json.loads(stored) == {"size": "3/2"}
    with Reader(run.path) as reader:
        assert reader.verdicts(number) == [
            type(given)(**{**_fields(given), "reason": "points [0, 1] clash \\ud83d\\ude00"})
        ]


def _fields(record):
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def test_later_verdicts_follow_the_first_and_a_second_of_the_same_draw_is_refused(run, make):
    number = run.add("a", 1.0, verdicts=(make.verdict("b"), make.verdict("a"))).program
    run.store.add_verdicts(number, [make.verdict("check", "validation", seed=1)])
    with pytest.raises(ValueError, match="already"):
        run.store.add_verdicts(number, [make.verdict("check", "validation", seed=1)])
    run.store.add_verdicts(number, [make.verdict("check", "validation", seed=2)])
    with Reader(run.path) as reader:
        assert [(v.stage, v.seed) for v in reader.verdicts(number)] == [
            ("b", 0),
            ("a", 0),
            ("check", 1),
            ("check", 2),
        ]


@pytest.mark.parametrize(
    "act",
    [
        lambda run, make: run.store.settle(7, Outcome(fate=Fate.NO_ANSWER)),
        lambda run, make: run.store.begin(Sample(attempt=0, island=0, parent=None, proposer="t")),
        lambda run, make: run.store.begin(Sample(attempt=9, island=2, parent=None, proposer="t")),
        lambda run, make: run.store.begin(Sample(attempt=9, island=0, parent=3, proposer="t")),
        lambda run, make: run.store.hold(7, b""),
        lambda run, make: run.store.hold(1, b"second"),
        lambda run, make: run.store.settle(1, Outcome(fate=Fate.EVALUATED)),
        lambda run, make: run.store.settle(1, make.evaluated("seed", 2.0)),
        lambda run, make: run.store.settle(1, make.evaluated("x", float("nan"))),
        lambda run, make: run.store.settle(1, make.evaluated("x", 1.0, fate=Fate.NO_OP)),
        lambda run, make: run.store.settle(1, Outcome(fate=Fate.DUPLICATE, duplicate_of=4)),
        lambda run, make: run.store.settle(
            1, make.evaluated("x", 1.0, verdicts=(make.verdict(), make.verdict()))
        ),
        lambda run, make: run.store.settle(
            1, make.evaluated("x", 1.0, verdicts=(make.verdict(values={"a": float("inf")}),))
        ),
        lambda run, make: run.store.add_verdicts(2, [make.verdict()]),
        lambda run, make: run.store.set_meta("x", float("nan")),
        lambda run, make: run.store.event("x", {"value": [float("inf")]}),
        lambda run, make: run.store.files(2),
    ],
)
def test_a_callers_mistake_is_refused_and_changes_nothing(run, make, act):
    run.add("seed", 1.0, seed=True)
    run.store.hold(run.begin(), b"first")
    before = run.store.counts(), run.store.pending(), run.store.held()
    with pytest.raises(ValueError, match=r"\w"):
        act(run, make)
    assert (run.store.counts(), run.store.pending(), run.store.held()) == before
    assert run.store.settle(1, make.evaluated("y", 3.0)).best


@pytest.mark.parametrize(
    "settings",
    [
        Settings(islands=0),
        Settings(population=0),
        Settings(inspirations=-1),
        Settings(migration_every=-1),
        Settings(axes=(Axis(name="x", low=-1e308, high=1e308, cells=2),)),
        Settings(axes=(Axis(name="x", low=0, high=math.inf, cells=2),)),
        Settings(axes=(Axis(name="x", low=0, high=1, cells=2**58),)),
    ],
)
def test_settings_that_cannot_work_are_refused_before_a_file_exists(tmp_path, settings):
    with pytest.raises(ValueError, match="settings: "):
        Store.create(tmp_path / "run.db", settings=settings, meta={})
    assert not (tmp_path / "run.db").exists()


def test_what_is_inside_a_failed_transaction_is_not_stored_and_writing_ends(run, make):
    run.add("a", 1.0, seed=True)
    with pytest.raises(ValueError, match="not under way"), run.store.atomic():
        settle_and_fail(run, make.evaluated("b", 2.0))
    with pytest.raises(StoreError, match="open the database again"):
        run.store.event("x", {})
    run.reopen()
    assert run.store.best == (1, 1.0)
    assert run.store.counts().attempts == 1


def settle_and_fail(run, outcome):
    run.settle(outcome)
    run.store.settle(99, outcome)


def test_a_failure_inside_cannot_be_swallowed_by_the_transaction_around_it(run):
    with pytest.raises(StoreError, match="none is stored"), run.store.atomic():
        note_and_swallow(run)
    run.reopen()
    with Reader(run.path) as reader:
        assert reader.events() == []


def note_and_swallow(run):
    run.store.event("first", {})
    with suppress(KeyError), run.store.atomic():
        run.store.event("second", {})
        raise KeyError


def test_a_durable_transaction_needs_a_durable_one_around_it(run):
    with (
        pytest.raises(ValueError, match="durable"),
        run.store.atomic(),
        run.store.atomic(durable=True),
    ):
        pass
    run.reopen()
    with run.store.atomic(durable=True), run.store.atomic(durable=True), run.store.atomic():
        run.store.event("paid", {})


def test_a_row_that_others_refer_to_cannot_be_deleted(run):
    run.add("a", 1.0)
    with pytest.raises(sqlite3.IntegrityError):
        run.store._connection.execute("DELETE FROM programs")


def test_only_a_durable_transaction_waits_for_the_disk(run):
    def synchronous():
        return run.store._connection.execute("PRAGMA synchronous").fetchone()[0]

    normal, full = 1, 2
    with run.store.atomic():
        assert synchronous() == normal
    with run.store.atomic(durable=True):
        assert synchronous() == full
    assert synchronous() == normal


def test_the_disk_filling_up_is_one_line_and_costs_only_the_open_transaction(run, make):
    run.add("a", 1.0, seed=True)
    pages = run.store._connection.execute("PRAGMA page_count").fetchone()[0]
    run.store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="free some disk space") as caught:
        run.add("b" * 10, 2.0, diff=str(random.Random(1).randbytes(99_999)))
    assert "\n" not in str(caught.value)
    run.reopen()
    assert run.store.best == (1, 1.0)


def test_a_checkpoint_from_another_thread_lets_the_log_start_over(run):
    run.add("a", 1.0, seed=True)
    log = run.path.with_name(run.path.name + "-wal")
    sizes = []
    for number in range(20):
        for part in range(10):
            run.settle(Outcome(fate=Fate.NO_ANSWER, reason=f"{number} {part}"))
        done = []
        thread = threading.Thread(target=lambda done=done: done.append(run.store.checkpoint()))
        thread.start()
        thread.join()
        assert done == [True]
        sizes.append(log.stat().st_size)
        # the first write after that cuts the log, so that none goes over old frames
        run.settle(Outcome(fate=Fate.NO_ANSWER))
        assert log.stat().st_size < sizes[-1] / 2
    assert max(sizes) < 2 * min(sizes)


def test_the_log_starts_over_even_while_writes_never_pause(run, monkeypatch):
    monkeypatch.setattr(connections, "LOG_PAGES", 100)
    log = run.path.with_name(run.path.name + "-wal")
    enough = threading.Event()

    def checkpoints():
        while not enough.is_set():
            run.store.checkpoint()

    thread = threading.Thread(target=checkpoints)
    thread.start()
    sizes = [0]
    for _ in range(5000):
        run.settle(Outcome(fate=Fate.NO_ANSWER, reason="x" * 3000))
        sizes.append(log.stat().st_size)
        if sizes[-1] < sizes[-2]:
            break
    enough.set()
    thread.join()
    assert sizes[-1] < sizes[-2]


def test_the_last_round_of_a_checkpoint_waits_for_the_writer(run, monkeypatch):
    monkeypatch.setattr(connections, "CHECKPOINT_ROUNDS", 0)
    monkeypatch.setattr(connections, "LOG_PAGES", -2)
    run.add("a", 1.0, seed=True)
    done = []
    thread = threading.Thread(target=lambda: done.append(run.store.checkpoint()))
    with run.store.atomic():
        thread.start()
        thread.join(timeout=0.1)
        assert thread.is_alive()
        run.add("b", 2.0)
    thread.join()
    assert done == [True]


def test_a_log_begun_anew_is_the_one_that_the_next_commit_goes_into(run):
    """Its header holds the salt of all frames; whoever begins a log waits for the disk."""

    def header():
        return Path(f"{run.path}-wal").read_bytes()[:32]

    assert not run.store.begin_log_anew()  # nothing has been written
    run.add("a", 1.0)
    assert run.store.checkpoint()
    before = header()
    log = run.path.with_name(run.path.name + "-wal")
    size = log.stat().st_size
    assert run.store.begin_log_anew()
    assert log.stat().st_size < size
    anew = header()
    run.add("b", 2.0)
    assert (anew != before, header() == anew) == (True, True)
    shutil.copy(run.path, run.path.with_name("copy.db"))
    shutil.copy(f"{run.path}-wal", run.path.with_name("copy.db-wal"))
    with Reader(run.path.with_name("copy.db")) as reader:
        assert reader.counts() == run.store.counts()


def test_a_log_begun_anew_beside_reads_and_writes_loses_nothing(run):
    enough, begun = threading.Event(), []

    def begin_anew():
        while not enough.is_set():
            begun.append(run.store.begin_log_anew())

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(begin_anew)
        for number in range(150):
            made = run.add(f"text {number}", float(number)).program
            assert run.store.rank(made) == (1, float(number))
            assert run.store.files(made)
        enough.set()
        done.result()
    assert any(begun)
    run.reopen()
    assert run.store.counts().programs == 150
    with Reader(run.path) as reader:
        assert [reader.program(n + 1).fitness for n in range(150)] == list(range(150))


def test_the_log_of_a_store_that_was_closed_meanwhile_is_left_alone(run):
    run.add("a", 1.0)
    with Reader(run.path) as reader:  # keeps the log from being folded in
        run.store.close()
        assert not run.store.begin_log_anew()
        assert reader.counts().programs == 1


def test_a_log_that_somebody_reads_is_not_begun_anew(run):
    run.add("a", 1.0)
    with Reader(run.path) as reader, reader.snapshot():
        assert reader.counts().programs == 1
        run.add("b", 2.0)
        assert not run.store.begin_log_anew()
        run.add("c", 3.0)
        assert reader.counts().programs == 1
    assert run.store.begin_log_anew()
    run.reopen()
    assert run.store.counts().programs == 3


def test_files_keep_every_character_and_several_paths(run):
    files = {"a/main.py": "x = 'é\x00\U0001f600'\r\n\t", "b.py": ""}
    program = ProgramText(hash="h", syntax_hash="s", files=files, length=3)
    number = run.settle(Outcome(fate=Fate.SEED, program=program, fitness=0.0)).program
    run.reopen()
    assert run.store.files(number) == files


def test_changing_the_returned_files_does_not_change_the_program(run):
    number = run.add("a", 1.0).program
    run.store.files(number)["program.py"] = "other"
    assert run.store.files(number) == {"program.py": "a"}


def test_a_long_line_of_children_is_stored_as_changes_and_read_back_exactly(run):
    rng = random.Random(4)
    lines = [f"value_{n} = {rng.randrange(10**9)}" for n in range(300)]
    texts, parent = [], None
    for _ in range(60):
        lines[rng.randrange(len(lines))] = f"changed = {rng.randrange(10**9)}"
        texts.append("\n".join(lines))
        parent = run.add(texts[-1], 1.0, parent=parent).program
    run.reopen()
    assert [run.store.files(n + 1)["program.py"] for n in range(60)] == texts
    bytes_stored = run.store._connection.execute(
        "SELECT sum(length(body)) FROM sources"
    ).fetchone()[0]
    assert bytes_stored < 0.05 * sum(map(len, texts))


def test_no_text_needs_more_than_a_few_others_to_be_read(run):
    parent, lines = None, [f"value_{n} = {n * n}" for n in range(100)]
    for n in range(3 * LONGEST_CHAIN):
        lines[n] = f"changed_{n} = {n}"
        parent = run.add("\n".join(lines), 1.0, parent=parent).program
    bases = dict(run.store._connection.execute("SELECT id, base FROM sources"))
    steps = {None: -1}
    for source, base in sorted(bases.items()):
        steps[source] = steps[base] + 1
    assert max(steps.values()) == LONGEST_CHAIN
    assert list(bases.values()).count(None) == 3


def test_a_text_stays_whole_when_programs_it_is_packed_against_go(run):
    texts = ["\n".join(f"line {n}, {n == changed}" for n in range(50)) for changed in range(3)]
    parent = run.add(texts[0], 1.0, seed=True).program
    for text in texts[1:]:
        parent = run.add(text, None, parent=parent).program
    files = {"program.py": texts[2], "other.py": "kept as it was handed in"}
    handed_in = ProgramText(hash="h", syntax_hash="h", files=files, length=1)
    number = run.settle(Outcome(fate=Fate.EVALUATED, program=handed_in)).program
    run.store.close()
    assert collect(run.path).dropped == 2
    run.store = Store.open(run.path)
    assert run.store.files(number) == files


def test_a_text_that_is_packed_against_itself_is_damage(run):
    run.add("a" * 500, 1.0)
    run.store._connection.execute("UPDATE sources SET base = id")
    run.reopen()
    with pytest.raises(StoreError, match=r"damaged.*later"):
        run.store.files(1)


def test_a_text_whose_base_is_gone_is_damage(run):
    run.add("a\n" * 500, 1.0)
    run.add("a\n" * 499 + "b\n", 1.0, parent=1)
    run.store._connection.execute("PRAGMA foreign_keys = OFF")
    run.store._connection.execute("DELETE FROM sources WHERE base IS NULL")
    with Reader(run.path, check=False) as reader, pytest.raises(StoreError, match="missing"):
        reader.files(2)


def test_a_text_that_comes_again_in_another_program_is_stored_once(run):
    for name in "ab":
        files = {"shared.py": "same = 1", "own.py": name}
        program = ProgramText(hash=name, syntax_hash=name, files=files, length=1)
        run.settle(Outcome(fate=Fate.SEED, program=program, fitness=0.0))
    assert run.store._connection.execute("SELECT count(*) FROM sources").fetchone() == (3,)


def test_opening_counts_what_was_tried_without_reading_the_attempts(run):
    asked = []
    run.store._connection.set_trace_callback(asked.append)
    state.load(run.store._connection)
    run.store._connection.set_trace_callback(None)
    (tries,) = (statement for statement in asked if "FROM attempts a JOIN islands" in statement)
    plan = run.store._connection.execute(f"EXPLAIN QUERY PLAN {tries}").fetchall()
    assert any("a USING COVERING INDEX attempts_by_parent" in step for *_, step in plan)


def test_looking_up_a_program_does_not_read_the_others(run, make):
    for number in range(2000):
        run.add(f"p{number}", 1.0)
    steps = 0

    def count():
        nonlocal steps
        steps += 1
        return 0

    stored = make.program("p1500")
    run.store._connection.set_progress_handler(count, 100)
    assert run.store.known(stored.hash, "other") == 1501
    assert run.store.known("other", stored.syntax_hash) == 1501
    run.store._connection.set_progress_handler(None, 0)
    assert steps < 10


def test_verdicts_of_validation_are_read_without_those_of_training(run, make):
    for number in range(2000):
        run.add(f"p{number}", 1.0)
        run.store.add_verdicts(number + 1, [make.verdict()])
    run.store.add_verdicts(1234, [make.verdict("fresh", "validation", fitness=2.0)])
    steps = 0

    def count():
        nonlocal steps
        steps += 1
        return 0

    with Reader(run.path, check=False) as reader:
        reader._database.conn.set_progress_handler(count, 100)
        found = reader.verdicts_of("validation")
    assert list(found) == [1234]
    assert steps < 10
