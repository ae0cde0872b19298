"""A pool of programs as growable columns: one island's population, or its archive.

A pool's slots are the table's rows, number for number, so a pool read back from the database is
the pool that was lost, order and ties included.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Objects: TypeAlias = NDArray[np.object_]

N = TypeVar("N", bound=np.generic)

NO_CELL = -1
NO_SIGNATURE = 0
NO_PARENT = 0
FAILED: Final = -math.inf
"""The fitness of a program without one, in the pools that take such programs."""


class Entrant(msgspec.Struct, frozen=True):
    """A judged program that may enter a pool.

    `cell` is `NO_CELL` where it lacks a feature, `signature` `NO_SIGNATURE` where its behaviour is
    not known well enough to call another program its twin, `parent` `NO_PARENT` for a seed or a
    program handed in. `objectives`, `features` and `cases` are kept only where the run
    needs them.
    """

    program: int
    rung: int
    fitness: float
    length: int
    cell: int
    signature: int = NO_SIGNATURE
    parent: int = NO_PARENT
    objectives: tuple[float, ...] = ()
    features: tuple[float, ...] = ()
    cases: bytes = b""
    """Its score in each test case, higher is better: 32-bit floats, little-endian."""


class Clusters(msgspec.Struct, frozen=True):
    """The clusters of a population, one entry each: programs of one rung and signature."""

    rung: Integers
    fitness: Floats


class Columns(msgspec.Struct, frozen=True):
    """What a selection policy sees: one entry a program, all arrays of the same length.

    Attributes:
        joined: Attempts that had ended when the program came in.
        elite: Marks members of a population that hold a cell of their island's archive.
        parent: Program it was made from, or `NO_PARENT`.
        tries: Attempts begun from it on this island, where the policy asks.
        failures: Failed programs directly above it, where the policy asks.
        objectives: Shape (programs, objectives), higher is better; no columns where there is one.
        cluster: Index into `clusters`, where the policy asks.
        cases: Bytes as in `Entrant`; empty where there are none, or the policy does not ask.
    """

    program: Integers
    rung: Integers
    fitness: Floats
    length: Integers
    cell: Integers
    signature: Integers
    joined: Integers
    elite: Flags
    parent: Integers
    tries: Integers
    failures: Integers
    cluster: Integers
    objectives: Floats
    features: Floats
    cases: Objects
    clusters: Clusters

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
            parent=int(self.parent[slot]),
            objectives=tuple(self.objectives[slot].tolist()) if self.objectives.shape[1] else (),
            features=_features(self.features[slot]) if self.features.shape[1] else (),
            cases=self.cases[slot],
        )


_START = 16


class Pool:
    """Columns that grow by doubling; `size` of them are in use.

    Args:
        objectives: Columns of objectives, 0 where fitness is the only one.
        features: Columns of features, 0 where they are not kept.
        cases: Whether scores by case are kept.
    """

    def __init__(self, *, objectives: int = 0, features: int = 0, cases: bool = False) -> None:
        self._widths = (objectives, features)
        self._keeps_cases = cases
        self.version = 0
        """Changes whenever a program comes in or leaves."""
        self._cluster_of: dict[int, int] = {}
        self.clear()

    def clear(self) -> None:
        """Empties the pool."""
        self.version += 1
        self.size = 0
        objectives, features = self._widths
        self._all = Columns(
            program=np.zeros(_START, np.int64),
            rung=np.zeros(_START, np.int64),
            fitness=np.zeros(_START, np.float64),
            length=np.zeros(_START, np.int64),
            cell=np.zeros(_START, np.int64),
            signature=np.zeros(_START, np.int64),
            joined=np.zeros(_START, np.int64),
            elite=np.zeros(_START, np.bool_),
            parent=np.zeros(_START, np.int64),
            tries=np.zeros(_START, np.int64),
            failures=np.zeros(_START, np.int64),
            cluster=np.zeros(_START, np.int64),
            objectives=np.zeros((_START, objectives), np.float64),
            features=np.zeros((_START, features), np.float64),
            cases=np.full(_START, b"", np.object_),
            clusters=Clusters(rung=np.zeros(_START, np.int64), fitness=np.zeros(_START)),
        )
        self._cluster_of = {}
        self._columns = self._view()

    @property
    def columns(self) -> Columns:
        """Views of the slots in use; they show later changes of those slots."""
        return self._columns

    def put(self, slot: int, entrant: Entrant, joined: int, *, elite: bool = False) -> None:
        """Writes one slot; `slot` is one in use or the next free one."""
        if slot == len(self._all.program):
            self._grow()
        self.version += 1
        every = self._all
        every.program[slot] = entrant.program
        every.rung[slot] = entrant.rung
        every.fitness[slot] = entrant.fitness
        every.length[slot] = entrant.length
        every.cell[slot] = entrant.cell
        every.signature[slot] = entrant.signature
        every.joined[slot] = joined
        every.elite[slot] = elite
        every.parent[slot] = entrant.parent
        every.tries[slot] = every.failures[slot] = every.cluster[slot] = 0
        if self._widths[0]:
            every.objectives[slot] = entrant.objectives or math.nan
        if self._widths[1]:
            every.features[slot] = entrant.features or math.nan
        every.cases[slot] = entrant.cases if self._keeps_cases else b""
        if slot == self.size:
            self.size += 1
            self._columns = self._view()

    def mark(self, slot: int, *, elite: bool) -> None:
        self._all.elite[slot] = elite

    def set_cell(self, slot: int, cell: int) -> None:
        self._all.cell[slot] = cell

    def set_node(self, slot: int, *, tries: int, failures: int) -> None:
        """What a search tree notes of its nodes."""
        self._all.tries[slot] = tries
        self._all.failures[slot] = failures

    def assign_cluster(self, slot: int) -> None:
        """Puts the program of a slot just filled, never to be filled again, into its cluster."""
        every = self._all
        signature = int(every.signature[slot])
        # a program whose behaviour is not known is a cluster by itself
        # one integer, as rung and signature in a tuple would take 70 bytes more for each
        key = (
            int(every.rung[slot]) * 2**64 + signature
            if signature
            else -(2**64) - int(every.program[slot])
        )
        known = len(self._cluster_of)
        cluster = self._cluster_of.setdefault(key, known)
        if cluster == len(every.clusters.rung):
            wider = Clusters(
                rung=_doubled(every.clusters.rung), fitness=_doubled(every.clusters.fitness)
            )
            self._all = every = structs.replace(every, clusters=wider)
        # what is measured varies among programs of one behaviour
        if cluster == known or every.fitness[slot] > every.clusters.fitness[cluster]:
            every.clusters.rung[cluster] = every.rung[slot]
            every.clusters.fitness[cluster] = every.fitness[slot]
        every.cluster[slot] = cluster
        self._columns = self._view()

    def _view(self) -> Columns:
        size, clusters = self.size, len(self._cluster_of)
        every = self._all
        return Columns(
            **{name: getattr(every, name)[:size] for name in _COLUMNS},
            clusters=Clusters(
                rung=every.clusters.rung[:clusters], fitness=every.clusters.fitness[:clusters]
            ),
        )

    def _grow(self) -> None:
        every = self._all
        self._all = Columns(
            **{name: _doubled(getattr(every, name)) for name in _COLUMNS}, clusters=every.clusters
        )
        self._columns = self._view()


_COLUMNS = tuple(name for name in Columns.__struct_fields__ if name != "clusters")


def _doubled(column: NDArray[N]) -> NDArray[N]:
    return np.concatenate([column, np.zeros_like(column)])


def _features(row: Floats) -> tuple[float, ...]:
    # a program that lacks one feature has none
    return () if np.isnan(row).any() else tuple(row.tolist())
