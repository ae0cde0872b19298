"""The method on one page: sample, propose, apply, seen before?, evaluate, store.

`lag` attempts are under way at once. When the result of attempt j is stored, the next attempt is
sampled from the state that this result made, in the same transaction. In deterministic mode
results are stored in the order of their attempts, so attempt k starts from the state after result
k - lag, however many workers there are and however often the run was killed and resumed.
Otherwise an answer of a model begins the next attempt already, so that no call waits for a core.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import msgspec
from msgspec.structs import replace

from evolve import objects
from evolve.bandit import Bandit, gain
from evolve.budget import Budget
from evolve.drafting import HUMAN, NOTES, SEED, Draft, Drafter, Scribe
from evolve.errors import FaultError, first_leaf
from evolve.halving import Halving
from evolve.judging import Judge
from evolve.known import Known
from evolve.messages import Judged
from evolve.problem import SplitKind
from evolve.randomness import derive, generator
from evolve.turns import Stopped, Turns
from islands_db import (
    EVALUATED,
    Fate,
    Outcome,
    Placement,
    Sample,
    Status,
    Store,
    Verdict,
)

BARREN, BARREN_ANSWERS = 5_000, 300
"""Attempts in a row without a program to evaluate, where not only models propose and where they do.
"""
FAULTS_IN_A_ROW = 10
"""So many evaluator faults without one verdict between them, and the run stops."""


@dataclass(slots=True, kw_only=True)
class Loop:
    """Runs attempts until the budget is spent or `stop` is called.

    Attributes:
        bandit: Which proposer makes the next proposal.
        halving: Who goes on from stage to stage; None where pass marks alone decide.
        operators: For each proposer that shares its attempts among operators, by what chances.
        out_of_order: Proposers that cannot be asked now.
        seed: The run's seed; everything random is derived from it.
        on_settled: Told of every stored outcome; must be quick.
        on_best: Run beside the attempts whenever a program becomes the best in training.
    """

    store: Store
    judge: Judge
    drafter: Drafter
    bandit: Bandit
    operators: Mapping[str, Bandit]
    out_of_order: Callable[[], frozenset[str]]
    seed: int
    lag: int
    models: frozenset[str]
    """Proposers whose attempts wait for a call and not for a core."""
    most_ahead: int
    """So many of their answers may wait for evaluation before calls wait for that too."""
    deterministic: bool
    budget: Budget
    halving: Halving | None
    on_settled: Callable[[Sample, Outcome, Placement], None]
    on_best: Callable[[int], Awaitable[None]]
    on_stop: Callable[[], None]
    """Ends all waiting for calls and money."""
    go: asyncio.Event
    """Cleared while the run is paused."""
    may_write: asyncio.Event
    """Cleared while a write would wait for the disk."""
    most_barren: int
    """So many attempts in a row without a program to evaluate, and the run stops."""
    stop_reason: str = ""
    _group: asyncio.TaskGroup = field(init=False)
    _screening: Turns = field(init=False)
    _settling: Turns = field(init=False)
    _held: dict[int, bytes] = field(default_factory=dict)
    _known: Known = field(init=False)
    _next: int = 0
    _searching: int = 0
    """Attempts under way, but for seeds, notes and what a person handed in."""
    _answered: set[int] = field(default_factory=set)
    """Attempts of models under way that wait for a call no more."""
    _seeds_left: int = 0
    _faults: int = 0
    _barren: int = 0

    async def run(self) -> str:
        """Runs until something ends it, and says what.

        Raises:
            FaultError: a seed fails, or the problem's own code does so again and again.
        """
        self._barren = self.store.barren(after=int(str(self.store.meta.get("barren", -1))))
        # a round ends early when an evaluation was given back; what is pending is taken up again
        while not self._over():
            await self._round()
        return self._over()

    def _over(self) -> str:
        return self.stop_reason or self.budget.spent() or self.budget.exhausted

    def stop(self, reason: str) -> None:
        """Lets what is being evaluated end, and starts nothing more."""
        self.stop_reason = self.stop_reason or reason
        self.go.set()
        self.on_stop()

    def hand_in(self, files: Mapping[str, str]) -> int:
        """Begins an attempt with a program that a person wrote; its number."""
        attempt = self._next
        note = msgspec.json.encode(dict(files)).decode()
        self._begin(
            Sample(
                attempt=attempt,
                island=attempt % self.store.settings.islands,
                parent=None,
                proposer=HUMAN,
                note=note,
            )
        )
        return attempt

    async def _round(self) -> None:
        pending = self.store.pending()
        counts = self.store.counts()
        self.budget.evaluations = counts.ran
        self._held = dict(self.store.held())
        self._known = Known(store=self.store, lag=self.lag, deterministic=self.deterministic)
        self._answered = set()
        self._searching = sum(map(_searches, pending))
        self._next = counts.attempts + counts.pending
        self._seeds_left = sum(sample.proposer == SEED for sample in pending)
        first = pending[0].attempt if pending else self._next
        self._screening = Turns(first, ordered=self.deterministic)
        self._settling = Turns(first, ordered=self.deterministic)
        try:
            async with asyncio.TaskGroup() as self._group:
                for sample in pending:
                    self._group.create_task(self._attempt(sample))
                if not pending:
                    with self.store.atomic():
                        self._begin_anew()
        except BaseExceptionGroup as errors:
            raise first_leaf(errors) from None

    async def _attempt(self, sample: Sample) -> None:
        try:
            held = self._held.pop(sample.attempt, None)
            outcome = await (self._again(sample, held) if held else self._outcome(sample))
            await self.may_write.wait()
            early = not self._settling.is_next(sample.attempt)
            if early and held is None and outcome.fate is Fate.EVALUATED:
                self.store.hold(sample.attempt, msgspec.msgpack.encode(outcome))
            async with self._settling.turn(sample.attempt):
                await self.may_write.wait()
                self._settle(sample, outcome)
        except Stopped:
            self._screening.give_up(sample.attempt)
            self._settling.give_up(sample.attempt)

    async def _outcome(self, sample: Sample) -> Outcome:
        await self.may_ask()
        await self.budget.begin_draft(sample.attempt)
        try:
            await self.may_ask()
            draft = await self.drafter.draft(sample, derive(self.seed, "propose", sample.attempt))
            self._note_answered(sample)
            async with self._screening.turn(sample.attempt):
                # whatever came of the draft: where the budget ended must not depend on timing
                await self._may_go_on()
                if draft.text is None:
                    assert draft.fate is not None
                    return draft.rejected(draft.fate, draft.reason)
                draft = self._known.unheard(sample, draft)
                assert draft.text is not None
                known, twin = self._known.seen(draft.text)
                if known is None and twin is None:
                    if (foretold := self._known.foretold(sample, draft)) is not None:
                        return foretold
                    self.budget.reserve_evaluation()
                    self._known.begin(sample.attempt, draft.text)
        finally:
            self.budget.end_draft()
        if twin is not None:
            await twin
            self._may_start()
            known, _ = self._known.seen(draft.text)
        if known is not None or twin is not None:
            return replace(draft.rejected(Fate.DUPLICATE, ""), duplicate_of=known)
        try:
            return await self._evaluated(sample, draft)
        except Stopped:
            self.budget.give_back_evaluation()
            self._known.end(sample.attempt)
            raise

    async def _evaluated(self, sample: Sample, draft: Draft) -> Outcome:
        assert draft.text is not None
        judged = await self.judge.judge(
            draft.text.files,
            split=SplitKind.TRAINING,
            seed=derive(self.seed, SplitKind.TRAINING),
            started=self._may_start,
            # a seed is judged even when it behaves as another one: every island starts from all
            known=None
            if sample.proposer == SEED
            else partial(self._known.behaving, sample.attempt, draft.text.length),
            promotes=None
            if sample.proposer == SEED or self.halving is None
            else partial(self.halving.promotes, sample.attempt),
            parent=None if sample.parent is None else self.store.rank(sample.parent),
        )
        if judged.twin_of is not None:
            outcome = draft.rejected(Fate.TWIN, f"behaves as program {judged.twin_of}")
            return replace(outcome, program=draft.text, duplicate_of=judged.twin_of)
        last = judged.verdicts[-1]
        if last.status is Status.EVALUATOR_ERROR:
            self.budget.give_back_evaluation()
            return draft.rejected(Fate.EVALUATOR_ERROR, last.reason)
        return Outcome(
            fate=Fate.SEED if sample.proposer == SEED else Fate.EVALUATED,
            reason=last.reason,
            operator=draft.operator,
            diff=draft.diff,
            program=draft.text,
            verdicts=judged.verdicts,
            rung=judged.rung,
            fitness=judged.fitness,
            objectives=self._objectives(last) if judged.fitness is not None else (),
            signature=signature(judged),
            behaviour=judged.behaviour,
            features={**judged.features, "length": float(draft.text.length)},
            cases=judged.cases if judged.fitness is not None else b"",
            artifact=judged.artifact,
            propose_s=draft.propose_s,
            cost_usd=draft.cost_usd,
        )

    def _objectives(self, verdict: Verdict) -> tuple[float, ...]:
        return tuple(
            objective.fitness(verdict.values[objective.name]) for objective in self.judge.objectives
        )

    async def _again(self, sample: Sample, held: bytes) -> Outcome:
        """An outcome that was reached before its turn, before the run was cut off."""
        outcome = msgspec.msgpack.decode(held, type=Outcome)
        assert outcome.program is not None
        async with self._screening.turn(sample.attempt):
            self.budget.reserve_evaluation()
            self._known.begin(sample.attempt, outcome.program)
        return outcome

    def _settle(self, sample: Sample, outcome: Outcome) -> None:
        if sample.proposer == SEED and outcome.fitness is None:
            raise FaultError(_seed_fault(sample, outcome))
        with self.store.atomic():
            placement = self.store.settle(sample.attempt, outcome)
            self._learn(sample, outcome, placement)
            self.drafter.settled(sample, outcome, placement.program)
            if sample.proposer == SEED:
                self._seeds_left -= 1
            self._searching -= _searches(sample)
            self._answered.discard(sample.attempt)
            self._begin_due()
            if self.drafter.scribe is not None and self.drafter.scribe.due(placement.program):
                assert placement.program is not None
                self._begin_notes(placement.program, self.drafter.scribe)
            if outcome.fate is Fate.NOTES:
                self.store.set_meta(NOTES, sample.attempt)
            if placement.best:
                self.store.event("best", {"program": placement.program, "attempt": sample.attempt})
            if outcome.artifact and outcome.fitness is not None and outcome.program is not None:
                found = outcome.program.hash, outcome.verdicts[-1], outcome.artifact
                objects.keep(self.store, self.judge.objectives[0], *found)
        self._known.end(sample.attempt)
        if self.halving is not None:
            self.halving.tell(sample.attempt, outcome.verdicts)
        self._watch_faults(outcome)
        self._watch_barren(sample, outcome)
        self.on_settled(sample, outcome, placement)
        if placement.best and placement.program is not None:
            self._group.create_task(_run(self.on_best(placement.program)))

    def _learn(self, sample: Sample, outcome: Outcome, placement: Placement) -> None:
        better = self.drafter.better(sample, outcome)
        won = gain(best=placement.best, better=better, joined=placement.joined)
        self.bandit.tell(sample.proposer, gain=won, cost_usd=outcome.cost_usd)
        if len(self.bandit.weights) > 1:
            self.store.set_meta("bandit", self.bandit.plain())
        if sample.proposer in self.operators:
            for operator in outcome.operator.split("+"):
                self.operators[sample.proposer].tell(operator, gain=won, cost_usd=0.0)
            self.store.set_meta("operators", {n: o.plain() for n, o in self.operators.items()})

    def _begin_anew(self) -> None:
        """A new run begins with its seeds; one that was merged has ended attempts only."""
        if self._next == 0:
            self._begin_seeds()
        self._begin_due()

    def _begin_seeds(self) -> None:
        names = list(self.drafter.seeds)
        self._seeds_left = len(names)
        for attempt, name in enumerate(names):
            island = attempt % self.store.settings.islands
            self._begin(
                Sample(attempt=attempt, island=island, parent=None, proposer=SEED, note=name)
            )

    def _note_answered(self, sample: Sample) -> None:
        """Lets the next call begin where this one has ended, and not when its program is judged."""
        if self.most_ahead and sample.proposer in self.models and not self._over():
            self._answered.add(sample.attempt)
            self._begin_due(later=True)

    def _begin_due(self, *, later: bool = False) -> None:
        """Begins what is due: `lag` attempts are under way, and those that wait for a core beside.

        With `most_ahead` 0, as in deterministic mode, every result begins one attempt.

        Args:
            later: Nothing is being stored now; it is stored with the calls, before they are sent.
        """
        while not self._seeds_left and self._searching < self.lag + min(
            len(self._answered), self.most_ahead
        ):
            self._begin_next(later=later)

    def _begin_next(self, *, later: bool) -> None:
        rng = generator(self.seed, "sample", self._next)
        proposer = self.bandit.ask(rng, self.out_of_order())
        sample = self.store.sample(self._next, rng, proposer=proposer)
        self._begin(self.drafter.planned(sample, rng), later=later)

    def _begin_notes(self, program: int, scribe: Scribe) -> None:
        """Begins an attempt that sums up what worked; it takes no other's place."""
        rng = generator(self.seed, "sample", self._next)
        self._begin(
            Sample(
                attempt=self._next,
                island=self._next % self.store.settings.islands,
                parent=None,
                proposer=NOTES,
                note=scribe.plan(program, rng),
            )
        )

    def _begin(self, sample: Sample, *, later: bool = False) -> None:
        self.store.begin(sample, later=later)
        self._next = sample.attempt + 1
        self._searching += _searches(sample)
        self._group.create_task(self._attempt(sample))

    async def may_ask(self) -> None:
        """As `_may_go_on`, for what costs money: also while calls can be paid only."""
        await self._may_go_on()
        if self.budget.exhausted:
            raise Stopped

    async def _may_go_on(self) -> None:
        """Waits out a pause; raises Stopped when nothing more may begin."""
        await self.go.wait()
        if self.stop_reason or self.budget.spent():
            raise Stopped

    def _may_start(self) -> None:
        # this evaluation is reserved already; only what ends everything counts here
        if self.stop_reason or self.budget.over():
            raise Stopped

    def _watch_faults(self, outcome: Outcome) -> None:
        if outcome.fate is Fate.EVALUATOR_ERROR:
            self._faults += 1
            if self._faults >= FAULTS_IN_A_ROW:
                raise FaultError(
                    f"{self._faults} evaluator faults in a row, the last: {outcome.reason}; "
                    "nothing was counted against a program; mend the problem, then resume"
                )
        elif outcome.verdicts:
            self._faults = 0

    def _watch_barren(self, sample: Sample, outcome: Outcome) -> None:
        """Ends a search that only turns round: no budget of evaluations would ever end it."""
        if outcome.fate in EVALUATED:
            self._barren = 0
        elif outcome.fate is not Fate.NOTES:
            self._barren += 1
        if self._barren == self.most_barren:
            self.store.set_meta("barren", sample.attempt)
            why = outcome.reason or str(outcome.fate).replace("_", " ")
            self.stop(
                f"no program to evaluate in {self._barren:,} attempts in a row, the last: {why}"
            )


def signature(judged: Judged) -> int | None:
    """A number for all that the stages measured of a program but time; twins share it.

    Where stages report their scores alone it is the behaviour, if that is known: equal scores are
    then no sign of a twin. None where a stage failed.
    """
    verdicts = judged.verdicts
    if any(v.status is not Status.OK for v in verdicts):
        return None
    figures = [(v.stage, *sorted(v.exact.items()), *sorted(v.features.items())) for v in verdicts]
    if max(map(len, figures)) <= 2:
        return judged.behaviour
    digest = hashlib.blake2b(repr(figures).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _seed_fault(sample: Sample, outcome: Outcome) -> str:
    last = outcome.verdicts[-1] if outcome.verdicts else None
    how = f"{last.status} at stage {last.stage!r}: " if last else ""
    return f"seed {sample.note} fails: {how}{outcome.reason}"


def _searches(sample: Sample) -> bool:
    return sample.proposer not in (SEED, HUMAN, NOTES)


async def _run(awaitable: Awaitable[None]) -> None:
    await awaitable
