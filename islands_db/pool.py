"""A pool of programs as growable columns: one island's population, or its archive.

A pool's slots are the table's rows, number for number, so a pool read back from the database is
the pool that was lost, order and ties included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

NO_CELL = -1
NO_SIGNATURE = 0


@dataclass(frozen=True, slots=True)
class Entrant:
    """A judged program that may enter a pool.

    `cell` is `NO_CELL` where it lacks a feature, `signature` `NO_SIGNATURE` where its behaviour is
    not known well enough to call another program its twin.
    """

    program: int
    rung: int
    fitness: float
    length: int
    cell: int
    signature: int = NO_SIGNATURE


@dataclass(frozen=True, slots=True)
class Columns:
    """What a selection policy sees: one entry a program, all arrays of the same length.

    `joined` is the number of attempts that had ended when the program came in; `elite` marks the
    members of a population that hold a cell of their island's archive.
    """

    program: Integers
    rung: Integers
    fitness: Floats
    length: Integers
    cell: Integers
    signature: Integers
    joined: Integers
    elite: Flags

    def __len__(self) -> int:
        return len(self.program)

    def entrant(self, slot: int) -> Entrant:
        return Entrant(
            program=int(self.program[slot]),
            rung=int(self.rung[slot]),
            fitness=float(self.fitness[slot]),
            length=int(self.length[slot]),
            cell=int(self.cell[slot]),
            signature=int(self.signature[slot]),
        )


class Pool:
    """Columns that grow by doubling; `size` of them are in use."""

    def __init__(self) -> None:
        self.size = 0
        self._program = np.zeros(16, np.int64)
        self._rung = np.zeros(16, np.int64)
        self._fitness = np.zeros(16, np.float64)
        self._length = np.zeros(16, np.int64)
        self._cell = np.zeros(16, np.int64)
        self._signature = np.zeros(16, np.int64)
        self._joined = np.zeros(16, np.int64)
        self._elite = np.zeros(16, np.bool_)
        self._columns = self._view()

    @property
    def columns(self) -> Columns:
        """Views of the slots in use; they show later changes of those slots."""
        return self._columns

    def put(self, slot: int, entrant: Entrant, joined: int, *, elite: bool = False) -> None:
        """Writes one slot; `slot` is one in use or the next free one."""
        if slot == len(self._program):
            self._grow()
        self._program[slot] = entrant.program
        self._rung[slot] = entrant.rung
        self._fitness[slot] = entrant.fitness
        self._length[slot] = entrant.length
        self._cell[slot] = entrant.cell
        self._signature[slot] = entrant.signature
        self._joined[slot] = joined
        self._elite[slot] = elite
        if slot == self.size:
            self.size += 1
            self._columns = self._view()

    def mark(self, slot: int, *, elite: bool) -> None:
        self._elite[slot] = elite

    def _view(self) -> Columns:
        size = self.size
        return Columns(
            program=self._program[:size],
            rung=self._rung[:size],
            fitness=self._fitness[:size],
            length=self._length[:size],
            cell=self._cell[:size],
            signature=self._signature[:size],
            joined=self._joined[:size],
            elite=self._elite[:size],
        )

    def _grow(self) -> None:
        for name in (
            "program", "rung", "fitness", "length", "cell", "signature", "joined", "elite"
        ):  # fmt: skip
            column = getattr(self, f"_{name}")
            setattr(self, f"_{name}", np.concatenate([column, np.zeros_like(column)]))
        self._columns = self._view()
