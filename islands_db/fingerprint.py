"""Whether two runs came to the same end: a hash over everything that chance does not decide."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from islands_db import connections
from islands_db.faults import faults

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

MEASURED: Mapping[str, tuple[str, ...]] = {
    "attempts": ("propose_s", "created", "settled"),
    "verdicts": ("wall_s", "cpu_s", "memory_bytes"),
    "past_verdicts": ("wall_s", "cpu_s", "memory_bytes"),
    "scorings": ("created",),
    "events": ("created",),
}
"""Columns that hold what a clock or a meter read, by table; nothing is decided by them."""

_SEAL = "seal"
"""A checksum over measured columns too."""

_LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    # Verdicts outside training come when a worker is free for them.
    "verdicts": ("position",),
    "past_verdicts": ("position",),
}

_PROCESS = ("meta", "events", "calls", "rescoring")
"""Tables that tell of the process: its name, its workers, its pauses, its calls and their faults.
What the answers came to stands in the attempts."""

_TEXTS = ("sources", "contents")
"""Read together: the hash of a text stands for it, as zlib may pack it in other ways."""
_CONTENTS = (
    "SELECT c.program, c.path, s.hash FROM contents c JOIN sources s ON s.id = c.source"
    " ORDER BY c.program, c.path"
)


def fingerprint(path: str | os.PathLike[str]) -> str:
    """A hash of the search: equal for two runs exactly when they decided and found the same.

    Covered are settings, attempts, programs and their texts, verdicts, populations, archives,
    totals and held results; left out are the columns of `MEASURED`, the run's own values, its
    events and its calls. The order of rows does not count.

    Raises:
        StoreError: the file is no run's database.
    """
    path = Path(path)
    connections.require(path)
    total = sha256()
    with faults(path):
        connection = connections.connect_reader(path, check=False)
        try:
            connection.execute("BEGIN")
            for table in _tables(connection):
                columns = ", ".join(_columns(connection, table))
                total.update(f"{table}({columns})\n".encode())
                query = f"SELECT {columns} FROM {table} ORDER BY {columns}"  # noqa: S608
                _add(total, connection, query)
            _add(total, connection, _CONTENTS)
        finally:
            connection.close()
    return total.hexdigest()


def _add(total: Hash, connection: sqlite3.Connection, query: str) -> None:
    for row in connection.execute(query):
        total.update(f"{row!r}\n".encode())


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " ORDER BY name"
    )
    return [name for (name,) in found if name not in (*_PROCESS, *_TEXTS)]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    without = {*MEASURED.get(table, ()), *_LEFT_OUT.get(table, ())}
    found = connection.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (table,))
    return [f'"{name}"' for (name,) in found if name not in without | {_SEAL}]
