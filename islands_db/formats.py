"""Files that hold the rows of one relation: JSON Lines and Parquet.

Both give back exactly what was written: integers, floats bit for bit, JSON texts byte for byte. A
file that does not have the columns expected is a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from islands_db.records import StoreError
from islands_db.relations import Column, Kind, Values

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 8192
"""Rows held in memory at once."""


@dataclass(frozen=True, slots=True)
class Format:
    """How rows become a file and a file rows; `write` gives their number."""

    name: str
    write: Callable[[Path, Sequence[Column], Iterable[Values]], int]
    read: Callable[[Path, Sequence[Column]], Iterator[Values]]

    def file(self, relation: str) -> str:
        return f"{relation}.{self.name}"


def of(name: str) -> Format:
    """The format of that name.

    Raises:
        StoreError: what it needs is not installed.
    """
    found = FORMATS[name]
    if name == "parquet" and find_spec("pyarrow") is None:
        raise StoreError(
            "Parquet needs pyarrow: pip install 'evolve[parquet]'; JSON Lines need nothing"
        )
    return found


# JSON Lines

_PYTHON: dict[Kind, Any] = {
    Kind.INTEGER: int,
    Kind.REAL: float,
    Kind.TEXT: str,
    Kind.PACKED: str,
    Kind.BLOB: bytes,
    Kind.JSON: msgspec.Raw,
}


def _write_lines(path: Path, columns: Sequence[Column], rows: Iterable[Values]) -> int:
    row_type, encoder, count = _row_type(columns), msgspec.json.Encoder(), 0
    json = [n for n, column in enumerate(columns) if column.kind is Kind.JSON]
    with path.open("wb") as file:
        for values in rows:
            line = list(values)
            for place in json:
                line[place] = _raw(line[place])
            file.write(encoder.encode(row_type(*line)) + b"\n")
            count += 1
    return count


def _raw(stored: object) -> msgspec.Raw:
    return msgspec.Raw(b"null") if stored is None else msgspec.Raw(str(stored).encode())


def _read_lines(path: Path, columns: Sequence[Column]) -> Iterator[Values]:
    decoder = msgspec.json.Decoder(_row_type(columns))
    names = [column.name for column in columns]
    json = [n for n, column in enumerate(columns) if column.kind is Kind.JSON]
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise ValueError(f"line {number}: {error}") from error
            values = [getattr(row, name) for name in names]
            for place in json:
                text = bytes(values[place]).decode()
                absent = columns[place].optional and text == "null"
                values[place] = None if absent else text
            yield values


def _row_type(columns: Sequence[Column]) -> Any:
    fields = []
    for column in columns:
        kind = _PYTHON[column.kind]
        optional = column.optional and kind is not msgspec.Raw
        fields.append((column.name, kind | None if optional else kind))
    return msgspec.defstruct("Row", fields, forbid_unknown_fields=True)


# Parquet


def _write_parquet(path: Path, columns: Sequence[Column], rows: Iterable[Values]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count, source = _schema(columns), 0, iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while chunk := list(islice(source, _ROWS)):
            arrays = [
                pa.array([values[place] for values in chunk], type=field.type)
                for place, field in enumerate(schema)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(chunk)
    return count


def _read_parquet(path: Path, columns: Sequence[Column]) -> Iterator[Values]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    expected = _schema(columns)
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(expected):
                raise ValueError(f"columns {file.schema_arrow.names}, expected {expected.names}")
            for batch in file.iter_batches(_ROWS):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error


def _schema(columns: Sequence[Column]) -> pa.Schema:
    import pyarrow as pa

    types = {
        Kind.INTEGER: pa.int64(),
        Kind.REAL: pa.float64(),
        Kind.TEXT: pa.string(),
        Kind.PACKED: pa.string(),
        Kind.JSON: pa.string(),
        Kind.BLOB: pa.binary(),
    }
    return pa.schema(
        [pa.field(column.name, types[column.kind], column.optional) for column in columns]
    )


FORMATS = {
    "jsonl": Format("jsonl", _write_lines, _read_lines),
    "parquet": Format("parquet", _write_parquet, _read_parquet),
}
