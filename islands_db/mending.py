"""What of a damaged run's own values can be had again: by their checksums, or from each other."""

from __future__ import annotations

import sqlite3
import string
from collections.abc import Iterator, Mapping

import msgspec

from islands_db import rows, seals
from islands_db.grid import length_cell
from islands_db.records import JSON, Cells, Graph, Inspire, Settings
from islands_db.settings import check

LONGEST = 4096
"""Characters of the longest value in which one changed byte is looked for: about a second's work.
"""


class _Search(msgspec.Struct, frozen=True):
    """What a run's configuration says of its islands."""

    count: int = 4
    population: int = 50
    policy: str | list[str] = "mix"
    inspirations: int = 2
    inspire: Inspire | list[Inspire] = Inspire.MIXED
    migration_every: int = 400
    migration: Graph | list[tuple[int, int]] = Graph.RING
    reset_every: int = 0
    stagnation: int = 0
    most: int = 16


def undo_changed_bytes(connection: sqlite3.Connection) -> None:
    """Undoes one changed byte in the settings or in a value of the run, where its seal tells it."""
    for table, key in list(seals.broken_rows(connection)):
        if table not in ("settings", "meta"):
            continue
        name = "id" if table == "settings" else "key"
        value, seal = connection.execute(
            f"SELECT value, seal FROM {table} WHERE {name} = ?",  # noqa: S608
            key,
        ).fetchone()
        whole = _whole(key[0], value, seal)
        if whole is not None:
            connection.execute(
                f"UPDATE {table} SET value = ?, seal = ? WHERE {name} = ?",  # noqa: S608
                (whole, seals.seal(key[0], whole), *key),
            )


def _whole(key: object, value: object, seal: object) -> str | None:
    """The value before a byte of it, or of its seal, was changed."""
    if not isinstance(value, str) or not isinstance(seal, int) or len(value) > LONGEST:
        return None
    changed = seals.seal(key, value) ^ seal
    if any(not changed & ~(0xFF << shift) for shift in (0, 8, 16, 24)):
        return value
    for place in range(len(value)):
        for letter in string.printable:
            whole = value[:place] + letter + value[place + 1 :]
            if seals.seal(key, whole) == seal:
                return whole
    return None


def has_settings(connection: sqlite3.Connection) -> bool:
    """Whether there are settings that islands can work by; others are taken away."""
    for (stored,) in connection.execute("SELECT value FROM settings").fetchall():
        try:
            check(rows.settings_value(stored))
        except (ValueError, TypeError):
            connection.execute("DELETE FROM settings")
        else:
            return True
    return False


def make_settings(connection: sqlite3.Connection, meta: Mapping[str, JSON]) -> None:
    """Puts settings where there are none: those of the configuration, as far as it is there.

    What features span is nowhere else, so the archive's cells are of program length alone.
    """
    (islands,) = connection.execute(
        "SELECT 1 + max(island) FROM"
        " (SELECT island FROM attempts UNION ALL SELECT island FROM islands)"
    ).fetchone()
    (objectives,) = connection.execute(
        "SELECT max(ifnull(json_array_length(objectives), 1)) FROM programs"
    ).fetchone()
    settings = next(_possible(meta, islands or 1, objectives or 1))
    connection.execute(
        "INSERT INTO settings (id, value) VALUES (1, ?)",
        (msgspec.json.encode(settings).decode(),),
    )
    connection.create_function("length_cell", 1, length_cell, deterministic=True)
    connection.execute("UPDATE programs SET cell = length_cell(length), features = NULL")


def _possible(meta: Mapping[str, JSON], islands: int, objectives: int) -> Iterator[Settings]:
    config = meta.get("config")
    search = config.get("islands") if isinstance(config, Mapping) else None
    try:
        found = _settings(msgspec.convert(search, _Search), islands, objectives)
        check(found)
    except ValueError:
        pass
    else:
        yield found
    yield Settings(islands=islands, objectives=objectives)


def _settings(search: _Search, islands: int, objectives: int) -> Settings:
    edges = () if isinstance(search.migration, Graph) else tuple(search.migration)
    return Settings(
        islands=max(islands, search.count),
        population=search.population,
        policies=(search.policy,) if isinstance(search.policy, str) else tuple(search.policy),
        inspirations=search.inspirations,
        inspire=(search.inspire,) if isinstance(search.inspire, Inspire) else tuple(search.inspire),
        migration_every=search.migration_every,
        migration=search.migration if isinstance(search.migration, Graph) else Graph.EDGES,
        edges=edges,
        reset_every=search.reset_every,
        stagnation=search.stagnation,
        most_islands=search.most,
        cells=Cells.GRID,
        objectives=objectives,
    )
