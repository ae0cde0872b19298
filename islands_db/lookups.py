"""Questions about programs and attempts that a search asks on its way: each one statement."""

from __future__ import annotations

import sqlite3

_MOST = 2**63 - 1
_KNOWN = (
    # without the pluses SQLite would not use the index of the first digits
    "SELECT id FROM programs WHERE substr(syntax_hash, 1, 12) = substr(:hash, 1, 12)"
    " AND +syntax_hash = :hash AND rung IS NOT NULL ORDER BY +id LIMIT 1",
    "SELECT program FROM twins WHERE syntax_hash = :hash ORDER BY program LIMIT 1",
)


def known(connection: sqlite3.Connection, hash: str, syntax_hash: str) -> int | None:
    """The judged program with the same content, or else the first of the same syntax tree.

    For the content or syntax tree of a twin it is the program that the twin behaved as.
    """
    same = known_by_hash(connection, hash)
    if same is not None:
        return same
    for query in _KNOWN:
        row = connection.execute(query, {"hash": syntax_hash}).fetchone()
        if row is not None:
            return int(row[0])
    return None


def has_text(connection: sqlite3.Connection, program: int) -> bool:
    """Whether the text of a program has not been dropped."""
    query = "SELECT 1 FROM contents WHERE program = ? LIMIT 1"
    return connection.execute(query, (program,)).fetchone() is not None


def behaving(
    connection: sqlite3.Connection,
    behaviour: int,
    *,
    length: int | None = None,
    up_to_attempt: int | None = None,
) -> int | None:
    """The first judged program that did the same on the probe inputs.

    Args:
        length: Only programs that are not longer, in syntax-tree nodes, are looked at.
        up_to_attempt: Only programs of attempts up to this one are looked at.
    """
    last = _MOST if up_to_attempt is None else up_to_attempt
    row = connection.execute(
        "SELECT id FROM programs WHERE behaviour = ? AND rung IS NOT NULL AND attempt <= ?"
        " AND length <= ? ORDER BY id LIMIT 1",
        (behaviour, last, _MOST if length is None else length),
    ).fetchone()
    return None if row is None else int(row[0])


def rank(connection: sqlite3.Connection, program: int) -> tuple[int, float]:
    """Rung and fitness of a program, the fitness -inf where it has none.

    Raises:
        ValueError: there is no such program, or it has not been judged.
    """
    row = connection.execute(
        "SELECT rung, fitness FROM programs WHERE id = ?", (program,)
    ).fetchone()
    if row is None or row[0] is None:
        raise ValueError(f"program {program} has not been judged")
    return int(row[0]), float("-inf") if row[1] is None else float(row[1])


def came_from(connection: sqlite3.Connection, program: int) -> tuple[int, int | None]:
    """The attempt that made a program, and that attempt's parent.

    Raises:
        ValueError: there is no such program.
    """
    row = connection.execute(
        "SELECT a.attempt, a.parent FROM programs p"
        " JOIN attempts a ON a.attempt = p.attempt WHERE p.id = ?",
        (program,),
    ).fetchone()
    if row is None:
        raise ValueError(f"no program {program}")
    return row[0], row[1]


def tried_without_gain(connection: sqlite3.Connection, parent: int, count: int) -> list[int]:
    """The last attempts from a parent whose program did no better, the oldest first."""
    rows = connection.execute(
        "SELECT a.attempt FROM attempts a JOIN programs p ON p.id = a.parent"
        " JOIN programs c ON c.id = ifnull(a.program, a.duplicate_of)"
        " WHERE a.parent = ? AND a.fate IN ('evaluated', 'duplicate') AND c.id <> p.id"
        " AND (c.rung, ifnull(c.fitness, -1e999)) <= (p.rung, ifnull(p.fitness, -1e999))"
        " AND EXISTS (SELECT 1 FROM contents WHERE program = c.id)"
        " ORDER BY a.attempt DESC LIMIT ?",
        (parent, count),
    ).fetchall()
    return [attempt for (attempt,) in reversed(rows)]


def known_by_hash(connection: sqlite3.Connection, hash: str) -> int | None:
    """The judged program with this content."""
    row = connection.execute(
        "SELECT id FROM programs WHERE substr(hash, 1, 12) = substr(:hash, 1, 12)"
        " AND +hash = :hash AND rung IS NOT NULL",
        {"hash": hash},
    ).fetchone()
    return None if row is None else int(row[0])
