"""Who came from whom: questions to the views of a run's database.

The views are `ancestors`, `descendants`, `common_ancestors`, `path_edits` and `generations`; any
SQLite reader can ask them. Each question below is one statement.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from islands_db.records import Edit, Generation
from islands_db.rows import Row

ANCESTORS = (
    "SELECT ancestor AS id FROM ancestors WHERE program = ? AND distance > 0 ORDER BY distance"
)

DESCENDANTS = (
    "SELECT descendant AS id FROM descendants WHERE program = ? ORDER BY distance, descendant"
)

COMMON = (
    "SELECT ancestor AS id FROM common_ancestors WHERE one = ? AND other = ?"
    " ORDER BY distance, ancestor LIMIT 1"
)

EDITS = "SELECT * FROM path_edits WHERE program = ? ORDER BY distance DESC"

BANNED = """
WITH RECURSIVE banned (id) AS (
    SELECT json_extract(data, '$.program') FROM events WHERE kind = 'ban'
    AND typeof(json_extract(data, '$.program')) = 'integer' UNION
    SELECT a.program FROM banned JOIN attempts a ON a.parent = banned.id
    WHERE a.program IS NOT NULL)
SELECT id FROM banned
"""
"""Programs that were banned, and all that was made from them; at once where there was no ban."""

GENERATIONS = "SELECT * FROM generations"


def edit_value(row: Row) -> Edit:
    """The record of a row of `path_edits`."""
    return Edit(**{name: row[name] for name in Edit.__slots__})  # type: ignore[arg-type]


def generation_value(row: Row) -> Generation:
    """The record of a row of `generations`."""
    return Generation(**{name: row[name] for name in Generation.__slots__})  # type: ignore[arg-type]


def hunks(before: Mapping[str, str], after: Mapping[str, str], *, context: int) -> Iterator[str]:
    """The lines of a unified diff from one program's files to another's."""
    for path in sorted(before.keys() | after.keys()):
        yield from difflib.unified_diff(
            before.get(path, "").splitlines(),
            after.get(path, "").splitlines(),
            f"a/{path}",
            f"b/{path}",
            lineterm="",
            n=context,
        )
