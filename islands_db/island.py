"""One island in memory: its population and its archive, and who gets in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from islands_db.maps import CellMap
from islands_db.pool import FAILED, NO_CELL, NO_PARENT, Columns, Entrant, Pool
from islands_db.records import Cells, Settings
from islands_db.selection import pareto
from islands_db.selection.lexicase import Contest, comparable
from islands_db.selection.policies import POLICIES, Admission
from islands_db.selection.replacement import best, leaver, twin
from islands_db.selection.reset import Peak


class Slot(msgspec.Struct, frozen=True):
    """One slot of a population or an archive, as its table holds it."""

    island: int
    number: int
    program: int
    joined: int


class Standing(msgspec.Struct, frozen=True):
    """An island's own row: see the table `islands`."""

    island: int
    born: int
    since: int
    improved: int
    peak: Peak | None


@dataclass(frozen=True, slots=True)
class Epoch:
    """Something that happened to the islands themselves."""

    kind: str
    island: int | None = None
    program: int | None = None


@dataclass(slots=True)
class Changes:
    """What has changed in the tables; written in the order of the fields."""

    emptied_populations: list[int] = field(default_factory=list)
    emptied_archives: list[int] = field(default_factory=list)
    members: list[Slot] = field(default_factory=list)
    elites: list[Slot] = field(default_factory=list)
    cells: dict[int, int] = field(default_factory=dict)
    """New cells of programs."""
    standings: dict[int, Standing] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)


class Island:
    """One population and one archive."""

    def __init__(self, index: int, settings: Settings, *, born: int = 0) -> None:
        several = settings.objectives if settings.objectives > 1 else 0
        axes = len(settings.axes) if settings.cells is Cells.ADAPTIVE else 0
        self.index = index
        # a copy that migrates needs them elsewhere
        cases = any(POLICIES[name].by_cases for name in settings.policies)
        self.population = Pool(objectives=several, features=axes, cases=cases)
        self.archive = Pool(objectives=several, features=axes, cases=cases)
        self.policy = POLICIES[settings.policies[index % len(settings.policies)]]
        self.inspire = settings.inspire[index % len(settings.inspire)]
        self.standing = Standing(index, born, 0, born, None)
        self.tries: Counter[int] = Counter()
        """Attempts begun from each program since the last reset, where the policy counts them."""
        self._contest: tuple[tuple[int, int], Contest | None] | None = None
        self._capacity = settings.population
        self._slot_of_program: dict[int, int] = {}
        self._slot_of_cell: dict[int, int] = {}

    @property
    def keeps_tree(self) -> bool:
        return self.policy.admits is Admission.ALL_AND_FAILED

    @property
    def best(self) -> Entrant | None:
        """The best of the population; of equals the program that is older in the run."""
        columns = self.population.columns
        if not len(columns):
            return None
        found = columns.entrant(best(columns))
        return None if found.fitness == FAILED else found

    @property
    def contest(self) -> Contest | None:
        """What is drawn from by cases; None where the policy does not, or there are none."""
        if not self.policy.by_cases:
            return None
        versions = self.population.version, self.archive.version
        if self._contest is None or self._contest[0] != versions:
            found = comparable((self.population.columns, self.archive.columns))
            self._contest = versions, found
        return self._contest[1]

    def draw(self, rng: random.Random) -> tuple[Columns, int]:
        """The columns the parent is in, and its slot; the population must not be empty."""
        if (contest := self.contest) is not None:
            return contest.draw(rng)
        return self.policy.parent(self.population.columns, self.archive.columns, rng)

    def join(self, entrant: Entrant, now: int) -> Slot | None:
        """Takes the program into the population, unless it is there or too bad for it.

        Where the policy does not keep all, a population holds one program of one signature: the
        better (where what is measured varies), the shorter of equally good ones, or the newcomer
        among equally long ones, so that copies of the best in other words do not crowd out the
        rest.
        """
        if entrant.program in self._slot_of_program:
            return None
        if entrant.fitness == FAILED and not self.keeps_tree:
            return None
        slot = self._slot_for(entrant)
        if slot is None:
            return None
        if slot < self.population.size:
            del self._slot_of_program[int(self.population.columns.program[slot])]
        self.put_member(slot, entrant, now)
        self._rise(entrant, improved=self.standing.improved)
        return Slot(self.index, slot, entrant.program, now)

    def _slot_for(self, entrant: Entrant) -> int | None:
        population = self.population
        admits = self.policy.admits
        if admits is Admission.ROOTS and entrant.parent != NO_PARENT:
            return None
        if admits in (Admission.ALL, Admission.ALL_AND_FAILED, Admission.ROOTS):
            return population.size
        if (alike := twin(population.columns, entrant)) is not None:
            there = population.columns
            mine = entrant.fitness, -entrant.length
            return alike if mine >= (there.fitness[alike], -there.length[alike]) else None
        if population.size < self._capacity:
            return population.size
        if admits is Admission.CROWDED:
            return pareto.leaver(population.columns, entrant)
        return leaver(population.columns, rung=entrant.rung, fitness=entrant.fitness)

    def credit(self, entrant: Entrant, now: int) -> None:
        """Notes that a program made here is the best so far, whether or not it joins.

        A copy that migrates or founds anew is nothing new to the run.
        """
        self._rise(entrant, improved=now)

    def _rise(self, entrant: Entrant, *, improved: int) -> None:
        before = self.standing
        mark = (entrant.rung, entrant.fitness)
        if entrant.fitness > FAILED and (before.peak is None or mark > before.peak):
            self.standing = Standing(self.index, before.born, before.since, improved, mark)

    def settle_cell(self, entrant: Entrant, now: int) -> Slot | None:
        """Gives the program its cell of the archive if that is free or held by a lesser one.

        Of equals the shorter program holds the cell, of equally long ones the first.
        """
        if entrant.cell == NO_CELL or entrant.fitness == FAILED:
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
        if self.policy.admits is Admission.ALL:
            self.population.assign_cluster(slot)
        elif self.policy.counts_tries:
            tries = self.tries[entrant.program]
            self.population.set_node(slot, tries=tries, failures=self._failures_above(entrant))

    def _failures_above(self, entrant: Entrant) -> int:
        above = self._slot_of_program.get(entrant.parent)
        columns = self.population.columns
        if above is None or columns.fitness[above] != FAILED:
            return 0
        return int(columns.failures[above]) + 1

    def put_elite(self, slot: int, entrant: Entrant, joined: int) -> None:
        """Writes one slot of the archive; the holder before loses its mark in the population."""
        if slot < self.archive.size:
            self._mark(int(self.archive.columns.program[slot]), elite=False)
        self.archive.put(slot, entrant, joined, elite=True)
        self._slot_of_cell[entrant.cell] = slot
        self._mark(entrant.program, elite=True)

    def count_try(self, parent: int) -> None:
        """Notes that an attempt has begun from the program."""
        self.tries[parent] += 1
        slot = self._slot_of_program.get(parent)
        if slot is not None:
            failures = int(self.population.columns.failures[slot])
            self.population.set_node(slot, tries=self.tries[parent], failures=failures)

    def begin_again(self, founders: Iterable[Entrant], *, since: int, now: int) -> list[Slot]:
        """Empties the population and lets the founders in; the archive stays."""
        self.population.clear()
        self._slot_of_program.clear()
        self.tries.clear()
        before = self.standing
        self.standing = Standing(self.index, before.born, since, before.improved, None)
        return [slot for entrant in founders if (slot := self.join(entrant, now)) is not None]

    def expel(
        self, programs: Container[int], seeds: Callable[[], Iterable[Entrant]], *, now: int
    ) -> Changes | None:
        """Takes programs out of population and archive; None where none of them is here.

        What they had pushed out does not come back. An island that would be empty begins again
        with the seeds.
        """
        stay: list[list[tuple[Entrant, int]]] = []
        for pool in (self.population, self.archive):
            columns = pool.columns
            all_here = [(columns.entrant(n), int(columns.joined[n])) for n in range(pool.size)]
            stay.append([one for one in all_here if one[0].program not in programs])
        members, elites = stay
        if len(members) == self.population.size and len(elites) == self.archive.size:
            return None
        for pool in (self.population, self.archive):
            pool.clear()
        self._slot_of_program.clear()
        self._slot_of_cell.clear()
        for slot, (entrant, joined) in enumerate(elites):
            self.put_elite(slot, entrant, joined)
        for slot, (entrant, joined) in enumerate(members):
            self.put_member(slot, entrant, joined)
        before, leader = self.standing, self.best
        peak = None if leader is None else (leader.rung, leader.fitness)
        self.standing = Standing(self.index, before.born, before.since, before.improved, peak)
        if not members:
            for seed in seeds():
                self.settle_cell(seed, now)
                self.join(seed, now)
        return Changes(
            emptied_populations=[self.index],
            emptied_archives=[self.index],
            members=slots_of(self.index, self.population),
            elites=slots_of(self.index, self.archive),
            standings={self.index: self.standing},
        )

    def remap(self, cells: CellMap) -> tuple[dict[int, int], list[Slot]]:
        """Lets all programs here contend anew for the cells of another map.

        Returns:
            The new cells of the programs, and the archive's slots.
        """
        known: dict[int, tuple[Entrant, int]] = {}
        for pool in (self.archive, self.population):
            columns = pool.columns
            for slot in range(pool.size):
                entrant = columns.entrant(slot)
                known.setdefault(entrant.program, (entrant, int(columns.joined[slot])))
        self.archive.clear()
        self._slot_of_cell.clear()
        moved = {}
        for program in sorted(known):
            entrant, joined = known[program]
            place = cells.cell(entrant.features, entrant.length)
            if place != entrant.cell:
                moved[program] = place
            self.settle_cell(with_cell(entrant, place), joined)
        for program, slot in self._slot_of_program.items():
            self.population.set_cell(slot, moved.get(program, known[program][0].cell))
            entrant = self.population.columns.entrant(slot)
            self.population.mark(slot, elite=self._holds_cell(entrant))
        return moved, slots_of(self.index, self.archive)

    def _holds_cell(self, entrant: Entrant) -> bool:
        slot = self._slot_of_cell.get(entrant.cell)
        return slot is not None and self.archive.columns.program[slot] == entrant.program

    def _mark(self, program: int, *, elite: bool) -> None:
        slot = self._slot_of_program.get(program)
        if slot is not None:
            self.population.mark(slot, elite=elite)


def slots_of(island: int, pool: Pool) -> list[Slot]:
    """All slots of a population or an archive."""
    columns = pool.columns
    return [
        Slot(island, number, int(columns.program[number]), int(columns.joined[number]))
        for number in range(pool.size)
    ]


def with_cell(entrant: Entrant, cell: int) -> Entrant:
    """The same program in another cell."""
    if cell == entrant.cell:
        return entrant
    return replace(entrant, cell=cell)


def _rank(entrant: Entrant) -> tuple[int, float, int]:
    return entrant.rung, entrant.fitness, -entrant.length
