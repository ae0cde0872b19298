"""A whole run as columns: one row for each ended attempt, in the order they ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_COLUMNS = np.dtype(
    [
        ("attempt", np.int64),
        ("island", np.int64),
        ("parent", np.int64),
        ("proposer", np.int64),
        ("operator", np.int64),
        ("program", np.int64),
        ("settled", np.float64),
        ("cost_usd", np.float64),
        ("rung", np.int64),
        ("fitness", np.float64),
        ("cell", np.int64),
        ("ran", np.bool_),
    ]
)
_QUERY = """
SELECT a.attempt, a.island, a.parent, a.proposer, a.operator, p.id, a.settled, a.cost_usd,
    p.rung, p.fitness, p.cell, a.fate IN ('seed', 'evaluated', 'twin')
FROM attempts a LEFT JOIN programs p ON p.id = a.program AND p.attempt = a.attempt
WHERE a.fate IS NOT NULL ORDER BY a.settled, a.attempt
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Columns of equal length; 0 stands for no parent and no program, -1 for no rung and no cell.

    Attributes:
        proposer: Index into `proposers`.
        operator: Index into `operators`.
        settled: When the attempt ended, UTC seconds since 1970; for display only.
        fitness: Of the first objective, higher is better; NaN where there is none.
        ran: It used up an evaluation, twins too.
    """

    attempt: Integers
    island: Integers
    parent: Integers
    proposer: Integers
    operator: Integers
    program: Integers
    settled: Floats
    cost_usd: Floats
    rung: Integers
    fitness: Floats
    cell: Integers
    ran: NDArray[np.bool_]
    proposers: tuple[str, ...]
    operators: tuple[str, ...]


def read(connection: sqlite3.Connection) -> History:
    """All that has ended; about 2.5 s and 90 MB for a million attempts."""
    proposers: dict[str, int] = {}
    operators: dict[str, int] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for row in connection.execute(_QUERY):
            attempt, island, parent, who, how, program, settled, cost, rung, fitness, cell, ran = (
                row
            )
            yield (
                attempt,
                island,
                parent or 0,
                proposers.setdefault(who, len(proposers)),
                operators.setdefault(how, len(operators)),
                program or 0,
                settled or 0.0,
                cost,
                -1 if rung is None else rung,
                np.nan if fitness is None else fitness,
                -1 if cell is None else cell,
                ran,
            )

    table = np.fromiter(rows(), dtype=_COLUMNS)
    columns = {name: np.ascontiguousarray(table[name]) for name in _COLUMNS.names or ()}
    return History(**columns, proposers=tuple(proposers), operators=tuple(operators))


_PROGRAM_COLUMNS = np.dtype(
    [
        ("id", np.int64),
        ("attempt", np.int64),
        ("island", np.int64),
        ("parent", np.int64),
        ("proposer", np.int64),
        ("operator", np.int64),
        ("generation", np.int64),
        ("length", np.int64),
        ("rung", np.int64),
        ("fitness", np.float64),
        ("cell", np.int64),
        ("settled", np.float64),
        ("cost_usd", np.float64),
    ]
)
_PROGRAMS = """
SELECT p.id, p.attempt, a.island, ifnull(a.parent, 0), a.proposer, a.operator, p.generation,
    p.length, ifnull(p.rung, -1), p.fitness, ifnull(p.cell, -1), ifnull(a.settled, 0), a.cost_usd
FROM programs p JOIN attempts a ON a.attempt = p.attempt WHERE p.id > ? ORDER BY p.id
"""


class Programs:
    """The programs of a run as columns that grow with it, one entry each in the order of their ids.

    Reading what is new costs only that, so a page can follow a run of any size. While a run is
    written a program does not change, but for its cell where the archive's map moves; `cell` is
    what it was when it was read. Where scores were given anew, begin with new columns.

    Attributes:
        table: A structured array: id, attempt, island, parent (0: none), proposer and operator
            (indices into `proposers` and `operators`), generation, length, rung (-1: none),
            fitness (higher is better; NaN: none), cell (-1: none), settled (UTC seconds), cost_usd.
    """

    def __init__(self) -> None:
        self._rows = np.zeros(1024, dtype=_PROGRAM_COLUMNS)
        self.table = self._rows[:0]
        self.proposers: list[str] = []
        self.operators: list[str] = []

    def read_on(self, connection: sqlite3.Connection) -> int:
        """Reads what has come since; how many programs that were. About 0.4 s for 100,000."""
        last = int(self.table["id"][-1]) if len(self.table) else 0
        codes: tuple[dict[str, int], dict[str, int]] = (
            {name: code for code, name in enumerate(self.proposers)},
            {name: code for code, name in enumerate(self.operators)},
        )

        def rows() -> Iterator[tuple[object, ...]]:
            for row in connection.execute(_PROGRAMS, (last,)):
                who, how = (
                    names.setdefault(name, len(names))
                    for names, name in zip(codes, row[4:6], strict=True)
                )
                fitness = np.nan if row[9] is None else row[9]
                yield (*row[:4], who, how, *row[6:9], fitness, *row[10:])

        new = np.fromiter(rows(), dtype=_PROGRAM_COLUMNS)
        if len(new):
            size = len(self.table) + len(new)
            if size > len(self._rows):
                self._rows = np.concatenate([self.table, np.zeros(size, dtype=_PROGRAM_COLUMNS)])
            self._rows[size - len(new) : size] = new
            self.table = self._rows[:size]
            self.proposers, self.operators = (list(names) for names in codes)
        return len(new)
