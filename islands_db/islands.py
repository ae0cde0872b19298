"""The islands in memory: who is in which population and archive, and what an outcome changes there.

No SQL here: changes are returned as rows, and the rows read back give the same islands. Nothing
depends on chance except `sample`, which is handed its generator.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from islands_db.pool import NO_CELL, Entrant, Pool
from islands_db.records import Fate, IslandCounts, Settings
from islands_db.selection import migration, mix
from islands_db.selection.inspirations import inspirations
from islands_db.selection.replacement import best, leaver, twin


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a population or an archive, as its table holds it."""

    island: int
    number: int
    program: int
    joined: int


@dataclass(slots=True)
class Changes:
    """The slots that a program has taken."""

    members: list[Slot] = field(default_factory=list)
    elites: list[Slot] = field(default_factory=list)


class Island:
    """One population and one archive."""

    def __init__(self, index: int, capacity: int) -> None:
        self.index = index
        self.population = Pool()
        self.archive = Pool()
        self._capacity = capacity
        self._slot_of_program: dict[int, int] = {}
        self._slot_of_cell: dict[int, int] = {}

    @property
    def best(self) -> Entrant | None:
        """The best of the population; of equals the program that is older in the run."""
        columns = self.population.columns
        if not len(columns):
            return None
        return columns.entrant(best(columns))

    def join(self, entrant: Entrant, now: int) -> Slot | None:
        """Takes the program into the population, unless it is there or too bad for it.

        Of programs with one signature a population holds one: the shorter, or the newcomer among
        equally long ones, so that copies of the best in other words do not crowd out the rest.
        """
        if entrant.program in self._slot_of_program:
            return None
        population = self.population
        slot: int | None = population.size
        if (alike := twin(population.columns, entrant)) is not None:
            slot = alike if entrant.length <= population.columns.length[alike] else None
        elif population.size >= self._capacity:
            slot = leaver(population.columns, rung=entrant.rung, fitness=entrant.fitness)
        if slot is None:
            return None
        if slot < population.size:
            del self._slot_of_program[int(population.columns.program[slot])]
        self.put_member(slot, entrant, now)
        return Slot(self.index, slot, entrant.program, now)

    def settle_cell(self, entrant: Entrant, now: int) -> Slot | None:
        """Gives the program its cell of the archive if that is free or held by a lesser one.

        Of equals the shorter program holds the cell, of equally long ones the first.
        """
        if entrant.cell == NO_CELL:
            return None
        slot = self._slot_of_cell.get(entrant.cell)
        if slot is None:
            slot = self.archive.size
        elif _rank(self.archive.columns.entrant(slot)) >= _rank(entrant):
            return None
        self.put_elite(slot, entrant, now)
        return Slot(self.index, slot, entrant.program, now)

    def put_member(self, slot: int, entrant: Entrant, joined: int) -> None:
        """Writes one slot of the population."""
        self.population.put(slot, entrant, joined, elite=self._holds_cell(entrant))
        self._slot_of_program[entrant.program] = slot

    def put_elite(self, slot: int, entrant: Entrant, joined: int) -> None:
        """Writes one slot of the archive; the holder before loses its mark in the population."""
        if slot < self.archive.size:
            self._mark(int(self.archive.columns.program[slot]), elite=False)
        self.archive.put(slot, entrant, joined, elite=True)
        self._slot_of_cell[entrant.cell] = slot
        self._mark(entrant.program, elite=True)

    def _holds_cell(self, entrant: Entrant) -> bool:
        slot = self._slot_of_cell.get(entrant.cell)
        return slot is not None and self.archive.columns.program[slot] == entrant.program

    def _mark(self, program: int, *, elite: bool) -> None:
        slot = self._slot_of_program.get(program)
        if slot is not None:
            self.population.mark(slot, elite=elite)


class Islands:
    """All islands of a run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.all = [Island(index, settings.population) for index in range(settings.islands)]

    def restore(
        self, members: Iterable[tuple[Slot, Entrant]], elites: Iterable[tuple[Slot, Entrant]]
    ) -> None:
        """Fills empty islands with the rows of the two tables, each ordered by island and slot."""
        for row, entrant in elites:
            self.all[row.island].put_elite(row.number, entrant, row.joined)
        for row, entrant in members:
            self.all[row.island].put_member(row.number, entrant, row.joined)

    def sample(self, attempt: int, rng: random.Random) -> tuple[int, int | None, tuple[int, ...]]:
        """(island, parent, inspirations) of an attempt; no parent while the island is empty."""
        home = self.all[attempt % len(self.all)]
        if not home.population.size:
            return home.index, None, ()
        columns, slot = mix.parent(home.population.columns, home.archive.columns, rng)
        parent = columns.entrant(slot)
        shown = inspirations(
            [island.archive.columns for island in self.all],
            home.index,
            parent,
            rng,
            count=self._settings.inspirations,
        )
        return home.index, parent.program, shown

    def enter(self, entrant: Entrant, *, island: int, fate: Fate, now: int) -> Changes:
        """Lets a judged program in: a seed on all islands, any other on its own."""
        changes = Changes()
        for home in self.all if fate is Fate.SEED else [self.all[island]]:
            if (elite := home.settle_cell(entrant, now)) is not None:
                changes.elites.append(elite)
            if (member := home.join(entrant, now)) is not None:
                changes.members.append(member)
        return changes

    def migrate(self, now: int) -> list[Slot]:
        """Sends copies of each island's best to the next, all chosen before any arrives."""
        leaving = [
            (target, self.all[source].population.columns.entrant(slot))
            for source, target in migration.ring(len(self.all))
            for slot in migration.migrants(self.all[source].population.columns)
        ]
        arrived = (self.all[target].join(entrant, now) for target, entrant in leaving)
        return [row for row in arrived if row is not None]

    def counts(self) -> list[IslandCounts]:
        """Each island's figures."""
        return [
            IslandCounts(
                size=island.population.size,
                elites=island.archive.size,
                best=None if (best := island.best) is None else best.program,
                best_rung=0 if best is None else best.rung,
                best_fitness=None if best is None else best.fitness,
            )
            for island in self.all
        ]


def check(settings: Settings) -> None:
    """Refuses settings that no islands can work by.

    Raises:
        ValueError: naming the setting, its value and what was expected.
    """
    for name, least in (
        ("islands", 1),
        ("population", 1),
        ("inspirations", 0),
        ("migration_every", 0),
    ):
        value = getattr(settings, name)
        if value < least:
            raise ValueError(f"settings: {name} = {value}, expected {least} or more")
    for axis in settings.axes:
        if axis.cells < 1 or not axis.low < axis.high:
            raise ValueError(f"settings: {axis}: expected low < high and at least one cell")


def _rank(entrant: Entrant) -> tuple[int, float, int]:
    return entrant.rung, entrant.fitness, -entrant.length
