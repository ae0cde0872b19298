"""The store against a plain model in memory, through every operation, crashes included."""

import math
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import structs

from islands_db import (
    Axis,
    Cells,
    Fate,
    Graph,
    Inspire,
    Outcome,
    Placement,
    ProgramText,
    Reader,
    Rescoring,
    Sample,
    Settings,
    Status,
    Store,
    StoreError,
    Verdict,
    collect,
    export_run,
    import_run,
    maps,
)
from islands_db.collecting import BEST
from islands_db.pool import FAILED, NO_CELL
from islands_db.selection import migration, pareto
from islands_db.selection.policies import POLICIES
from islands_db.selection.reset import worse_half

AXES = (Axis(name="x", low=0, high=3, cells=3),)
DEFAULT = Settings(islands=2, axes=AXES, population=4, inspirations=2, migration_every=6)
CHANGING = Settings(
    islands=2,
    axes=AXES,
    population=4,
    policies=("funsearch", "tree_search", "mix"),
    inspire=(Inspire.POLICY, Inspire.TOP, Inspire.FOREIGN),
    migration_every=9,
    migration=Graph.COMPLETE,
    reset_every=7,
    stagnation=4,
    most_islands=4,
    cells=Cells.ADAPTIVE,
    seed=5,
)
ADAPTIVE = replace(DEFAULT, population=2, cells=Cells.ADAPTIVE)
SEVERAL = Settings(
    islands=3,
    axes=(*AXES, Axis(name="length", low=0, high=3, cells=1)),
    population=4,
    policies=("pareto", "map_elites", "best_of_n"),
    inspire=(Inspire.DIVERSE,),
    objectives=2,
    migration_every=5,
    migration=Graph.EDGES,
    edges=((0, 2), (2, 1), (0, 1)),
    cells=Cells.CVT,
    centroids=3,
)
FAILURES = [
    Fate.NO_ANSWER,
    Fate.UNPARSABLE,
    Fate.NOT_FOUND,
    Fate.OUTSIDE_BLOCK,
    Fate.NO_OP,
    Fate.EVALUATOR_ERROR,
]
MIGRANTS = 3


class Model:
    """What the store should hold, written as the definitions read, without any care for speed."""

    def __init__(self, settings):
        self.settings = settings
        self.meta = {}
        self.events = []
        self.pending = {}
        self.held = {}
        self.ended = []  # (sample, outcome, program or None)
        self.programs = {}  # id: (outcome, sample)
        self.twins = []  # (text, id of the program it behaved as)
        self.verdicts = {}  # id: list
        self.cells = maps.load(settings, maps.start(settings))
        self.seen = []  # features of programs with a score
        self.islands = [IslandModel(self.policy(n)) for n in range(settings.islands)]
        self.tries = Counter()  # (island, parent) since the last reset
        self.dropped = set()  # programs without a text
        self.scorings = 0
        self.refilling = None  # how many programs have been let in again
        self.last_attempt = -1

    def policy(self, island):
        return self.settings.policies[island % len(self.settings.policies)]

    def begin(self, sample):
        self.pending[sample.attempt] = sample
        self.last_attempt = sample.attempt
        self.tries[sample.island, sample.parent] += 1

    def settle(self, attempt, outcome):
        sample = self.pending.pop(attempt)
        self.held.pop(attempt, None)
        number = None
        best_before = self.best()
        if outcome.fate is Fate.TWIN:
            self.twins.append((outcome.program, outcome.duplicate_of))
        elif outcome.program is not None:
            number = len(self.programs) + 1
            self.programs[number] = (outcome, sample)
            self.verdicts[number] = list(outcome.verdicts)
        self.ended.append((sample, outcome, number))
        joined = elite = False
        if number is not None and outcome.fate in (Fate.SEED, Fate.EVALUATED):
            seed = outcome.fate is Fate.SEED
            for island in range(len(self.islands)) if seed else [sample.island]:
                elite |= self.take_cell(island, number)
                if attempt >= self.islands[island].since:
                    joined |= self.enter(island, number)
            self.see(number)
        self.end_epoch()
        best = self.best() is not None and self.best() != best_before
        return Placement(program=number, joined=joined, elite=elite, best=best)

    @property
    def now(self):
        return len(self.ended) if self.refilling is None else self.refilling

    def judged(self):
        return [n for n, (o, _) in self.programs.items() if o.fate in (Fate.SEED, Fate.EVALUATED)]

    def needed(self):
        """The programs whose text must stay, by the definition of `collect`."""
        found = {n for home in self.islands for n in home.archive.values()}
        found |= {n for home in self.islands for n, _ in home.population}
        found |= {n for n, (_, sample) in self.programs.items() if sample.parent is None}
        found |= {
            n for n, said in self.verdicts.items() if any(v.split != "training" for v in said)
        }
        scored = [n for n, (outcome, _) in self.programs.items() if outcome.fitness is not None]
        found |= set(sorted(scored, key=self.rank, reverse=True)[:BEST])
        for sample in self.pending.values():
            found |= {sample.parent, *sample.inspirations} - {None}
        for number in sorted(found, reverse=True):
            while number is not None:
                found.add(number)
                number = self.programs[number][1].parent
        return found

    def rescore(self, outcomes):
        self.scorings += 1
        self.events.append(("rescored", {"scoring": self.scorings, "programs": len(outcomes)}))
        for number in self.judged():
            outcome, sample = self.programs[number]
            if number in outcomes:
                again = outcomes[number]
                same = {"fate": outcome.fate, "program": outcome.program}
                self.programs[number] = (structs.replace(again, **same), sample)
            else:
                lost = Outcome(fate=Fate.EVALUATOR_ERROR, program=outcome.program)
                self.programs[number] = (lost, sample)
        self.verdicts = {
            n: list(outcomes[n].verdicts) if n in outcomes else [] for n in self.programs
        }
        self.twins, self.held = [], {}
        self.refill()

    def refill(self):
        for home in self.islands:
            home.population, home.archive, home.peak = [], {}, None
        if self.settings.cells is Cells.ADAPTIVE:
            self.cells = maps.load(self.settings, maps.start(self.settings))
            scored = [n for n in self.judged() if self.score(n)[1] > FAILED]
            self.seen = [self.features(n) for n in scored if self.features(n)]
            for count in range(1, len(self.seen) + 1):
                if maps.remap_due(count):
                    seen = self.seen[:count][-maps.SEEN :]
                    edges = maps.edges(seen, self.settings.axes, self.cells.edges)
                    self.cells = maps.load(self.settings, edges)
        for now, number in enumerate(self.judged()):
            self.refilling = now
            outcome, sample = self.programs[number]
            everywhere = outcome.fate is Fate.SEED
            for island in range(len(self.islands)) if everywhere else [sample.island]:
                self.take_cell(island, number)
                if sample.attempt >= self.islands[island].since:
                    self.enter(island, number)
        self.refilling = None
        for island, home in enumerate(self.islands):
            if not home.population and self.best() is not None:
                self.join(island, self.best())
            home.improved = len(self.ended)

    def see(self, number):
        if self.settings.cells is not Cells.ADAPTIVE or not self.features(number):
            return
        if self.score(number)[1] == FAILED:
            return
        self.seen.append(self.features(number))
        if maps.remap_due(len(self.seen)):
            seen = self.seen[-maps.SEEN :]
            edges = maps.edges(seen, self.settings.axes, self.cells.edges)
            self.cells = maps.load(self.settings, edges)
            for island, home in enumerate(self.islands):
                everyone = {*home.archive.values(), *(number for number, _ in home.population)}
                home.archive = {}
                for one in sorted(everyone):
                    self.take_cell(island, one)

    def end_epoch(self):
        now, settings = len(self.ended), self.settings
        if settings.migration_every and now % settings.migration_every == 0:
            self.migrate()
        if settings.reset_every and now % settings.reset_every == 0:
            self.reset(now)
        latest = max(home.improved for home in self.islands)
        seeds = [n for n, (o, _) in self.programs.items() if o.fate is Fate.SEED]
        seeds = [n for n in seeds if self.score(n)[1] > FAILED]
        stagnates = settings.stagnation and now - latest >= settings.stagnation
        if stagnates and seeds and len(self.islands) < settings.most_islands:
            self.islands.append(IslandModel(self.policy(len(self.islands)), born=now))
            for seed in seeds:
                self.take_cell(len(self.islands) - 1, seed)
                self.join(len(self.islands) - 1, seed)

    def reset(self, now):
        peaks = [home.peak for home in self.islands]
        rng = random.Random(f"{self.settings.seed} reset {now}")
        founders = [
            (island, max(self.scored(source), key=self.rank))
            for island, source in worse_half(peaks, rng)
        ]
        for island, founder in founders:
            home = self.islands[island]
            home.population, home.peak = [], None
            home.since = self.last_attempt + 1
            for key in [key for key in self.tries if key[0] == island]:
                del self.tries[key]
            self.join(island, founder)

    def score(self, number):
        outcome, _ = self.programs[number]
        return outcome.rung, FAILED if outcome.fitness is None else outcome.fitness

    def rank(self, number):
        return *self.score(number), -number

    def scored(self, island):
        members = [number for number, _ in self.islands[island].population]
        return [number for number in members if self.score(number)[1] > FAILED]

    def features(self, number):
        outcome, _ = self.programs[number]
        return maps.features_of(outcome.features, self.settings.axes)

    def cell(self, number):
        cell = self.cells.cell(self.features(number), self.programs[number][0].program.length)
        return None if cell == NO_CELL else cell

    def take_cell(self, island, number):
        archive = self.islands[island].archive
        cell = self.cell(number)
        if cell is None or self.score(number)[1] == FAILED:
            return False
        if (holder := archive.get(cell)) is not None:

            def key(program):
                return *self.score(program), -self.programs[program][0].program.length

            if key(holder) >= key(number):
                return False
        archive[cell] = number
        return True

    def join(self, island, number):
        home = self.islands[island]
        if number in [member for member, _ in home.population]:
            return False
        if self.score(number)[1] == FAILED and home.policy != "tree_search":
            return False
        if not self.let_in(home, number):
            return False
        self.rises(home, number)
        return True

    def enter(self, island, number):
        """A program made on the island; only such ones are something new."""
        if self.rises(self.islands[island], number):
            self.islands[island].improved = self.now
        return self.join(island, number)

    def rises(self, home, number):
        if self.score(number)[1] == FAILED:
            return False
        if home.peak is not None and self.score(number) <= home.peak:
            return False
        home.peak = self.score(number)
        return True

    def let_in(self, home, number):
        population, newcomer = home.population, [number, self.now]
        if home.policy == "best_of_n" and self.programs[number][1].parent is not None:
            return False
        if home.policy in ("funsearch", "tree_search", "best_of_n"):
            population.append(newcomer)
            return True
        mine = self.programs[number][0]
        for place, (member, _) in enumerate(population):
            other = self.programs[member][0]
            alike = mine.signature is not None and mine.signature == other.signature
            if alike and mine.rung == other.rung:
                if mine.fitness < other.fitness:
                    return False
                if mine.fitness == other.fitness and mine.program.length > other.program.length:
                    return False
                population[place] = newcomer
                return True
        if len(population) < self.settings.population:
            population.append(newcomer)
            return True
        place = self.most_crowded(home, number) if home.policy == "pareto" else self.worst(home)
        if place == len(population):
            return False
        if home.policy != "pareto" and self.score(population[place][0]) > self.score(number):
            return False
        population[place] = newcomer
        return True

    def worst(self, home):
        population, elites = home.population, home.archive.values()
        leavers = [slot for slot, (member, _) in enumerate(population) if member not in elites]
        return min(
            leavers or range(len(population)),
            key=lambda slot: (self.score(population[slot][0]), population[slot][1], slot),
        )

    def most_crowded(self, home, number):
        """The slot of the last front's most crowded, the newcomer in the slot behind all."""
        everyone = [member for member, _ in home.population] + [number]
        rows = [(self.score(n)[0], self.programs[n][0].objectives) for n in everyone]

        def dominates(a, b):
            no_worse = all(x >= y for x, y in zip(a[1], b[1], strict=True))
            return a[0] > b[0] or (a[0] == b[0] and no_worse and a[1] != b[1])

        left = set(range(len(rows)))
        while left:
            last = [n for n in left if not any(dominates(rows[m], rows[n]) for m in left)]
            left -= set(last)
        crowding = pareto.crowding_distance(np.array([rows[n][1] for n in sorted(last)]))
        times = [joined for _, joined in home.population] + [math.inf]
        return min(
            zip(crowding, sorted(last), strict=True),
            key=lambda pair: (pair[0], times[pair[1]], pair[1]),
        )[1]

    def migrate(self):
        leaving = []
        graph, given = self.settings.migration, self.settings.edges
        for source, target in migration.edges(graph, len(self.islands), given):
            ranked = sorted(self.islands[source].population, key=lambda member: member[1])
            ranked = [number for number, _ in ranked if self.score(number)[1] > FAILED]
            ranked.sort(key=self.score, reverse=True)
            leaving += [(target, number) for number in ranked[:MIGRANTS]]
        for target, number in leaving:
            if self.islands[target].policy == "map_elites":
                self.take_cell(target, number)
            self.join(target, number)

    def best(self):
        scored = [n for n, (outcome, _) in self.programs.items() if outcome.fitness is not None]
        return max(scored, key=self.rank, default=None)

    def known(self, hash, syntax_hash):
        judged = {
            number: outcome.program
            for number, (outcome, _) in self.programs.items()
            if outcome.fate in (Fate.SEED, Fate.EVALUATED)
        }
        for number, program in judged.items():
            if program.hash == hash:
                return number
        alike = next((n for n, p in judged.items() if p.syntax_hash == syntax_hash), None)
        first_of = {p.hash: (p, number) for p, number in reversed(self.twins)}
        twins = [number for p, number in first_of.values() if p.syntax_hash == syntax_hash]
        return min(twins, default=None) if alike is None else alike

    def behaving(self, behaviour, last):
        return next(
            (
                number
                for number, (outcome, sample) in self.programs.items()
                if outcome.behaviour == behaviour and sample.attempt <= last
            ),
            None,
        )


class IslandModel:
    def __init__(self, policy, born=0):
        self.policy = policy
        self.population = []  # [id, joined]
        self.archive = {}  # cell: id
        self.since = 0
        self.improved = born
        self.peak = None


def text_of(number):
    text = f"x = {number}\n" + "pass\n" * 20
    digest = sha256(text.encode()).hexdigest()
    return ProgramText(
        hash=digest,
        syntax_hash=digest[: 1 + number % 2] or "0",
        files={"p.py": text},
        length=1 + number % 2,
    )


def cases_of(number):
    """None, two or three, so that not all can be compared."""
    rng = random.Random(number)
    scores = [rng.randrange(3) / 2 for _ in range(rng.choice([0, 2, 3, 3]))]
    return pack(f"<{len(scores)}f", *scores)


class StoreAgrees(RuleBasedStateMachine):
    settings = DEFAULT

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.generation = 0
        self.store = Store.create(self.path, settings=self.settings, meta={})
        self.model = Model(self.settings)
        self.begun = 0

    @property
    def path(self):
        return self.folder / f"{self.generation}.db"

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)

    def begin_sample(self, sample):
        self.store.begin(sample)
        self.model.begin(sample)
        self.begun += 1

    def settle(self, attempt, outcome):
        assert self.store.settle(attempt, outcome) == self.model.settle(attempt, outcome)

    def choose(self, data, things):
        return data.draw(st.sampled_from(sorted(things)))

    @rule(island=st.sampled_from(range(2)))
    def begin_without_parent(self, island):
        self.begin_sample(Sample(attempt=self.begun, island=island, parent=None, proposer="seed"))

    @rule(seed=st.integers(0, 10**6))
    def begin_sampled(self, seed):
        sample = self.store.sample(self.begun, random.Random(seed), proposer="tree")
        model = self.model
        assert sample.island == self.begun % len(model.islands)
        home = model.islands[sample.island]
        members = {number for number, _ in home.population}
        elites = set(home.archive.values())
        assert sample.parent in members | elites or (sample.parent is None and not members)
        everybody = {n for one in model.islands for n, _ in one.population}
        everybody |= {n for one in model.islands for n in one.archive.values()}
        shown = sample.inspirations
        assert set(shown) <= everybody - {sample.parent}
        assert len(set(shown)) == len(shown) <= 2
        by_cases = self.store._state.islands.all[sample.island].contest is not None
        if self.settings.inspire[0] in (Inspire.MIXED, Inspire.DIVERSE) and not by_cases:
            cells = [model.cell(number) for number in shown]
            assert len(set(cells)) == len(cells)
            assert sample.parent is None or model.cell(sample.parent) not in cells
        self.begin_sample(sample)

    @rule(seed=st.integers(0, 10**6), then=st.sampled_from(["crash", "write", "close", "fail"]))
    def begin_later(self, seed, then):
        """A kill before the next transaction leaves nothing of it; what comes after has it all."""
        sample = self.store.sample(self.begun, random.Random(seed), proposer="tree")
        self.store.begin(sample, later=True)
        assert sample in self.store.pending()
        with pytest.raises(ValueError, match="begun"):
            self.store.begin(sample)
        if then == "crash":
            self.go_on_with_a_copy()
            assert sample not in self.store.pending()
            return
        if then == "fail":
            with pytest.raises(KeyError), self.store.atomic():
                raise KeyError
        if then == "write":
            self.store.event("go", {})
            self.model.events.append(("go", {}))
            self.model.begin(sample)
            self.begun += 1
            return
        self.store.close()
        self.store = Store.open(self.path)
        if then == "close":
            self.model.begin(sample)
            self.begun += 1

    @precondition(lambda self: self.model.pending)
    @rule(data=st.data(), payload=st.binary(max_size=9))
    def hold(self, data, payload):
        attempt = self.choose(data, self.model.pending)
        if attempt in self.model.held:
            with pytest.raises(ValueError, match="already"):
                self.store.hold(attempt, payload)
        else:
            self.store.hold(attempt, payload)
            self.model.held[attempt] = payload

    @precondition(lambda self: self.model.pending)
    @rule(data=st.data(), fate=st.sampled_from(FAILURES), cost=st.sampled_from([0.0, 0.1, 2.5]))
    def settle_failed(self, data, fate, cost):
        attempt = self.choose(data, self.model.pending)
        program = text_of(attempt) if fate is Fate.EVALUATOR_ERROR else None
        self.settle(attempt, Outcome(fate=fate, reason="why", program=program, cost_usd=cost))

    @precondition(lambda self: self.model.pending)
    @rule(
        data=st.data(),
        number=st.integers(0, 60),
        fitness=st.none() | st.sampled_from([-1.0, -0.0, 0.0, 0.5, 3.0]),
        rung=st.integers(0, 2),
        x=st.none() | st.sampled_from([0.5, 1.5, 9.0]),
        seed=st.booleans(),
        signature=st.sampled_from([None, None, 7, -(1 << 63)]),
        second=st.sampled_from([-1.0, 0.0, 1.5]),
        behaviour=st.sampled_from([None, 0, 5, -(1 << 63)]),
    )
    def settle_judged(self, data, number, fitness, rung, x, seed, signature, second, behaviour):
        attempt = self.choose(data, self.model.pending)
        self.judge(attempt, number, fitness, rung, x, seed, signature, second, behaviour)

    @rule(seed=st.integers(0, 10**6))
    def live(self, seed):
        """Ten attempts at once, three under way, so that epochs come and old samples end late."""
        rng = random.Random(seed)
        for _ in range(10):
            while len(self.model.pending) < 3:
                self.begin_sample(self.store.sample(self.begun, rng, proposer="tree"))
            self.judge(
                rng.choice(sorted(self.model.pending)),
                number=rng.randrange(10**6),
                fitness=rng.choice([None, rng.randrange(9) / 2, rng.random()]),
                rung=rng.randrange(3),
                x=rng.choice([None, 0.5, 3 * rng.random()]),
                seed=rng.random() < 0.1,
                signature=rng.choice([None, 7, 8]),
                second=rng.random(),
                behaviour=None,
            )

    def judge(self, attempt, number, fitness, rung, x, seed, signature, second, behaviour):
        program = text_of(number)
        known = self.model.known(program.hash, program.syntax_hash)
        verdict = Verdict(
            stage="exact", split="training", status=Status.OK, values={"v": 0.1}, fitness=fitness
        )
        outcome = Outcome(
            fate=Fate.SEED if seed else Fate.EVALUATED,
            program=program,
            fitness=fitness,
            rung=rung,
            features={} if x is None else {"x": x, "length": float(number % 3)},
            objectives=() if fitness is None else (fitness, second),
            cases=b"" if fitness is None else cases_of(number),
            signature=signature,
            behaviour=behaviour,
            verdicts=(verdict,),
        )
        if known is not None and self.model.programs[known][0].program.hash == program.hash:
            with pytest.raises(ValueError, match="duplicate"):
                self.store.settle(attempt, outcome)
            outcome = Outcome(fate=Fate.DUPLICATE, duplicate_of=known)
        self.settle(attempt, outcome)

    @precondition(lambda self: self.model.pending and self.model.programs)
    @rule(data=st.data(), number=st.integers(0, 60))
    def settle_twin(self, data, number):
        attempt = self.choose(data, self.model.pending)
        with pytest.raises(ValueError, match="twin"):
            self.store.settle(attempt, Outcome(fate=Fate.TWIN, duplicate_of=1))
        twin_of = self.choose(data, self.model.programs)
        self.settle(attempt, Outcome(fate=Fate.TWIN, program=text_of(number), duplicate_of=twin_of))

    @precondition(lambda self: self.model.programs)
    @rule(data=st.data(), seed=st.integers(0, 2), fitness=st.none() | st.floats(-9, 9))
    def validate(self, data, seed, fitness):
        number = self.choose(data, self.model.programs)
        verdict = Verdict(
            stage="check", split="validation", status=Status.OK, seed=seed, fitness=fitness
        )
        there = self.model.verdicts[number]
        if any((v.stage, v.seed) == ("check", seed) for v in there):
            with pytest.raises(ValueError, match="already"):
                self.store.add_verdicts(number, [verdict])
        else:
            self.store.add_verdicts(number, [verdict])
            there.append(verdict)

    @rule(
        key=st.sampled_from("ab"), value=st.none() | st.integers() | st.lists(st.text(max_size=3))
    )
    def set_meta(self, key, value):
        if isinstance(value, int) and abs(value) >= 2**63:
            value = str(value)
        value = (
            [text.encode("utf-8", "replace").decode() for text in value]
            if isinstance(value, list)
            else value
        )
        self.store.set_meta(key, value)
        self.model.meta[key] = value

    @rule(
        kind=st.sampled_from(["pause", "go"]),
        data=st.dictionaries(st.sampled_from("xy"), st.booleans()),
    )
    def event(self, kind, data):
        self.store.event(kind, data)
        self.model.events.append((kind, data))

    @rule()
    def checkpoint(self):
        assert self.store.checkpoint()

    @rule()
    def reopen(self):
        draws = self.draws()
        self.store.close()
        self.store = Store.open(self.path)
        assert self.draws() == draws

    @rule()
    def crash(self):
        draws = self.draws()
        self.go_on_with_a_copy()
        assert self.draws() == draws

    def go_on_with_a_copy(self):
        """Of the files as a kill at this moment would leave them."""
        before = self.path
        self.generation += 1
        for suffix in ("", "-wal"):
            shutil.copy(f"{before}{suffix}", f"{self.path}{suffix}")
        self.store.close()
        self.store = Store.open(self.path)

    @rule(format=st.sampled_from(["jsonl", "parquet"]))
    def export_and_import(self, format):
        draws, exported = self.draws(), self.folder / f"export{self.generation}"
        export_run(self.path, exported, format=format)
        self.store.close()
        self.generation += 1
        import_run(exported, self.path)
        self.store = Store.open(self.path)
        assert self.draws() == draws

    @rule()
    def drop_texts(self):
        draws = self.draws()
        self.store.close()
        collect(self.path)
        self.store = Store.open(self.path)
        assert self.draws() == draws
        with Reader(self.path) as reader:
            for number in self.model.programs:
                try:
                    reader.files(number)
                except StoreError:
                    self.model.dropped.add(number)
        assert not self.model.dropped & self.model.needed()

    @rule(seed=st.integers(0, 10**6), cut=st.booleans())
    def score_anew(self, seed, cut):
        self.store.close()
        outcomes = {}
        if cut:  # what was judged by another evaluator does not count
            with Rescoring(self.path, "another") as work:
                for due in work.due():
                    work.put(due.program, Outcome(fate=Fate.EVALUATED))
        with Rescoring(self.path, {"seed": seed}) as work:
            for due in work.due():
                outcomes[due.program] = self.judged_anew(random.Random(f"{seed} {due.program}"))
                work.put(due.program, outcomes[due.program])
            work.finish({})
        self.model.rescore(outcomes)
        self.store = Store.open(self.path)

    def judged_anew(self, rng):
        fitness = rng.choice([None, rng.randrange(9) / 2, rng.random()])
        verdict = Verdict(stage="exact", split="training", status=Status.OK, fitness=fitness)
        several = self.settings.objectives > 1
        return Outcome(
            fate=Fate.EVALUATED,
            fitness=fitness,
            rung=rng.randrange(3),
            features=rng.choice([{}, {"x": 3 * rng.random(), "length": rng.randrange(3)}]),
            objectives=(fitness, rng.random()) if several and fitness is not None else (),
            cases=b"" if fitness is None else cases_of(rng.randrange(99)),
            signature=rng.choice([None, 7, 8]),
            behaviour=rng.choice([None, 0, 5]),
            verdicts=(verdict,),
        )

    @precondition(lambda self: self.model.pending)
    @rule(data=st.data())
    def fail_inside_a_transaction(self, data):
        attempt = self.choose(data, self.model.pending)
        with pytest.raises(KeyError):
            self.settle_and_fail(attempt)
        with pytest.raises(StoreError):
            self.store.event("refused", {})
        self.store.close()
        self.store = Store.open(self.path)

    def settle_and_fail(self, attempt):
        with self.store.atomic():
            self.store.settle(attempt, Outcome(fate=Fate.NO_ANSWER))
            self.store.begin(Sample(attempt=self.begun, island=0, parent=None, proposer="x"))
            raise KeyError

    @invariant()
    def twins_are_known(self):
        for program, _ in self.model.twins:
            known = self.model.known(program.hash, program.syntax_hash)
            assert self.store.known(program.hash, program.syntax_hash) == known
        for behaviour in (0, 5, -(1 << 63), 1):
            for last in (0, 3, 2**63 - 1):
                found = self.store.behaving(behaviour, up_to_attempt=last)
                assert found == self.model.behaving(behaviour, last)
        assert self.store.behaving(5) == self.model.behaving(5, 2**63)

    def draws(self):
        return [self.store.sample(k, random.Random(k), proposer="tree") for k in range(8)]

    @invariant()
    def the_memory_agrees(self):
        model, store = self.model, self.store
        assert store.pending() == [model.pending[attempt] for attempt in sorted(model.pending)]
        assert store.held() == model.held
        assert dict(store.meta) == model.meta
        best = model.best()
        assert store.best == (None if best is None else (best, model.score(best)[1]))
        assert len(store._state.islands.all) == len(model.islands)
        for held, home in zip(store._state.islands.all, model.islands, strict=True):
            slots = held.population.columns
            pairs = [
                list(pair)
                for pair in zip(slots.program.tolist(), slots.joined.tolist(), strict=True)
            ]
            assert pairs == home.population
            elites = held.archive.columns
            pairs = zip(elites.cell.tolist(), elites.program.tolist(), strict=True)
            assert dict(pairs) == home.archive
            reads = any(POLICIES[name].by_cases for name in self.settings.policies)
            for pool in (slots, elites):
                cases = [model.programs[n][0].cases for n in pool.program.tolist()]
                assert pool.cases.tolist() == (cases if reads else [b""] * len(cases))
            assert slots.elite.tolist() == [n in home.archive.values() for n, _ in home.population]
            assert held.standing.peak == home.peak
            assert (held.standing.since, held.standing.improved) == (home.since, home.improved)
            if POLICIES[home.policy].counts_tries:
                tries = [model.tries[held.index, number] for number, _ in home.population]
                assert slots.tries.tolist() == tries
        for number, (outcome, _) in model.programs.items():
            program = outcome.program
            assert store.known(program.hash, program.syntax_hash) == model.known(
                program.hash, program.syntax_hash
            )
            if number not in model.dropped:
                assert store.files(number) == program.files

    @invariant()
    def the_readers_agree(self):
        model = self.model
        with Reader(self.path) as reader:
            counts = reader.counts()
            assert counts == self.store.counts()
            assert (counts.attempts, counts.pending) == (len(model.ended), len(model.pending))
            assert counts.programs == len(model.programs)
            for fate in Fate:
                assert counts.fates.get(fate, 0) == sum(o.fate is fate for _, o, _ in model.ended)
            assert [(event.kind, event.data) for event in reader.events()] == model.events
            for number, (outcome, sample) in model.programs.items():
                stored = reader.program(number)
                assert list(stored.verdicts) == model.verdicts[number]
                assert (stored.parent, stored.fitness) == (sample.parent, outcome.fitness)
                if number not in model.dropped:
                    assert reader.files(number) == outcome.program.files
            ended = {p.attempt: p for p in reader.proposals() if p.fate is not None}
            assert {
                sample.attempt: (outcome.fate, number) for sample, outcome, number in model.ended
            } == {attempt: (p.fate, p.program) for attempt, p in ended.items()}


class ChangingStoreAgrees(StoreAgrees):
    """Islands that are born and reset, keep trees and clusters, and cells that move."""

    settings = CHANGING


class AdaptiveStoreAgrees(StoreAgrees):
    """Cells that move while no island is born."""

    settings = ADAPTIVE


class SeveralObjectivesAgree(StoreAgrees):
    """Fronts of two objectives, given edges, and the cells of a CVT."""

    settings = SEVERAL


def agreement(machine, steps):
    machine.TestCase.settings = settings(
        max_examples=int(os.environ.get("EVOLVE_EXAMPLES", 12)),
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    return pytest.mark.slow(machine.TestCase)


TestStoreAgrees = agreement(StoreAgrees, 30)
TestChangingStoreAgrees = agreement(ChangingStoreAgrees, 30)
TestAdaptiveStoreAgrees = agreement(AdaptiveStoreAgrees, 30)
TestSeveralObjectivesAgree = agreement(SeveralObjectivesAgree, 30)
