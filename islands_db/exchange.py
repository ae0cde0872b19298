"""A run as a folder of plain files, and back: for analysis, for training, for another machine.

A manifest, `export.json`, names the format, the schema, and every file with its rows and its hash.
What is imported is the same run: its fingerprint is that of the run that was exported.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from hashlib import file_digest
from itertools import groupby
from pathlib import Path

import msgspec

from islands_db import audit, connections, formats, migrations, rows, seals, writing
from islands_db.faults import decoding, faults, one_line
from islands_db.records import JSON, StoreError
from islands_db.relations import FILES, Relation, Values, relations, stored
from islands_db.texts import Texts

FORMAT = "evolve-export/1"
MANIFEST = "export.json"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an export."""

    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an export holds: `parts` by relation; `settings` as the database has them."""

    format: str
    files: str
    schema: int
    settings: msgspec.Raw
    parts: dict[str, Part]


def export_run(path: Path, folder: Path, *, format: str) -> dict[str, int]:
    """Writes one committed state of a run, which may be live; the rows of each relation.

    The folder appears complete or not at all.

    Args:
        path: The run's database.
        folder: What is written; it must not exist.
        format: "jsonl" or "parquet".

    Raises:
        StoreError: the run cannot be read, the folder is there, or cannot be written.
    """
    connections.require(path)
    files = formats.of(format)
    with decoding(path), closing(connections.connect_reader(path)) as connection:
        connection.execute("BEGIN")
        with _drafted(folder) as draft:
            parts = {}
            for relation in relations(connection):
                file = draft / files.file(relation.name)
                rows = files.write(file, relation.columns, relation.rows(connection))
                parts[relation.name] = Part(rows=rows, sha256=_digest(file))
            settings = connection.execute("SELECT value FROM settings").fetchone()[0]
            manifest = Manifest(
                format=FORMAT,
                files=format,
                schema=migrations.user_version(connection),
                settings=msgspec.Raw(settings.encode()),
                parts=parts,
            )
            encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            (draft / MANIFEST).write_bytes(encoded + b"\n")
    return {name: part.rows for name, part in parts.items()}


def import_run(
    folder: Path,
    path: Path,
    *,
    hash_of: Callable[[Mapping[str, str]], str] | None = None,
    changed: Callable[[Mapping[str, JSON]], Mapping[str, JSON]] | None = None,
) -> dict[str, int]:
    """Makes a database of an export; the rows of each relation.

    Everything in the folder is checked as data from a stranger is: its form, its hashes, that all
    that is referred to is there, and with `hash_of` that every program has the hash it says. That
    its scores were ever measured cannot be checked without measuring them.

    Args:
        changed: Which of the run's own values become others, by what they are in the folder; the
            database never stands at `path` with those of the folder.

    Raises:
        StoreError: naming the file and its first fault; nothing is left at `path`.
    """
    manifest = _manifest(folder)
    files = formats.of(manifest.files)
    if path.exists():
        raise StoreError(f"{path}: exists already; choose another name or remove it")
    lock = connections.WriterLock(path)
    try:
        with faults(path), connections.draft(path) as connection:
            migrations.migrate(connection, name=str(folder), up_to=manifest.schema)
            connection.execute("BEGIN")
            _insert_settings(connection, folder, manifest)
            known = relations(connection)
            _compare(folder, manifest, known)
            for relation in known:
                if relation.table:
                    _load_part(connection, folder, manifest, files, relation)
            if changed is not None:
                with decoding(path):
                    _change_meta(connection, changed)
            connection.execute("COMMIT")
            migrations.migrate(connection, name=str(folder))
            seals.fill(connection)
            for fault in audit.faults_of(connection, hash_of=hash_of):
                raise StoreError(f"{folder}: {fault}")
    finally:
        lock.release()
    return {name: part.rows for name, part in manifest.parts.items()}


def _manifest(folder: Path) -> Manifest:
    file = folder / MANIFEST
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except OSError as error:
        raise StoreError(
            f"{file}: {error.strerror}; expected the folder that `evolve export` wrote"
        ) from error
    except msgspec.MsgspecError as error:
        raise StoreError(f"{file}: {one_line(error)}") from error
    if found.format != FORMAT:
        raise StoreError(f"{file}: format {found.format[:40]!r}, expected {FORMAT!r}")
    if found.files not in formats.FORMATS:
        raise StoreError(f"{file}: files {found.files[:40]!r}, expected jsonl or parquet")
    if found.schema < 1:
        raise StoreError(f"{file}: schema {found.schema}, expected 1 or more")
    migrations.refuse_newer(found.schema, len(migrations.scripts()), name=str(file))
    return found


def _insert_settings(connection: sqlite3.Connection, folder: Path, manifest: Manifest) -> None:
    text = bytes(manifest.settings).decode()
    compact = msgspec.json.format(text, indent=-1)
    connection.execute("INSERT INTO settings (id, value) VALUES (1, ?)", (compact,))


def _change_meta(
    connection: sqlite3.Connection, changed: Callable[[Mapping[str, JSON]], Mapping[str, JSON]]
) -> None:
    held = connection.execute("SELECT key, value FROM meta").fetchall()
    for key, value in changed({key: rows.json_value(value) for key, value in held}).items():
        writing.put_meta(connection, key, rows.json_text(value))


def _compare(folder: Path, manifest: Manifest, known: list[Relation]) -> None:
    expected = {relation.name for relation in known}
    for name in sorted(expected ^ manifest.parts.keys()):
        how = "missing" if name in expected else "unknown"
        raise StoreError(f"{folder / MANIFEST}: {name[:40]!r} is {how} among its parts")


def _load_part(
    connection: sqlite3.Connection,
    folder: Path,
    manifest: Manifest,
    files: formats.Format,
    relation: Relation,
) -> None:
    file = folder / files.file(relation.name)
    part = manifest.parts[relation.name]
    try:
        if _digest(file) != part.sha256:
            raise StoreError(f"{file}: not the file that was exported; export the run again")
        rows = files.read(file, relation.columns)
        loaded = (_load_files if relation is FILES else _load_rows)(connection, relation, rows)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from error
    except (ValueError, OverflowError, sqlite3.Error) as error:
        raise StoreError(f"{file}: {one_line(error)}") from error
    if loaded != part.rows:
        raise StoreError(f"{file}: {loaded} rows, the manifest says {part.rows}")


def _load_rows(connection: sqlite3.Connection, relation: Relation, rows: Iterator[Values]) -> int:
    names = ", ".join(column.name for column in relation.columns)
    marks = ", ".join("?" * len(relation.columns))
    return connection.executemany(
        f"INSERT INTO {relation.table} ({names}) VALUES ({marks})",  # noqa: S608
        (stored(relation, row) for row in rows),
    ).rowcount


def _load_files(connection: sqlite3.Connection, relation: Relation, rows: Iterator[Values]) -> int:
    texts, count = Texts(connection), 0
    for program, group in groupby(rows, key=lambda row: int(str(row[0]))):
        files = {str(path): str(text) for _, path, text in group}
        parent = connection.execute(
            "SELECT a.parent FROM programs p JOIN attempts a ON a.attempt = p.attempt"
            " WHERE p.id = ?",
            (program,),
        ).fetchone()
        if parent is None:
            raise ValueError(f"files of program {program}, which there is not")
        texts.add(program, files, parent=parent[0])
        count += len(files)
    return count


@contextmanager
def _drafted(folder: Path) -> Iterator[Path]:
    """A folder that appears under its name when the block ends well, and not at all otherwise."""
    if folder.exists():
        raise StoreError(f"{folder}: exists already; name another place")
    draft = folder.with_name(folder.name + f"-unfinished-{os.getpid()}")
    try:
        draft.mkdir(parents=True)
        yield draft
        draft.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
