"""The writer's statements: each puts one record into its tables, inside the open transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from islands_db import rows
from islands_db.island import Changes, Slot, Standing
from islands_db.pool import NO_CELL
from islands_db.records import (
    Fate,
    Outcome,
    ProgramText,
    Sample,
    Settings,
    Tally,
    Verdict,
)


def put_settings(connection: sqlite3.Connection, settings: Settings) -> None:
    connection.execute(
        "INSERT INTO settings (id, value) VALUES (1, ?)", (rows.settings_text(settings),)
    )


def put_meta(connection: sqlite3.Connection, key: str, stored: str) -> None:
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, stored),
    )


def begin_attempt(connection: sqlite3.Connection, sample: Sample) -> None:
    connection.execute(
        f"INSERT INTO attempts ({rows.SAMPLE}, created)"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*rows.sample_row(sample), time.time()),
    )


def hold(connection: sqlite3.Connection, attempt: int, payload: bytes) -> None:
    connection.execute("INSERT INTO held (attempt, payload) VALUES (?, ?)", (attempt, payload))


def drop_held(connection: sqlite3.Connection, attempt: int) -> None:
    connection.execute("DELETE FROM held WHERE attempt = ?", (attempt,))


def settle_attempt(
    connection: sqlite3.Connection, attempt: int, outcome: Outcome, program: int | None
) -> None:
    connection.execute(
        "UPDATE attempts SET fate = ?, reason = ?, operator = ?, diff = ?, program = ?,"
        " duplicate_of = ?, propose_s = ?, cost_usd = ?, settled = ? WHERE attempt = ?",
        (
            outcome.fate.value,
            rows.text(outcome.reason),
            rows.text(outcome.operator),
            rows.text(outcome.diff),
            program,
            outcome.duplicate_of,
            outcome.propose_s,
            outcome.cost_usd,
            time.time(),
            attempt,
        ),
    )


def add_program(
    connection: sqlite3.Connection,
    number: int,
    sample: Sample,
    program: ProgramText,
    *,
    cell: int | None,
    rung: int | None,
    fitness: float | None,
    signature: int | None,
    behaviour: int | None,
    objectives: str | None,
    features: str | None,
) -> None:
    """Stores a program one generation after its attempt's parent; its texts and verdicts apart."""
    connection.execute(
        "INSERT INTO programs (id, attempt, generation, hash, syntax_hash, length, cell, rung,"
        " fitness, signature, behaviour, objectives, features)"
        " VALUES (?, ?, ifnull((SELECT generation + 1 FROM programs WHERE id = ?), 0),"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            sample.attempt,
            sample.parent,
            program.hash,
            program.syntax_hash,
            program.length,
            cell,
            rung,
            fitness,
            signature,
            behaviour,
            objectives,
            features,
        ),
    )


def put_cases(connection: sqlite3.Connection, program: int, cases: bytes) -> None:
    """Stores what a program scored by case."""
    connection.execute("INSERT INTO cases (program, scores) VALUES (?, ?)", (program, cases))


def add_twin(
    connection: sqlite3.Connection, attempt: int, program: ProgramText, twin_of: int
) -> None:
    """Stores by what a twin would be recognised; nothing where that is there already."""
    connection.execute(
        "INSERT INTO twins (hash, syntax_hash, attempt, program) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (hash) DO NOTHING",
        (program.hash, program.syntax_hash, attempt, twin_of),
    )


def add_verdicts(
    connection: sqlite3.Connection, program: int, verdicts: Iterable[Verdict], *, position: int
) -> None:
    """Stores verdicts of a program that has `position` of them already."""
    connection.executemany(
        f"INSERT INTO verdicts (program, position, {rows.VERDICT})"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            rows.verdict_row(program, number, verdict)
            for number, verdict in enumerate(verdicts, start=position)
        ],
    )


def put_tally(connection: sqlite3.Connection, proposer: str, fate: Fate, tally: Tally) -> None:
    connection.execute(
        "INSERT INTO tallies (proposer, fate, attempts, programs, cost_usd)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (proposer, fate)"
        " DO UPDATE SET attempts = excluded.attempts, programs = excluded.programs,"
        " cost_usd = excluded.cost_usd",
        (proposer, fate.value, tally.attempts, tally.programs, tally.cost_usd),
    )


def put_changes(connection: sqlite3.Connection, changes: Changes, *, settled: int) -> None:
    """Writes what has changed on the islands."""
    for table, islands in (
        ("members", changes.emptied_populations),
        ("elites", changes.emptied_archives),
    ):
        for island in islands:
            connection.execute(f"DELETE FROM {table} WHERE island = ?", (island,))  # noqa: S608
    if changes.members:
        put_slots(connection, "members", changes.members)
    if changes.elites:
        put_slots(connection, "elites", changes.elites)
    for program, cell in changes.cells.items():
        place = None if cell == NO_CELL else cell
        connection.execute("UPDATE programs SET cell = ? WHERE id = ?", (place, program))
    for standing in changes.standings.values():
        put_standing(connection, standing)
    for epoch in changes.epochs:
        connection.execute(
            "INSERT INTO epochs (settled, kind, island, program) VALUES (?, ?, ?, ?)",
            (settled, epoch.kind, epoch.island, epoch.program),
        )


def put_standing(connection: sqlite3.Connection, standing: Standing) -> None:
    rung, fitness = (None, None) if standing.peak is None else standing.peak
    connection.execute(
        "INSERT OR REPLACE INTO islands (island, born, since, improved, peak_rung, peak_fitness)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (standing.island, standing.born, standing.since, standing.improved, rung, fitness),
    )


def put_map(connection: sqlite3.Connection, stored: str, *, settled: int) -> None:
    connection.execute("INSERT INTO maps (settled, value) VALUES (?, ?)", (settled, stored))


def put_slots(connection: sqlite3.Connection, table: str, slots: Iterable[Slot]) -> None:
    """Writes slots of the islands' populations ("members") or archives ("elites")."""
    connection.executemany(
        f"INSERT INTO {table} (island, slot, program, joined) VALUES (?, ?, ?, ?)"  # noqa: S608
        " ON CONFLICT (island, slot)"
        " DO UPDATE SET program = excluded.program, joined = excluded.joined",
        [(slot.island, slot.number, slot.program, slot.joined) for slot in slots],
    )


def add_event(connection: sqlite3.Connection, kind: str, stored: str) -> None:
    connection.execute(
        "INSERT INTO events (kind, data, created) VALUES (?, ?, ?)",
        (kind, stored, time.time()),
    )
