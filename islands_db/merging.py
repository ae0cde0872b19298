"""Several runs as one new run: all their attempts, one after another, and each program once.

Numbers change: attempts, programs and islands of the second run follow those of the first. A
program that an earlier run has too is not stored twice; the attempt that made it becomes a
duplicate, and verdicts of splits that the one that stays lacked go to it: in training and in
validation a program keeps the draws of one run. Attempts under way are left behind with their
calls, and so is what happened to the islands: they are filled anew.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from islands_db import calls, connections, lookups, migrations, refill, rows, seals, writing
from islands_db.faults import decoding, faults
from islands_db.island import Standing
from islands_db.maps import start
from islands_db.records import JSON, Cells, Fate, Graph, Settings, StoreError
from islands_db.settings import check
from islands_db.texts import Texts

T = TypeVar("T")

_VERDICTS = f"SELECT program, {rows.VERDICT} FROM verdicts ORDER BY program, position"  # noqa: S608
_SPLIT = rows.VERDICT.split(", ").index("split")
_ATTEMPTS = (
    "attempt, island, parent, inspirations, proposer, note, fate, reason, operator, diff, program,"
    " duplicate_of, cost_usd, propose_s, created, settled"
)
_PROGRAMS = (
    "id, attempt, hash, syntax_hash, length, cell, rung, fitness, signature, behaviour,"
    " objectives, features"
)
_NEWEST_NOTES = "notes"
_OF_ATTEMPTS = ("barren", _NEWEST_NOTES)
"""Meta keys whose value is the number of an attempt."""
_PROGRAM_KEYS = ("program", "seed_program")
_ABOUT_PROGRAMS = ("ban", "best", "test")
"""Kinds of events that say nothing without the program they name."""
_TALLIES = (
    "INSERT INTO tallies (proposer, fate, attempts, programs, cost_usd)"
    " SELECT proposer, fate, count(*), count(program), total(cost_usd)"
    " FROM attempts WHERE fate IS NOT NULL GROUP BY proposer, fate"
)


@dataclass(slots=True)
class Numbers:
    """What the numbers of one run have become."""

    island: int
    """Added to the numbers of its islands."""
    attempts: dict[int, int] = field(default_factory=dict)
    programs: dict[int, int] = field(default_factory=dict)
    doubles: set[int] = field(default_factory=set)
    """Its programs that an earlier run has too."""

    def known(self, key: str) -> Mapping[int, int] | None:
        """The new numbers of what an event names so; None where it is no number of the run."""
        return (
            self.attempts if key == "attempt" else self.programs if key in _PROGRAM_KEYS else None
        )

    def program(self, number: int | None) -> int | None:
        return None if number is None else self.programs[number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge came to."""

    attempts: int
    programs: int
    doubles: int
    """Programs that more than one run had."""
    left: int
    """Attempts under way that were left behind."""
    left_usd: float
    """What calls of those had cost."""


def merge_runs(paths: Sequence[Path], into: Path, *, meta: Mapping[str, JSON]) -> Merged:
    """A new database with what these runs hold; they stay as they are, and may be live.

    Args:
        meta: The new run's own values; attempts that they name are those of the first run.

    Raises:
        StoreError: a run cannot be read, or their archives or objectives are not alike.
    """
    if into.exists():
        raise StoreError(f"{into}: exists already; choose another name or remove it")
    lock = connections.WriterLock(into)
    try:
        with faults(into), connections.draft(into) as connection:
            migrations.migrate(connection, name=str(into))
            connection.execute("BEGIN")
            merged, first = _merge(paths, connection)
            for key, value in _own_values(meta, first, connection).items():
                writing.put_meta(connection, key, rows.json_text(value))
            seals.fill(connection)
            connection.execute("COMMIT")
    finally:
        lock.release()
    return merged


def _own_values(
    meta: Mapping[str, JSON], first: Numbers, connection: sqlite3.Connection
) -> dict[str, JSON]:
    """The new run's own values, without those that name an attempt which is not there."""
    found = dict(meta)
    for key in _OF_ATTEMPTS:
        old = found.pop(key, None)
        number = first.attempts.get(old) if isinstance(old, int) else None
        if number is not None and (key != _NEWEST_NOTES or _answered(connection, number)):
            found[key] = number
    return found


def _answered(connection: sqlite3.Connection, attempt: int) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM calls WHERE attempt = ? AND state = 'answered'", (attempt,)
        ).fetchone()
    )


def _merge(paths: Sequence[Path], connection: sqlite3.Connection) -> tuple[Merged, Numbers]:
    """Copies all of them; what that came to, and the numbers of the first."""
    settings: Settings | None = None
    first: Numbers | None = None
    doubles = left = 0
    left_usd, island = 0.0, 0
    for path in paths:
        connections.require(path)
        with decoding(path), closing(connections.connect_reader(path)) as source:
            source.execute("BEGIN")
            own = _settings(source)
            settings = own if settings is None else _joined(settings, own, path)
            numbers = _numbered(source, connection, island)
            first = first or numbers
            _copy(source, connection, numbers)
            doubles += len(numbers.doubles)
            left += _one(source, "SELECT count(*) FROM attempts WHERE fate IS NULL")
            left_usd += _one(source, _LEFT)
            island += own.islands
    assert settings is not None
    assert first is not None
    check(settings)
    writing.put_settings(connection, settings)
    for number in range(settings.islands):
        writing.put_standing(connection, Standing(number, 0, 0, 0, None))
    if (first_map := start(settings)) is not None:
        writing.put_map(connection, rows.json_text(first_map), settled=0)
    connection.execute(_TALLIES)
    refill.refill(connection)
    merged = Merged(
        attempts=_one(connection, "SELECT count(*) FROM attempts"),
        programs=_one(connection, "SELECT count(*) FROM programs"),
        doubles=doubles,
        left=left,
        left_usd=left_usd,
    )
    return merged, first


_LEFT = (
    "SELECT total(c.cost_usd) FROM calls c JOIN attempts a ON a.attempt = c.attempt"
    " WHERE a.fate IS NULL"
)


def _one(connection: sqlite3.Connection, query: str) -> int:
    (found,) = connection.execute(query).fetchone()
    return found  # type: ignore[no-any-return]


def _settings(source: sqlite3.Connection) -> Settings:
    """A run's settings with a policy for every island that there is now, born ones included."""
    stored = rows.settings_value(_one(source, "SELECT value FROM settings"))  # type: ignore[arg-type]
    count = _one(source, "SELECT count(*) FROM islands")
    return replace(
        stored,
        islands=count,
        policies=_spread(stored.policies, count),
        inspire=_spread(stored.inspire, count),
    )


def _spread(values: Sequence[T], count: int) -> tuple[T, ...]:
    return tuple(values[n % len(values)] for n in range(count))


def _joined(one: Settings, other: Settings, path: Path) -> Settings:
    """Both runs' islands, each with its own policy; all else is the first run's.

    Raises:
        StoreError: their programs could not be compared.
    """
    alike = ["axes", "objectives", "cells", "migration"]
    if one.cells is Cells.CVT:
        alike.append("centroids")
    for name in alike:
        if getattr(one, name) != getattr(other, name):
            raise StoreError(
                f"{path}: {name} = {getattr(other, name)}, the first run has {getattr(one, name)};"
                " only runs that agree in this can be merged"
            )
    shifted = tuple((a + one.islands, b + one.islands) for a, b in other.edges)
    return replace(
        one,
        islands=one.islands + other.islands,
        most_islands=one.most_islands + other.most_islands,
        policies=one.policies + other.policies,
        inspire=one.inspire + other.inspire,
        edges=one.edges + shifted if one.migration is Graph.EDGES else (),
    )


def _numbered(source: sqlite3.Connection, connection: sqlite3.Connection, island: int) -> Numbers:
    """Gives every ended attempt and every program of a run its new number."""
    found = Numbers(island)
    attempt = _one(connection, "SELECT count(*) FROM attempts")
    for (old,) in source.execute(
        "SELECT attempt FROM attempts WHERE fate IS NOT NULL ORDER BY attempt"
    ):
        found.attempts[old] = attempt
        attempt += 1
    program = _one(connection, "SELECT count(*) FROM programs")
    for old, digest, rung in source.execute("SELECT id, hash, rung FROM programs ORDER BY id"):
        known = None if rung is None else lookups.known_by_hash(connection, digest)
        if known is None:
            program += 1
        else:
            found.doubles.add(old)
        found.programs[old] = known or program
    return found


def _copy(source: sqlite3.Connection, connection: sqlite3.Connection, numbers: Numbers) -> None:
    _insert(connection, "attempts", _ATTEMPTS, _attempts(source, numbers))
    _copy_programs(source, connection, numbers)
    _copy_verdicts(source, connection, numbers)
    _insert(
        connection,
        "twins",
        "hash, syntax_hash, attempt, program",
        (
            (digest, syntax, numbers.attempts[attempt], numbers.programs[program])
            for digest, syntax, attempt, program in source.execute(
                "SELECT hash, syntax_hash, attempt, program FROM twins"
            )
        ),
        how="INSERT OR IGNORE",
    )
    _insert(
        connection,
        "cases",
        "program, scores",
        (
            (numbers.programs[program], scores)
            for program, scores in source.execute("SELECT program, scores FROM cases")
            if program not in numbers.doubles
        ),
    )
    _copy_past(source, connection, numbers)
    _copy_calls(source, connection, numbers)
    _insert(
        connection,
        "events",
        "kind, data, created",
        _events(source, numbers),
    )


def _attempts(source: sqlite3.Connection, numbers: Numbers) -> Iterator[tuple[object, ...]]:
    for row in source.execute(
        f"SELECT {_ATTEMPTS} FROM attempts WHERE fate IS NOT NULL ORDER BY attempt"  # noqa: S608
    ):
        attempt, island, parent, shown, proposer, note, fate, reason, operator, diff = row[:10]
        program, duplicate_of, *rest = row[10:]
        if program in numbers.doubles:
            fate, duplicate_of, program = Fate.DUPLICATE.value, program, None
        yield (
            numbers.attempts[attempt],
            numbers.island + island,
            numbers.program(parent),
            json.dumps([numbers.programs[n] for n in json.loads(shown)], separators=(",", ":")),
            proposer,
            note,
            fate,
            reason,
            operator,
            diff,
            numbers.program(program),
            numbers.program(duplicate_of),
            *rest,
        )


def _copy_programs(
    source: sqlite3.Connection, connection: sqlite3.Connection, numbers: Numbers
) -> None:
    texts, unpacked = Texts(connection), Texts(source)
    for old, attempt, *columns in source.execute(
        f"SELECT {_PROGRAMS} FROM programs ORDER BY id"  # noqa: S608
    ):
        number, attempt = numbers.programs[old], numbers.attempts[attempt]
        if old in numbers.doubles:
            if not texts.files(number):  # dropped from the run that had it first
                texts.add(number, unpacked.files(old), parent=None)
            continue
        (parent,) = connection.execute(
            "SELECT parent FROM attempts WHERE attempt = ?", (attempt,)
        ).fetchone()
        connection.execute(
            f"INSERT INTO programs ({_PROGRAMS}, generation)"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
            " ifnull((SELECT generation + 1 FROM programs WHERE id = ?), 0))",
            (number, attempt, *columns, parent),
        )
        texts.add(number, unpacked.files(old), parent=parent)


def _copy_verdicts(
    source: sqlite3.Connection, connection: sqlite3.Connection, numbers: Numbers
) -> None:
    known = {
        program: {
            split
            for (split,) in connection.execute(
                "SELECT DISTINCT split FROM verdicts WHERE program = ?",
                (numbers.programs[program],),
            )
        }
        for program in numbers.doubles
    }
    for old, *columns in source.execute(_VERDICTS):
        # means over the draws of two runs do not compare with means over one's; of test draws
        # there are no means, and beside each stands what the seed program came to on it
        if columns[_SPLIT] != "test" and columns[_SPLIT] in known.get(old, ()):
            continue
        number = numbers.programs[old]
        connection.execute(
            f"INSERT OR IGNORE INTO verdicts (program, position, {rows.VERDICT}) VALUES (?,"  # noqa: S608
            " (SELECT ifnull(max(position) + 1, 0) FROM verdicts WHERE program = ?),"
            f" {', '.join('?' * len(columns))})",
            (number, number, *columns),
        )


def _copy_past(
    source: sqlite3.Connection, connection: sqlite3.Connection, numbers: Numbers
) -> None:
    """Scores that held before, under new numbers of their scorings."""
    for old, *columns in source.execute(
        "SELECT id, programs, before, created FROM scorings ORDER BY id"
    ):
        scoring = connection.execute(
            "INSERT INTO scorings (programs, before, created) VALUES (?, ?, ?)", columns
        ).lastrowid
        _insert(
            connection,
            "past_verdicts",
            f"scoring, program, position, {rows.VERDICT}",
            (
                (scoring, numbers.programs[program], *rest)
                for program, *rest in source.execute(
                    f"SELECT program, position, {rows.VERDICT} FROM past_verdicts"  # noqa: S608
                    " WHERE scoring = ?",
                    (old,),
                )
            ),
        )


def _copy_calls(
    source: sqlite3.Connection, connection: sqlite3.Connection, numbers: Numbers
) -> None:
    columns = f"{calls.CALL}, created, ended"
    place = columns.split(", ").index("attempt")

    def renumbered() -> Iterator[tuple[object, ...]]:
        for row in source.execute(f"SELECT {columns} FROM calls ORDER BY id"):  # noqa: S608
            if row[place] in numbers.attempts:
                yield (*row[:place], numbers.attempts[row[place]], *row[place + 1 :])

    _insert(connection, "calls", columns, renumbered())


def _events(source: sqlite3.Connection, numbers: Numbers) -> Iterator[tuple[object, ...]]:
    """The events, but for those about a program that was lost: its number is another's now."""
    for kind, data, created in source.execute("SELECT kind, data, created FROM events ORDER BY id"):
        found = rows.json_value(data)
        assert isinstance(found, Mapping)
        told: dict[str, JSON] = {}
        for key, value in found.items():
            known = numbers.known(key)
            if known is None or not isinstance(value, int):
                told[key] = value
            elif value in known:
                told[key] = known[value]
        if kind not in _ABOUT_PROGRAMS or len(told) == len(found):
            yield kind, rows.json_text(told), created


def _insert(
    connection: sqlite3.Connection,
    table: str,
    columns: str,
    values: Iterator[tuple[object, ...]],
    *,
    how: str = "INSERT",
) -> None:
    marks = ", ".join("?" * len(columns.split(", ")))
    connection.executemany(f"{how} INTO {table} ({columns}) VALUES ({marks})", values)
