"""Checksums beside what is stored: a flipped bit is found where SQLite itself would not see it.

A row of a small table has its own. An attempt's covers all that belongs to it: its own row, the
program it made (but for the cell, which moves), that program's verdicts and the hashes of its
texts, and its calls; an attempt under way has none until its first call ends, as nothing of it has
been paid for. Triggers that exist on the writer's connection only keep them, so that no statement
can forget to. CRC-32 finds chance, not intent: whoever can write the file can seal it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import islice
from zlib import crc32

import msgspec

from islands_db import migrations

_encode = msgspec.msgpack.Encoder().encode

_SMALL = {
    "meta": "key",
    "twins": "hash",
    "cases": "program",
    "members": "island, slot",
    "elites": "island, slot",
    "islands": "island",
    "epochs": "id",
    "maps": "id",
    "tallies": "proposer, fate",
    "held": "attempt",
    "events": "id",
    "rescoring": "program",
    "scorings": "id",
    "past_verdicts": "scoring, program, stage, split, seed",
    "settings": "id",
}
"""Tables whose rows are sealed one by one, with their keys."""

Place = tuple[str, tuple[object, ...]]
"""A table and the key of one of its rows."""

_PARTS = ("programs", "verdicts", "contents", "calls")
"""Tables whose rows an attempt's seal covers."""

_UNDER_WAY = (
    "attempts.seal IS NULL AND attempts.fate IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM calls x WHERE x.attempt = attempts.attempt AND x.state <> 'open')"
)


def install(connection: sqlite3.Connection) -> None:
    """Teaches a connection what a seal is; any use of this module's statements needs it."""
    connection.create_function("seal_of", -1, seal, deterministic=True)


def fill(connection: sqlite3.Connection) -> None:
    """Seals what has no seal yet, the settings last; inside the open transaction."""
    install(connection)
    for table in ("attempts", *_SMALL):
        connection.execute(f"UPDATE {table} SET seal = {_value(table)} WHERE seal IS NULL")  # noqa: S608


def filled(connection: sqlite3.Connection) -> bool:
    """Whether every row has been given a seal, as it has but where the schema is from before."""
    # where the settings are lost the run's own values tell
    (found,) = connection.execute(
        "SELECT ifnull((SELECT seal NOT NULL FROM settings), (SELECT max(seal NOT NULL) FROM meta))"
    ).fetchone()
    return bool(found)


def keep(connection: sqlite3.Connection) -> None:
    """Has every row that this connection writes from now on sealed."""
    install(connection)
    for trigger in _triggers():
        connection.execute(trigger)


def broken(connection: sqlite3.Connection, *, most: int = 20) -> list[str]:
    """What does not have the seal it was given, one line each."""
    return [
        f"{table} {', '.join(str(value)[:40] for value in key)} has changed"
        for table, key in islice(broken_rows(connection), most)
    ]


def broken_rows(connection: sqlite3.Connection) -> Iterator[Place]:
    """Table and key of every row that does not have its seal."""
    if not filled(connection):
        return
    install(connection)
    for table, key in {"attempts": "attempt", **_SMALL}.items():
        query = f"SELECT {key} FROM {table} WHERE seal IS NOT {_value(table)}"  # noqa: S608
        if table == "attempts":
            query += f" AND NOT ({_UNDER_WAY})"
        for row in connection.execute(query).fetchall():
            yield table, row


def delete(connection: sqlite3.Connection, table: str, key: tuple[object, ...]) -> None:
    """Deletes a row that `broken_rows` gave."""
    same = " AND ".join(f"{name} = ?" for name in _SMALL[table].split(", "))
    connection.execute(f"DELETE FROM {table} WHERE {same}", key)  # noqa: S608


def schema_broken(connection: sqlite3.Connection) -> bool:
    """Whether tables, indexes or views are not those that the migrations make."""
    return _schema(connection) != _made()[0]


def seal(*values: object) -> int:
    """The seal of a row of these values."""
    return crc32(_encode(values))


def _schema(connection: sqlite3.Connection) -> tuple[tuple[str, ...], ...]:
    rows = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master"
        " WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
    )
    return tuple(tuple(" ".join(str(value).split()) for value in row) for row in rows)


@cache
def _made() -> tuple[tuple[tuple[str, ...], ...], dict[str, tuple[str, ...]]]:
    """Schema of a new database, and the sealed columns of its tables."""
    left_out = {("programs", "cell")}
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.migrate(connection, name="a new database")
        columns: dict[str, tuple[str, ...]] = {}
        for table, name in connection.execute(
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c"
            " WHERE t.type = 'table' AND c.name <> 'seal' ORDER BY t.name, c.cid"
        ):
            if (table, name) not in left_out:
                columns[table] = (*columns.get(table, ()), name)
        return _schema(connection), columns


def _columns(table: str) -> tuple[str, ...]:
    return _made()[1][table]


@cache
def _value(table: str) -> str:
    """The SQL of the seal of a row of the table."""
    own = ", ".join(f"{table}.{name}" for name in _columns(table))
    if table != "attempts":
        return f"seal_of({own})"
    parts = {name: ", ".join(f"x.{c}" for c in _columns(name)) for name in _PARTS}
    return (
        f"seal_of({own},"  # noqa: S608
        f" (SELECT seal_of({parts['programs']}) FROM programs x WHERE x.id = attempts.program),"
        f" (SELECT group_concat(seal_of({parts['verdicts']})) FROM verdicts x"
        " WHERE x.program = attempts.program),"
        " (SELECT group_concat(seal_of(x.path, s.hash)) FROM contents x JOIN sources s"
        " ON s.id = x.source WHERE x.program = attempts.program),"
        f" (SELECT group_concat(seal_of({parts['calls']})) FROM calls x"
        " WHERE x.attempt = attempts.attempt))"
    )


@cache
def _triggers() -> tuple[str, ...]:
    found = []
    for table, key in _SMALL.items():
        same = " AND ".join(f"{name} = NEW.{name}" for name in key.split(", "))
        for event in ("INSERT", f"UPDATE OF {', '.join(_columns(table))}"):
            found.append(_trigger(table, event, table, same))
    attempts = f"UPDATE OF {', '.join(_columns('attempts'))}"
    found.append(
        _trigger("attempts", "INSERT", "attempts", "attempt = NEW.attempt AND fate NOT NULL")
    )
    found.append(_trigger("attempts", attempts, "attempts", "attempt = NEW.attempt"))
    # while an attempt is being settled its row comes last, and seals what came before it
    made = "attempt = (SELECT attempt FROM programs WHERE id = {row}.program) AND program NOT NULL"
    for table in ("verdicts", "contents"):
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            found.append(_trigger(table, event, "attempts", made.format(row=row)))
    programs = f"UPDATE OF {', '.join(_columns('programs'))}"
    found.append(_trigger("programs", programs, "attempts", "attempt = NEW.attempt"))
    for event, due in (("INSERT", " AND (seal NOT NULL OR NEW.state <> 'open')"), ("UPDATE", "")):
        found.append(_trigger("calls", event, "attempts", "attempt = NEW.attempt" + due))
    return tuple(found)


def _trigger(table: str, event: str, sealed: str, where: str) -> str:
    name = f"seal_{table}_{event.split()[0].lower()}"
    return (
        f"CREATE TEMP TRIGGER {name} AFTER {event} ON main.{table} BEGIN"  # noqa: S608
        f" UPDATE {sealed} SET seal = {_value(sealed)} WHERE {where}; END"
    )
