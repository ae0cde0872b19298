"""What can be saved of a damaged run: every row that can be read and has its seal, in a new file.

Rows are read around the pages that cannot be; attempts whose seal does not fit are left out with
what belongs to them. The rest is merged into a new run by itself, which
renumbers it, fills the islands anew and leaves attempts under way behind. A program whose parent
was lost has none there, and stays banned if it was. Settings that were lost are made anew from the
run's configuration; of marks that warn, those that cannot be read are set.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

from islands_db import connections, lineage, migrations, rows, seals
from islands_db.faults import decoding
from islands_db.records import JSON, StoreError
from islands_db.texts import Texts

_HIGHEST = (1 << 24) - 1
"""Keys beyond this are not looked for."""
_PATIENCE = 5_000
"""After so many failures nothing more is looked for in a table: its root is gone."""

_NEEDED = ("problem", "folder", "parameters", "objectives", "identity", "config", "seed")
"""Meta keys."""
_WARNING = ("unsafe", "mixed_draws")
"""Meta keys that are true where a run's scores are not to be trusted, or not to be compared."""

_ISLANDS = (
    "SELECT max(json_extract(value, '$.islands'),"
    " ifnull((SELECT 1 + max(island) FROM attempts), 0),"
    " ifnull((SELECT 1 + max(island) FROM islands), 0)) FROM settings"
)
"""How many there were, as far as anything tells."""

_ALIVE = (
    "DELETE FROM attempts WHERE attempt IN (SELECT attempt FROM broken)",
    "DELETE FROM programs WHERE NOT EXISTS (SELECT 1 FROM attempts a"
    " WHERE a.attempt = programs.attempt AND a.program = programs.id)",
    "DELETE FROM attempts WHERE program NOT NULL AND program NOT IN (SELECT id FROM programs)",
    "DELETE FROM verdicts WHERE program NOT IN (SELECT id FROM programs)",
    "DELETE FROM past_verdicts WHERE program NOT IN (SELECT id FROM programs)"
    " OR scoring NOT IN (SELECT id FROM scorings)",
    "DELETE FROM contents WHERE program NOT IN (SELECT id FROM programs)"
    " OR source NOT IN (SELECT id FROM sources)",
    "DELETE FROM twins WHERE program NOT IN (SELECT id FROM programs)"
    " OR attempt NOT IN (SELECT attempt FROM attempts)",
    "DELETE FROM cases WHERE program NOT IN (SELECT id FROM programs)",
    "DELETE FROM calls WHERE attempt NOT IN (SELECT attempt FROM attempts)",
    "UPDATE attempts SET parent = NULL WHERE parent NOT IN (SELECT id FROM programs)",
    "UPDATE attempts SET duplicate_of = NULL WHERE duplicate_of NOT IN (SELECT id FROM programs)",
    "UPDATE attempts SET inspirations = (SELECT json_group_array(i.value)"
    " FROM json_each(inspirations) i WHERE i.value IN (SELECT id FROM programs))"
    " WHERE json_valid(inspirations)",
)
"""What refers to something lost is lost too, or refers to it no more; in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What could be read of a damaged run."""

    attempts: int
    programs: int
    known: int
    """The highest attempt that anything tells of, plus one."""
    settings: bool = True
    """Whether how the islands work could be read."""
    lost: tuple[str, ...] = ()
    """Of the run's own values, those that it cannot go on without."""
    taken: tuple[str, ...] = ()
    """Marks that could not be read, and are taken to have been set."""

    def __str__(self) -> str:
        said = f"{self.attempts} of {self.known} attempts and {self.programs} programs"
        if not self.settings:
            said += "; its settings are lost, so cells go by program length"
        if self.lost:
            said += f"; without {', '.join(self.lost)}, so it cannot go on"
        if self.taken:
            said += f"; {' and '.join(self.taken)} cannot be read and counts as set"
        return said


def salvage(path: Path, into: Path) -> Salvaged:
    """Makes a new run of all that can be read of a damaged one, which stays as it is.

    Raises:
        StoreError: nothing can be saved, or `into` cannot be written.
    """
    from islands_db.merging import merge_runs  # with numpy; every reader imports this module

    connections.require(path)
    with TemporaryDirectory(prefix="evolve-salvage-") as scratch:
        file = Path(scratch) / "run.db"
        with decoding(path):
            found, meta = _readable(path, file)
        if not found.programs:
            raise StoreError(f"{path}: no program in it can be saved; restore the file from a copy")
        merge_runs([file], into, meta=meta)
    return found


def promise(path: Path) -> str:
    """What `salvage` would save, for the line that names the damage; "" where it is nothing."""
    try:
        with TemporaryDirectory(prefix="evolve-salvage-") as scratch:
            found, _ = _readable(path, Path(scratch) / "run.db")
    except (sqlite3.Error, StoreError, OSError, ValueError):
        return ""
    return str(found) if found.programs else ""


def _readable(path: Path, file: Path) -> tuple[Salvaged, Mapping[str, JSON]]:
    """Copies what can be read into a sound database; its figures, and the run's own values."""
    from islands_db import mending  # with numpy, too

    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        with _opened(path) as source:
            version = migrations.user_version(source)
            if not 1 <= version <= len(migrations.scripts()):
                raise StoreError(f"{path}: schema version {version} is damaged or newer")
            migrations.migrate(copy, name=str(path), up_to=version)
            for table in _tables(copy):
                _copy(source, copy, table)
        migrations.migrate(copy, name=str(path))
        seals.install(copy)
        mending.undo_changed_bytes(copy)
        known = _count(copy, "SELECT 1 + ifnull(max(attempt), -1) FROM attempts")
        broken = list(seals.broken_rows(copy))
        taken = _warnings(copy, broken)
        _leave_out(copy, broken)
        for key in taken:
            copy.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (key, rows.json_text(True)))
        meta = {
            key: rows.json_value(value)
            for key, value in copy.execute("SELECT key, value FROM meta")
        }
        settings = mending.has_settings(copy)
        if not settings:
            mending.make_settings(copy, meta)
        for island in range(_count(copy, _ISLANDS)):
            copy.execute(
                "INSERT OR IGNORE INTO islands (island, born, since, improved) VALUES (?, 0, 0, 0)",
                (island,),
            )
        copy.execute("UPDATE settings SET seal = NULL")  # what was cut loose has others now
        found = Salvaged(
            attempts=_count(copy, "SELECT count(*) FROM attempts WHERE fate NOT NULL"),
            programs=_count(copy, "SELECT count(*) FROM programs"),
            known=known,
            settings=settings,
            lost=tuple(key for key in _NEEDED if key not in meta),
            taken=taken,
        )
    return found, meta


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    ) as source:
        source.execute("PRAGMA query_only = ON")
        # damaged text must not end the reading; its seal tells
        source.text_factory = lambda raw: raw.decode(errors="replace")
        yield source


def _tables(copy: sqlite3.Connection) -> list[str]:
    found = copy.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " AND name NOT IN ('held', 'rescoring', 'members', 'elites', 'tallies', 'epochs', 'maps')"
    )
    return [name for (name,) in found]


def _copy(source: sqlite3.Connection, copy: sqlite3.Connection, table: str) -> None:
    columns = copy.execute(
        "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", (table,)
    ).fetchall()
    names = ", ".join(name for name, _, _ in columns)
    keys = [(name, kind) for _, name, kind in sorted((pk, n, k) for n, k, pk in columns if pk)]
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    for values in _rows(source, table, names, keys):
        with suppress(sqlite3.IntegrityError):
            copy.execute(insert, values)


def _rows(
    source: sqlite3.Connection, table: str, names: str, keys: list[tuple[str, str]]
) -> Iterator[tuple[object, ...]]:
    """Every row that can be read, some of them twice where not all can."""
    key, kind = keys[0]
    query = f"SELECT {names} FROM {table}"  # noqa: S608
    for order in ("", " DESC"):
        try:
            yield from source.execute(f"{query} ORDER BY {key}{order}")
        except (sqlite3.Error, OverflowError):
            continue
        return
    if kind == "INTEGER":
        yield from _around(source, query, key)


def _around(source: sqlite3.Connection, query: str, key: str) -> Iterator[tuple[object, ...]]:
    """Rows by integer key, in stretches that shrink around what cannot be read."""
    stretches, failures = [(0, _HIGHEST)], 0
    while stretches and failures < _PATIENCE:
        low, high = stretches.pop()
        try:
            found = source.execute(f"{query} WHERE {key} BETWEEN ? AND ?", (low, high))
            yield from found.fetchall()
        except (sqlite3.Error, OverflowError):
            failures += 1
            if high > low:
                middle = (low + high) // 2
                stretches += [(low, middle), (middle + 1, high)]


def _warnings(copy: sqlite3.Connection, broken: Sequence[seals.Place]) -> tuple[str, ...]:
    """The marks that warn, as far as their rows are damaged or verdicts tell of what they said."""
    found = {key for table, (key, *_) in broken if table == "meta"}
    outside = copy.execute("SELECT 1 FROM verdicts WHERE tier = 'none' LIMIT 1").fetchone()
    marked = copy.execute("SELECT 1 FROM meta WHERE key = 'unsafe'").fetchone()
    if outside and not marked:
        found.add("unsafe")
    return tuple(key for key in _WARNING if key in found)


def _banned(copy: sqlite3.Connection) -> set[int]:
    return {program for (program,) in copy.execute(lineage.BANNED)}


def _leave_out(copy: sqlite3.Connection, broken: Sequence[seals.Place]) -> None:
    copy.execute("CREATE TEMP TABLE broken (attempt INTEGER PRIMARY KEY)")
    for table, key in broken:
        if table == "attempts":
            copy.execute("INSERT INTO broken VALUES (?)", key)
        else:
            seals.delete(copy, table, key)
    _drop_torn_texts(copy)
    banned = _banned(copy)
    for statement in _ALIVE:
        copy.execute(statement)
    left = {program for (program,) in copy.execute("SELECT id FROM programs")}
    still = _banned(copy)
    for program in sorted(banned & left):  # what it was made from has a lower number
        if program not in still:
            copy.execute(
                "INSERT INTO events (kind, data, created) VALUES ('ban', ?, ?)",
                (rows.json_text({"program": program}), time()),
            )
            still = _banned(copy)


def _drop_torn_texts(copy: sqlite3.Connection) -> None:
    texts = Texts(copy)
    for (program,) in copy.execute("SELECT DISTINCT program FROM contents").fetchall():
        try:
            texts.files(program)
        except (sqlite3.Error, zlib.error, TypeError, ValueError):
            copy.execute("DELETE FROM contents WHERE program = ?", (program,))


def _count(connection: sqlite3.Connection, query: str) -> int:
    (found,) = connection.execute(query).fetchone()
    return int(found or 0)
