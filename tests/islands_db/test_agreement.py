"""The store against a plain model in memory, through every operation, crashes included."""

import random
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from islands_db import (
    Axis,
    Fate,
    Outcome,
    Placement,
    ProgramText,
    Reader,
    Sample,
    Settings,
    Status,
    Store,
    StoreError,
    Verdict,
)

SETTINGS = Settings(
    islands=2,
    axes=(Axis(name="x", low=0, high=3, cells=3),),
    population=4,
    inspirations=2,
    migration_every=6,
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

    def __init__(self):
        self.meta = {}
        self.events = []
        self.pending = {}
        self.held = {}
        self.ended = []  # (sample, outcome, program or None)
        self.programs = {}  # id: (outcome, sample)
        self.twins = []  # (text, id of the program it behaved as)
        self.verdicts = {}  # id: list
        self.populations = [[], []]  # per island: [id, joined]
        self.archives = [{}, {}]  # per island: cell -> id

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
        if number is not None and outcome.fitness is not None:
            for island in range(2) if outcome.fate is Fate.SEED else [sample.island]:
                elite |= self.take_cell(island, number)
                joined |= self.join(island, number)
        if len(self.ended) % SETTINGS.migration_every == 0:
            self.migrate()
        best = self.best() is not None and self.best() != best_before
        return Placement(program=number, joined=joined, elite=elite, best=best)

    def score(self, number):
        outcome, _ = self.programs[number]
        return outcome.rung, outcome.fitness

    def cell(self, number):
        outcome, _ = self.programs[number]
        x = outcome.features.get("x")
        return None if x is None else (min(int(x), 2), outcome.program.length)

    def take_cell(self, island, number):
        cell = self.cell(number)
        holder = self.archives[island].get(cell)
        if cell is None or (holder is not None and self.score(holder) >= self.score(number)):
            return False
        self.archives[island][cell] = number
        return True

    def join(self, island, number):
        population = self.populations[island]
        if number in [member for member, _ in population]:
            return False
        now = len(self.ended)
        mine = self.programs[number][0]
        for place, (member, _) in enumerate(population):
            other = self.programs[member][0]
            alike = mine.signature is not None and mine.signature == other.signature
            if alike and mine.rung == other.rung:
                if mine.program.length > other.program.length:
                    return False
                population[place] = [number, now]
                return True
        if len(population) < SETTINGS.population:
            population.append([number, now])
            return True
        elites = self.archives[island].values()
        leavers = [slot for slot, (member, _) in enumerate(population) if member not in elites]
        worst = min(
            leavers or range(len(population)),
            key=lambda slot: (self.score(population[slot][0]), population[slot][1], slot),
        )
        if self.score(population[worst][0]) > self.score(number):
            return False
        population[worst] = [number, now]
        return True

    def migrate(self):
        leaving = []
        for island in range(2):
            ranked = sorted(self.populations[island], key=lambda member: member[1])
            ranked.sort(key=lambda member: self.score(member[0]), reverse=True)
            leaving += [(1 - island, number) for number, _ in ranked[:MIGRANTS]]
        for island, number in leaving:
            self.join(island, number)

    def best(self):
        scored = [n for n, (outcome, _) in self.programs.items() if outcome.fitness is not None]
        return max(scored, key=lambda number: (self.score(number), -number), default=None)

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


def text_of(number):
    text = f"x = {number}\n" + "pass\n" * 20
    digest = sha256(text.encode()).hexdigest()
    return ProgramText(
        hash=digest,
        syntax_hash=digest[: 1 + number % 2] or "0",
        files={"p.py": text},
        length=1 + number % 2,
    )


class StoreAgrees(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.generation = 0
        self.store = Store.create(self.path, settings=SETTINGS, meta={})
        self.model = Model()
        self.begun = 0

    @property
    def path(self):
        return self.folder / f"{self.generation}.db"

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)

    def begin_sample(self, sample):
        self.store.begin(sample)
        self.model.pending[sample.attempt] = sample
        self.begun += 1

    def settle(self, attempt, outcome):
        assert self.store.settle(attempt, outcome) == self.model.settle(attempt, outcome)

    def choose(self, data, things):
        return data.draw(st.sampled_from(sorted(things)))

    @rule(island=st.integers(0, 1))
    def begin_without_parent(self, island):
        self.begin_sample(Sample(attempt=self.begun, island=island, parent=None, proposer="seed"))

    @rule(seed=st.integers(0, 10**6))
    def begin_sampled(self, seed):
        sample = self.store.sample(self.begun, random.Random(seed), proposer="tree")
        island = self.begun % 2
        members = {number for number, _ in self.model.populations[island]}
        elites = set(self.model.archives[island].values())
        assert sample.island == island
        assert sample.parent in members | elites or (sample.parent is None and not members)
        everywhere = [n for archive in self.model.archives for n in archive.values()]
        cells = [self.model.cell(number) for number in sample.inspirations]
        assert set(sample.inspirations) <= set(everywhere) - {sample.parent}
        assert len(set(cells)) == len(cells) <= 2
        assert sample.parent is None or self.model.cell(sample.parent) not in cells
        self.begin_sample(sample)

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
        behaviour=st.sampled_from([None, 0, 5, -(1 << 63)]),
    )
    def settle_judged(self, data, number, fitness, rung, x, seed, signature, behaviour):
        attempt = self.choose(data, self.model.pending)
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
            features={} if x is None else {"x": x},
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
        """Goes on with the files as a kill at this moment would leave them."""
        before = self.path
        self.generation += 1
        for suffix in ("", "-wal"):
            shutil.copy(f"{before}{suffix}", f"{self.path}{suffix}")
        draws = self.draws()
        self.store.close()
        self.store = Store.open(self.path)
        assert self.draws() == draws

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
        for island in range(2):
            held = store._state.islands.all[island]
            slots = held.population.columns
            pairs = [
                list(pair)
                for pair in zip(slots.program.tolist(), slots.joined.tolist(), strict=True)
            ]
            assert pairs == model.populations[island]
            elites = held.archive.columns.program.tolist()
            assert sorted(elites) == sorted(model.archives[island].values())
        for number, (outcome, _) in model.programs.items():
            program = outcome.program
            assert store.known(program.hash, program.syntax_hash) == model.known(
                program.hash, program.syntax_hash
            )
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
                assert reader.files(number) == outcome.program.files
            ended = {p.attempt: p for p in reader.proposals() if p.fate is not None}
            assert {
                sample.attempt: (outcome.fate, number) for sample, outcome, number in model.ended
            } == {attempt: (p.fate, p.program) for attempt, p in ended.items()}


StoreAgrees.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestStoreAgrees = pytest.mark.slow(StoreAgrees.TestCase)
