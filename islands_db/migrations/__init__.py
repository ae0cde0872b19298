"""The schema, as numbered SQL files; a released one is never edited.

The number of the last one applied is the database's `user_version`. Each runs in a transaction of
its own together with that number, so a kill in between leaves the version before.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from islands_db.records import StoreError

APPLICATION_ID = 0x65766F6C
"""Marks a SQLite file as one of ours ("evol")."""


def scripts() -> list[str]:
    """The migrations' SQL in order; number n stands at index n - 1."""
    found = sorted(
        (entry for entry in files(__name__).iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    return [entry.read_text(encoding="utf-8") for entry in found]


def migrate(connection: sqlite3.Connection, *, name: str, up_to: int | None = None) -> None:
    """Brings the database to the newest schema, or to the version `up_to`.

    Raises:
        StoreError: it was written by a newer version of the program.
    """
    known = scripts()
    version = user_version(connection)
    refuse_newer(version, len(known), name=name)
    for number, script in enumerate(known[version:up_to], start=version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
        )


def refuse_newer(version: int, newest: int, *, name: str) -> None:
    if version > newest:
        raise StoreError(
            f"{name}: schema version {version} is newer than {newest}, the newest known here; "
            "upgrade evolve to use this run"
        )


def user_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
