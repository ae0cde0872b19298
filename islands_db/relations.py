"""A run as plain relations: what an export holds, table by table, and what an import expects.

Every table of the database is a relation under its own name, but for three things: `attempts` are
called proposals; texts are unpacked, so that `sources` and `contents` become `files`; `settings`
stand in the manifest. Seals are left out, as the manifest has a hash of every file. `edges` repeats
what the others say, for whoever wants a graph.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from islands_db.texts import Texts

Values = Sequence[object]


class Kind(StrEnum):
    """What a column holds; `JSON` is JSON text, `PACKED` text that the database keeps as zlib."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    BLOB = "blob"
    JSON = "json"
    PACKED = "packed"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind
    optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One relation: its columns, and its rows as they are read from the database.

    Attributes:
        table: The table its rows come from and go to; "" for what an import leaves out.
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    rows: Callable[[sqlite3.Connection], Iterator[Values]]


_JSON = frozenset(
    {
        ("attempts", "inspirations"),
        ("programs", "objectives"),
        ("programs", "features"),
        ("verdicts", "scores"),
        ("verdicts", "exact"),
        ("verdicts", "features"),
        ("past_verdicts", "scores"),
        ("past_verdicts", "exact"),
        ("past_verdicts", "features"),
        ("events", "data"),
        ("meta", "value"),
        ("maps", "value"),
        ("rescoring", "outcome"),
        ("scorings", "before"),
    }
)
_PACKED = ("calls", "answer")
_APART = ("settings", "sources", "contents")
_NAMES = {"attempts": "proposals"}

FILES = Relation(
    name="files",
    table="contents",
    columns=(
        Column("program", Kind.INTEGER, False),
        Column("path", Kind.TEXT, False),
        Column("text", Kind.TEXT, False),
    ),
    rows=lambda connection: _files(connection),
)
EDGES = Relation(
    name="edges",
    table="",
    columns=(
        Column("child", Kind.INTEGER, False),
        Column("source", Kind.INTEGER, False),
        Column("role", Kind.TEXT, False),
        Column("operator", Kind.TEXT, False),
        Column("gain", Kind.REAL, True),
    ),
    rows=lambda connection: iter(
        connection.execute("SELECT child, source, role, operator, gain FROM lineage_edges")
    ),
)


def relations(connection: sqlite3.Connection) -> list[Relation]:
    """All relations of a database, by the schema it has."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " ORDER BY name"
    )
    found = [_table(connection, name) for (name,) in tables if name not in _APART]
    return [*found, FILES, EDGES]


def _table(connection: sqlite3.Connection, table: str) -> Relation:
    columns, keys = [], []
    for name, declared, required, key in connection.execute(
        'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
        " WHERE name <> 'seal' ORDER BY cid",
        (table,),
    ):
        columns.append(Column(name, _kind(table, name, declared), not (required or key)))
        if key:
            keys.append((key, name))
    names = ", ".join(column.name for column in columns)
    order = ", ".join(name for _, name in sorted(keys))
    query = f"SELECT {names} FROM {table} ORDER BY {order}"  # noqa: S608
    packed = [n for n, column in enumerate(columns) if column.kind is Kind.PACKED]

    def rows(connection: sqlite3.Connection) -> Iterator[Values]:
        for row in connection.execute(query):
            values = list(row)
            for place in packed:
                if values[place] is not None:
                    values[place] = zlib.decompress(values[place]).decode()
            yield values

    return Relation(name=_NAMES.get(table, table), table=table, columns=tuple(columns), rows=rows)


def _kind(table: str, column: str, declared: str) -> Kind:
    if (table, column) in _JSON:
        return Kind.JSON
    if (table, column) == _PACKED:
        return Kind.PACKED
    return Kind(declared.lower())


def _files(connection: sqlite3.Connection) -> Iterator[Values]:
    texts = Texts(connection)
    for (program,) in connection.execute("SELECT DISTINCT program FROM contents ORDER BY program"):
        for path, text in texts.files(program).items():
            yield program, path, text


def stored(relation: Relation, values: Values) -> Values:
    """The values of one row as the database keeps them."""
    if any(column.kind is Kind.PACKED for column in relation.columns):
        return [
            zlib.compress(value.encode(), 1)
            if column.kind is Kind.PACKED and isinstance(value, str)
            else value
            for column, value in zip(relation.columns, values, strict=True)
        ]
    return values
