"""Whether a whole database is what a run could have left: every page, every value, every sum.

It reads everything, about a minute for a million programs, so it is for files of unknown origin.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b

import msgspec

from islands_db import calls, connections, rows, state
from islands_db.faults import one_line
from islands_db.records import Outcome
from islands_db.settings import check
from islands_db.texts import Texts

_DAMAGED = (
    ValueError, LookupError, TypeError, OverflowError, AssertionError, zlib.error,
    msgspec.MsgspecError, sqlite3.Error,
)  # fmt: skip
"""What reading a value raises that is not what it should be."""

_READ: tuple[tuple[str, str, Callable[[rows.Row], object]], ...] = (
    ("attempt", f"SELECT {rows.PROPOSAL} FROM attempts", rows.proposal_value),  # noqa: S608
    ("program", rows.PROGRAM, lambda row: rows.program_value(row, ())),
    ("program", "SELECT id, objectives, features FROM programs", lambda row: _numbers(row)),
    ("cases of program", "SELECT program, scores FROM cases", lambda row: _cases(row)),
    ("program", f"SELECT program, {rows.VERDICT} FROM verdicts", rows.verdict_value),  # noqa: S608
    ("program", f"SELECT program, {rows.VERDICT} FROM past_verdicts", rows.verdict_value),  # noqa: S608
    ("attempt", f"SELECT {calls.CALL} FROM calls", calls.value),  # noqa: S608
    ("event", "SELECT id, kind, data, created FROM events", rows.event_value),
    ("value", "SELECT key, value FROM meta", rows.meta_row),
    ("program", "SELECT program, outcome FROM rescoring", lambda row: _outcome(row)),
)
_TALLIES = """
SELECT proposer || ' ' || fate FROM (
    SELECT proposer, fate, count(*) AS attempts, count(program) AS programs FROM attempts
    WHERE fate IS NOT NULL GROUP BY proposer, fate
    UNION ALL SELECT proposer, fate, attempts, programs FROM tallies)
GROUP BY proposer, fate, attempts, programs HAVING count(*) <> 2
"""


def faults_of(
    connection: sqlite3.Connection, *, hash_of: Callable[[Mapping[str, str]], str] | None = None
) -> Iterator[str]:
    """What is wrong, one line each; nothing when all is right.

    Args:
        hash_of: Gives a program's hash from its files; without it hashes are taken as they are.
    """
    damaged = connections.damage(connection)
    yield from damaged
    if damaged:
        return
    yield from _contradictions(connection)
    for what, query, convert in _READ:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description]
        for values in cursor:
            try:
                convert(dict(zip(names, values, strict=True)))
            except _DAMAGED as error:
                yield f"{what} {values[0]}: {one_line(error)}"
    yield from _texts(connection, hash_of)


def _contradictions(connection: sqlite3.Connection) -> Iterator[str]:
    try:
        settings = rows.settings_value(
            connection.execute("SELECT value FROM settings").fetchone()[0]
        )
        check(settings)
        (there,) = connection.execute("SELECT count(*) FROM islands").fetchone()
        if there < settings.islands:
            yield f"{there} islands, the settings say {settings.islands}"
            return
        state.load(connection)
    except _DAMAGED as error:
        yield f"its state: {one_line(error)}"
    for (name,) in connection.execute(_TALLIES):
        yield f"the totals of {name} are not those of its attempts"
    for (attempt,) in connection.execute(
        "SELECT a.attempt FROM attempts a JOIN programs p ON p.id = a.program"
        " WHERE p.attempt <> a.attempt OR a.parent >= p.id LIMIT 1"
    ):
        yield f"attempt {attempt} and its program contradict each other"


def _texts(
    connection: sqlite3.Connection, hash_of: Callable[[Mapping[str, str]], str] | None
) -> Iterator[str]:
    texts = Texts(connection)
    for program, stored in connection.execute("SELECT id, hash FROM programs ORDER BY id"):
        try:
            files = texts.files(program)
            for path, text in files.items():
                _check_source(connection, program, path, text)
            if hash_of is not None and files and hash_of(files) != stored:
                yield f"program {program}: its text does not have the hash {stored[:12]}"
        except _DAMAGED as error:
            yield f"program {program}: {one_line(error)}"


def _check_source(connection: sqlite3.Connection, program: int, path: str, text: str) -> None:
    (digest,) = connection.execute(
        "SELECT s.hash FROM contents c JOIN sources s ON s.id = c.source"
        " WHERE c.program = ? AND c.path = ?",
        (program, path),
    ).fetchone()
    if digest != blake2b(text.encode(), digest_size=20).digest():
        raise ValueError(f"{path}: the text does not have the hash it is kept by")


def _numbers(row: rows.Row) -> None:
    for name in ("objectives", "features"):
        stored = row[name]
        rows.numbers_value(None if stored is None else str(stored))


def _cases(row: rows.Row) -> None:
    scores = row["scores"]
    if not isinstance(scores, bytes) or not scores:
        raise ValueError("expected 32-bit floats")
    rows.check_cases(scores)


def _outcome(row: rows.Row) -> None:
    msgspec.json.decode(str(row["outcome"]), type=Outcome)
