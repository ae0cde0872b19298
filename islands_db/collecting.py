"""Gives back the room that a run no longer needs: texts of programs nothing can come of.

What stays whole:
* every attempt, program, verdict, score, call and answer as a record, with all hashes, so nothing
  is evaluated or paid for again because its text has gone;
* the text of every program that is on an island or in an archive, that is a seed, that has a
  verdict outside training, that once led, that is among the best of those that are not banned, or
  that an attempt under way starts from or shows; and of all their ancestors;
* the text of every program that a paid answer was made from, was shown, or became, or that one
  which is still to be asked for will be shown; notes are shown the programs they sum up.

What goes, for all other programs: their text, the patch that made them, what their evaluation wrote
to standard error and said as feedback; and patches that came to nothing, unless a model was paid
for them. Then the file is written anew without its gaps.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from islands_db import connections, lineage

BEST = 100
"""So many of the best in training keep their text."""

_KEPT = f"""
CREATE TEMP TABLE kept AS
WITH RECURSIVE
asked (attempt, parent, program, duplicate_of, inspirations, note) AS (
    SELECT attempt, parent, program, duplicate_of, inspirations,
        CASE WHEN json_valid(note) THEN note ELSE '{{}}' END
    FROM attempts WHERE fate IS NULL OR attempt IN (SELECT attempt FROM calls)
),
roots (id) AS (
    SELECT program FROM members
    UNION SELECT program FROM elites
    UNION SELECT program FROM attempts WHERE parent IS NULL AND program IS NOT NULL
    UNION SELECT program FROM verdicts WHERE split <> 'training'
    UNION SELECT json_extract(data, '$.program') FROM events WHERE kind = 'best'
    UNION SELECT * FROM (SELECT id FROM programs WHERE fitness IS NOT NULL
        AND id NOT IN ({lineage.BANNED})
        ORDER BY rung DESC, fitness DESC, id LIMIT {BEST})
    UNION SELECT parent FROM asked
    UNION SELECT program FROM asked
    UNION SELECT duplicate_of FROM asked
    UNION SELECT i.value FROM asked, json_each(asked.inspirations) i
    UNION SELECT i.value FROM asked, json_each(asked.note, '$.programs') i
    UNION SELECT ifnull(r.program, r.duplicate_of) FROM asked
        JOIN attempts r ON r.parent = asked.parent AND r.attempt < asked.attempt
),
line (id) AS (
    SELECT id FROM roots WHERE id IS NOT NULL
    UNION SELECT a.parent FROM line JOIN programs p ON p.id = line.id
        JOIN attempts a ON a.attempt = p.attempt WHERE a.parent IS NOT NULL
)
SELECT DISTINCT id FROM line
"""  # noqa: S608

_DROPPED = """
SELECT DISTINCT program FROM contents WHERE program NOT IN (SELECT id FROM kept)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was given back; sizes in bytes."""

    dropped: int
    """Programs whose text went now."""
    kept: int
    """Programs that have a text still."""
    before: int
    after: int


def collect(path: Path) -> Collected:
    """Drops what is not needed and makes the file smaller.

    What is dropped is one transaction; the file is then copied beside itself, for which the disk
    needs as much room again.

    Raises:
        StoreError: the run cannot be used, is in use, or the disk is full; nothing is lost.
    """
    before = path.stat().st_size if path.exists() else 0
    with connections.alone(path) as connection:
        with connections.transaction(connection):
            dropped = _drop(connection)
        (kept,) = connection.execute("SELECT count(DISTINCT program) FROM contents").fetchone()
        connection.execute("VACUUM")
    return Collected(dropped=dropped, kept=kept, before=before, after=path.stat().st_size)


def _drop(connection: sqlite3.Connection) -> int:
    connection.execute(_KEPT)
    connection.execute("CREATE UNIQUE INDEX temp.kept_by_id ON kept (id)")
    connection.execute(f"CREATE TEMP TABLE dropped AS {_DROPPED}")
    (count,) = connection.execute("SELECT count(*) FROM dropped").fetchone()
    connection.execute(
        "UPDATE attempts SET diff = '' WHERE fate IS NOT NULL"
        " AND (program IS NULL OR program IN (SELECT program FROM dropped))"
        " AND attempt NOT IN (SELECT attempt FROM calls)"
    )
    connection.execute(
        "UPDATE verdicts SET stderr = '', feedback = ''"
        " WHERE program IN (SELECT program FROM dropped)"
    )
    connection.execute("DELETE FROM contents WHERE program IN (SELECT program FROM dropped)")
    connection.execute(
        "DELETE FROM sources WHERE id NOT IN (WITH RECURSIVE needed (id) AS ("
        " SELECT source FROM contents UNION"
        " SELECT s.base FROM needed JOIN sources s ON s.id = needed.id WHERE s.base IS NOT NULL)"
        " SELECT id FROM needed)"
    )
    connection.execute("DROP TABLE kept")
    connection.execute("DROP TABLE dropped")
    return int(count)
