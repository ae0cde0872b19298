"""All islands of a run in memory, and what an outcome or an epoch changes on them.

No SQL here: changes are returned as rows, and the rows read back give the same islands. Nothing
depends on chance except what is handed a generator.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import partial

from islands_db.island import Changes, Epoch, Island, Slot, Standing, with_cell
from islands_db.maps import CellMap
from islands_db.pool import FAILED, Entrant
from islands_db.records import Fate, Inspire, IslandCounts, Settings
from islands_db.selection import inspirations, migration, reset


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
            tries: (island, parent, attempts begun since the island's last reset), of members.
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
                mixed = partial(inspirations.mixed, archives, home.index, parent, rng, count=count)
                if (contest := home.contest) is None:
                    return mixed()
                return inspirations.by_cases(contest, parent, rng, count=count, others=mixed)
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
        if parent is not None and self.all[island].policy.counts_tries:
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
            home.credit(entrant, now)
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
            if target.policy.of_archive and (cell := target.settle_cell(entrant, now)) is not None:
                changes.elites.append(cell)
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
            with_cell(seed, cells.cell(seed.features, seed.length)) for seed in self.seeds
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
