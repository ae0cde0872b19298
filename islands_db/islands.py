"""The islands in memory: who is in which population and archive, and what an outcome changes there.

No SQL here: changes are returned as rows, and the rows read back give the same islands. Nothing
depends on chance except what is handed a generator.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace

from islands_db.maps import CellMap
from islands_db.pool import FAILED, NO_CELL, NO_PARENT, Columns, Entrant, Pool
from islands_db.records import Cells, Fate, Graph, Inspire, IslandCounts, Settings
from islands_db.selection import inspirations, migration, pareto, reset
from islands_db.selection.policies import POLICIES, Admission
from islands_db.selection.replacement import best, leaver, twin
from islands_db.selection.reset import Peak


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a population or an archive, as its table holds it."""

    island: int
    number: int
    program: int
    joined: int


@dataclass(frozen=True, slots=True)
class Standing:
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
        self.population = Pool(objectives=several, features=axes)
        self.archive = Pool(objectives=several, features=axes)
        self.policy = POLICIES[settings.policies[index % len(settings.policies)]]
        self.inspire = settings.inspire[index % len(settings.inspire)]
        self.standing = Standing(index, born, 0, born, None)
        self.tries: Counter[int] = Counter()
        """Attempts begun from each program since the last reset; kept for search trees only."""
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

    def draw(self, rng: random.Random) -> tuple[Columns, int]:
        """The columns the parent is in, and its slot; the population must not be empty."""
        return self.policy.parent(self.population.columns, self.archive.columns, rng)

    def join(self, entrant: Entrant, now: int) -> Slot | None:
        """Takes the program into the population, unless it is there or too bad for it.

        Where the policy does not keep all, a population holds one program of one signature: the
        shorter, or the newcomer among equally long ones, so that copies of the best in other words
        do not crowd out the rest.
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
        self._rise(entrant, now)
        return Slot(self.index, slot, entrant.program, now)

    def _slot_for(self, entrant: Entrant) -> int | None:
        population = self.population
        admits = self.policy.admits
        if admits is Admission.ROOTS and entrant.parent != NO_PARENT:
            return None
        if admits in (Admission.ALL, Admission.ALL_AND_FAILED, Admission.ROOTS):
            return population.size
        if (alike := twin(population.columns, entrant)) is not None:
            return alike if entrant.length <= population.columns.length[alike] else None
        if population.size < self._capacity:
            return population.size
        if admits is Admission.CROWDED:
            return pareto.leaver(population.columns, entrant)
        return leaver(population.columns, rung=entrant.rung, fitness=entrant.fitness)

    def _rise(self, entrant: Entrant, now: int) -> None:
        before = self.standing
        mark = (entrant.rung, entrant.fitness)
        if entrant.fitness > FAILED and (before.peak is None or mark > before.peak):
            self.standing = Standing(self.index, before.born, before.since, now, mark)

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
        elif self.keeps_tree:
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
        self.standing = Standing(self.index, self.standing.born, since, now, None)
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
            members=_slots(self.index, self.population),
            elites=_slots(self.index, self.archive),
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
            self.settle_cell(_with_cell(entrant, place), joined)
        for program, slot in self._slot_of_program.items():
            self.population.set_cell(slot, moved.get(program, known[program][0].cell))
            entrant = self.population.columns.entrant(slot)
            self.population.mark(slot, elite=self._holds_cell(entrant))
        return moved, _slots(self.index, self.archive)

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
        self.all = [Island(index, settings) for index in range(settings.islands)]
        self.seeds: list[Entrant] = []
        """The seed programs, which found islands that are born later."""

    def restore(
        self,
        standings: Iterable[Standing],
        members: Iterable[tuple[Slot, Entrant]],
        elites: Iterable[tuple[Slot, Entrant]],
        tries: Iterable[tuple[int, int, int]],
    ) -> None:
        """Fills empty islands with the rows of the tables, slots ordered by island and number.

        Args:
            standings: One for each island, in order.
            members: The populations.
            elites: The archives.
            tries: (island, parent, attempts begun since the island's last reset).
        """
        self.all = []
        for row in standings:
            home = Island(row.island, self._settings)
            home.standing = row
            self.all.append(home)
        for island, parent, count in tries:
            self.all[island].tries[parent] = count
        for slot, entrant in elites:
            self.all[slot.island].put_elite(slot.number, entrant, slot.joined)
        for slot, entrant in members:
            self.all[slot.island].put_member(slot.number, entrant, slot.joined)

    def sample(self, attempt: int, rng: random.Random) -> tuple[int, int | None, tuple[int, ...]]:
        """(island, parent, inspirations) of an attempt; no parent while the island is empty."""
        home = self.all[attempt % len(self.all)]
        if not home.population.size:
            return home.index, None, ()
        columns, slot = home.draw(rng)
        parent = columns.entrant(slot)
        return home.index, parent.program, self._shown(home, parent, rng)

    def _shown(self, home: Island, parent: Entrant, rng: random.Random) -> tuple[int, ...]:
        count = self._settings.inspirations
        match home.inspire:
            case Inspire.MIXED:
                archives = [island.archive.columns for island in self.all]
                return inspirations.mixed(archives, home.index, parent, rng, count=count)
            case Inspire.TOP:
                return inspirations.top(home.population.columns, parent, count=count)
            case Inspire.DIVERSE:
                return inspirations.diverse(home.archive.columns, parent, rng, count=count)
            case Inspire.FOREIGN:
                populations = [island.population.columns for island in self.all]
                return inspirations.foreign(populations, home.index, parent, rng, count=count)
            case Inspire.POLICY:
                return inspirations.by_policy(lambda: home.draw(rng), parent, count=count)

    def begin(self, island: int, parent: int | None) -> None:
        """Notes that an attempt has begun, where the island's policy asks."""
        if parent is not None and self.all[island].keeps_tree:
            self.all[island].count_try(parent)

    def enter(
        self, entrant: Entrant, *, attempt: int, island: int, fate: Fate, now: int
    ) -> Changes:
        """Lets a judged program in: a seed on all islands, any other on its own.

        What was sampled before an island's reset may take a cell of its archive, but does not join
        its population.
        """
        if fate is Fate.SEED and entrant.fitness > FAILED:
            self.seeds.append(entrant)
        changes = Changes()
        for home in self.all if fate is Fate.SEED else [self.all[island]]:
            before = home.standing
            if (elite := home.settle_cell(entrant, now)) is not None:
                changes.elites.append(elite)
            if attempt < before.since:
                continue
            if (member := home.join(entrant, now)) is not None:
                changes.members.append(member)
            if home.standing is not before:
                changes.standings[home.index] = home.standing
        return changes

    def epoch(self, *, now: int, last_attempt: int) -> list[Changes]:
        """What happens to the islands after `now` settled attempts, in order.

        Args:
            now: Settled attempts.
            last_attempt: The highest attempt that has begun.
        """
        settings, found = self._settings, []
        if settings.migration_every and now % settings.migration_every == 0:
            found.append(self._migrate(now))
        if settings.reset_every and now % settings.reset_every == 0:
            found += self._reset(now, last_attempt)
        if settings.stagnation and self._stagnates(now):
            found.append(self._give_birth(now))
        return found

    def _migrate(self, now: int) -> Changes:
        """Sends copies of each island's best along the edges, all chosen before any arrives."""
        edges = migration.edges(self._settings.migration, len(self.all), self._settings.edges)
        leaving = [
            (self.all[target], self.all[source].population.columns.entrant(slot))
            for source, target in edges
            for slot in migration.migrants(self.all[source].population.columns)
        ]
        changes = Changes(epochs=[Epoch("migration")])
        for target, entrant in leaving:
            before = target.standing
            if (slot := target.join(entrant, now)) is not None:
                changes.members.append(slot)
            if target.standing is not before:
                changes.standings[target.index] = target.standing
        return changes

    def _reset(self, now: int, last_attempt: int) -> list[Changes]:
        rng = random.Random(f"{self._settings.seed} reset {now}")
        founders = [
            (self.all[island], self.all[source].best)
            for island, source in reset.worse_half([i.standing.peak for i in self.all], rng)
        ]
        found = []
        for island, founder in founders:
            if founder is None:
                continue
            slots = island.begin_again([founder], since=last_attempt + 1, now=now)
            found.append(
                Changes(
                    emptied_populations=[island.index],
                    members=slots,
                    standings={island.index: island.standing},
                    epochs=[Epoch("reset", island.index, founder.program)],
                )
            )
        return found

    def _stagnates(self, now: int) -> bool:
        latest = max(max(i.standing.improved, i.standing.born) for i in self.all)
        room = len(self.all) < self._settings.most_islands
        return room and bool(self.seeds) and now - latest >= self._settings.stagnation

    def _give_birth(self, now: int) -> Changes:
        """Another island, founded by the seed programs; attempts take it in turn from now on."""
        island = Island(len(self.all), self._settings, born=now)
        self.all.append(island)
        cells = [slot for seed in self.seeds if (slot := island.settle_cell(seed, now)) is not None]
        slots = [slot for seed in self.seeds if (slot := island.join(seed, now)) is not None]
        return Changes(
            members=slots,
            elites=cells,
            standings={island.index: island.standing},
            epochs=[Epoch("birth", island.index)],
        )

    def remap(self, cells: CellMap) -> Changes:
        """Moves every program on the islands to its cell of another map."""
        changes = Changes(epochs=[Epoch("map")])
        for island in self.all:
            moved, elites = island.remap(cells)
            changes.cells |= moved
            changes.elites += elites
            changes.emptied_archives.append(island.index)
        self.seeds = [
            _with_cell(seed, cells.cell(seed.features, seed.length)) for seed in self.seeds
        ]
        changes.cells |= {seed.program: seed.cell for seed in self.seeds}
        return changes

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


def _slots(island: int, pool: Pool) -> list[Slot]:
    columns = pool.columns
    return [
        Slot(island, number, int(columns.program[number]), int(columns.joined[number]))
        for number in range(pool.size)
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
        ("objectives", 1),
        ("reset_every", 0),
        ("stagnation", 0),
        ("centroids", 1),
    ):
        value = getattr(settings, name)
        if value < least:
            raise ValueError(f"settings: {name} = {value}, expected {least} or more")
    for axis in settings.axes:
        if axis.cells < 1 or not axis.low < axis.high:
            raise ValueError(f"settings: {axis}: expected low < high and at least one cell")
    if settings.cells is not Cells.GRID and not settings.axes:
        raise ValueError(f"settings: cells = {settings.cells}, which needs at least one axis")
    _check_policies(settings)
    _check_edges(settings.edges, settings)


def _check_policies(settings: Settings) -> None:
    if not settings.policies or not settings.inspire:
        raise ValueError("settings: policies and inspire name at least one each")
    for name in settings.policies:
        if name not in POLICIES:
            known = ", ".join(POLICIES)
            raise ValueError(f"settings: no policy {name!r}; there are: {known}")
    if settings.reset_every and "map_elites" in settings.policies:
        raise ValueError(
            "settings: reset_every does nothing to map_elites, which draws from the archive; a "
            "reset empties populations. Choose another policy, or reset_every = 0"
        )
    if settings.reset_every and "best_of_n" in settings.policies:
        raise ValueError(
            "settings: best_of_n takes seeds only, so a reset would leave its island empty; choose "
            "another policy, or reset_every = 0"
        )


def _check_edges(edges: Sequence[tuple[int, int]], settings: Settings) -> None:
    if edges and settings.migration is not Graph.EDGES:
        raise ValueError(f"settings: edges are given, but migration = {settings.migration}")
    most = max(settings.islands, settings.most_islands if settings.stagnation else 0)
    for source, target in edges:
        if source == target or not (0 <= source < most and 0 <= target < most):
            raise ValueError(f"settings: edge {source} -> {target}, with islands 0 to {most - 1}")


def _with_cell(entrant: Entrant, cell: int) -> Entrant:
    if cell == entrant.cell:
        return entrant
    return replace(entrant, cell=cell)


def _rank(entrant: Entrant) -> tuple[int, float, int]:
    return entrant.rung, entrant.fitness, -entrant.length
