"""Which program a person means by what they type: its number, or the start of its hash."""

from __future__ import annotations

import sqlite3

_SHORTEST_PREFIX = 4
"""Digits alone are a number; as the start of a hash they need this many."""

_BEGINNING = (
    # the first condition is for the index, which holds the first twelve digits
    "SELECT id, hash FROM programs"
    " WHERE substr(hash, 1, 12) BETWEEN substr(:start, 1, 12) AND substr(:start, 1, 12) || :last"
    " AND hash BETWEEN :start AND :start || :last AND rung IS NOT NULL"
)
_LAST_CHARACTER = "\U0010ffff"


def meant(connection: sqlite3.Connection, text: str) -> int:
    """The program of this number, or else the one whose hash begins so.

    Raises:
        ValueError: there is none, or several are.
    """
    if text.isascii() and text.isdigit():
        number = connection.execute("SELECT id FROM programs WHERE id = ?", (int(text[:18]),))
        if number.fetchone():
            return int(text)
        if len(text) < _SHORTEST_PREFIX:
            raise ValueError(f"no program {text}")
    fitting = connection.execute(
        f"{_BEGINNING} ORDER BY hash LIMIT 3", {"start": text.lower(), "last": _LAST_CHARACTER}
    ).fetchall()
    if not fitting or not text:
        raise ValueError(
            f"no program {text!r}; expected an id, the start of a hash, 'best' or 'champion'"
        )
    if len(fitting) > 1:
        some = ", ".join(f"{number} ({hash[:12]})" for number, hash in fitting)
        raise ValueError(f"{text!r} fits several programs: {some}")
    return int(fitting[0][0])


def beginning_with(connection: sqlite3.Connection, prefix: str) -> list[int]:
    """Programs whose hash begins so, at most a hundred."""
    found = connection.execute(
        f"{_BEGINNING} ORDER BY id LIMIT 100", {"start": prefix.lower(), "last": _LAST_CHARACTER}
    )
    return [number for number, _ in found]
