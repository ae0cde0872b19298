"""From a sampled attempt to a program: asks the proposer, parses, applies, refuses."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol

import msgspec

from evolve.answers import Refused, apply_answer
from evolve.errors import FaultError
from evolve.program import Program, ProgramError, outside_changed
from evolve.proposers import Answer, NoAnswer, Proposer, Request, Settled
from evolve.proposers.base import describe
from islands_db import Fate, Outcome, ProgramText, Sample, Store, StoredProposal

SEED = "seed"
HUMAN = "human"
NOTES = "notes"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a proposal before evaluation: a program, or a fate with its reason."""

    text: ProgramText | None = None
    behaviour: int | None = None
    """What the program will do, where that could be foretold."""
    fate: Fate | None = None
    reason: str = ""
    operator: str = ""
    diff: str = ""
    cost_usd: float = 0.0
    propose_s: float = 0.0
    instead: Draft | None = None
    """What the proposer would propose where this behaves as a stored program."""

    def rejected(self, fate: Fate, reason: str) -> Outcome:
        """The outcome of an attempt that gave no new program to keep."""
        return Outcome(
            fate=fate,
            reason=reason,
            operator=self.operator,
            diff=self.diff,
            propose_s=self.propose_s,
            cost_usd=self.cost_usd,
        )


class Scribe(Protocol):
    """Who has notes on the search written; see `evolve.proposers.notes`."""

    def due(self, program: int | None) -> bool:
        """Whether notes are to be written now that this program has been stored."""

    def plan(self, program: int, rng: random.Random) -> str:
        """What to store with the attempt that asks for them."""

    async def write(self, sample: Sample) -> Draft:
        """A draft without a program; the notes are in the store when this returns."""


class Drafter:
    """Turns samples into drafts; reads parents from the store and asks proposers."""

    def __init__(
        self, store: Store, proposers: Mapping[str, Proposer], seeds: Mapping[str, Program]
    ) -> None:
        self.seeds = seeds
        self.scribe: Scribe | None = None
        self._store = store
        self._proposers = proposers
        self._program = lru_cache(maxsize=1024)(lambda id: Program.of(store.files(id)))

    def planned(self, sample: Sample, rng: random.Random) -> Sample:
        """The sample with what its proposer wants to remember of it.

        Raises:
            FaultError: its island is empty, so there is nothing to propose a change to.
        """
        _parent(sample)
        proposer = self._proposers[sample.proposer]
        planned = proposer.plan(sample, rng, self)
        proposer.begun(planned, self)
        return planned

    def better(self, sample: Sample, outcome: Outcome) -> bool:
        """Whether an attempt gained on its parent, or on what its proposer compares it with."""
        if outcome.fitness is None or sample.parent is None:
            return False
        proposer = self._proposers.get(sample.proposer)
        to_beat = None if proposer is None else proposer.to_beat(sample, self)
        return (outcome.rung, outcome.fitness) > (to_beat or self.rank(sample.parent))

    def settled(self, sample: Sample, outcome: Outcome, program: int | None) -> None:
        """Lets the proposer of an attempt learn from its outcome."""
        proposer = self._proposers.get(sample.proposer)
        if proposer is not None:
            proposer.settled(_settled(sample, outcome, outcome.duplicate_of or program), self)

    def recall(self, proposals: Iterable[StoredProposal]) -> None:
        """Tells the proposers of the last attempts of a run that goes on."""
        for told in proposals:
            proposer = self._proposers.get(told.proposer)
            if proposer is None:
                continue
            sample = Sample(
                attempt=told.attempt,
                island=told.island,
                parent=told.parent,
                inspirations=told.inspirations,
                proposer=told.proposer,
                note=told.note,
            )
            proposer.begun(sample, self)
            if told.fate is not None:
                program = told.duplicate_of or told.program
                proposer.settled(_settled(sample, told, self._judged(program)), self)

    def has_text(self, program: int) -> bool:
        """Whether the text of a program has not been dropped."""
        return self._store.has_text(program)

    def program(self, program: int) -> Program:
        """The text of a stored program."""
        return self._program(program)

    def rank(self, program: int) -> tuple[int, float]:
        """Rung and fitness of a judged program."""
        return self._store.rank(program)

    def _judged(self, program: int | None) -> int | None:
        """The program; None where it lost its score, its text being gone when all were rescored."""
        if program is None:
            return None
        try:
            self._store.rank(program)
        except ValueError:
            return None
        return program

    async def draft(self, sample: Sample, seed: int) -> Draft:
        """Drafts one attempt; every expected failure is a fate, never an exception."""
        if sample.proposer == SEED:
            return Draft(text=describe(self.seeds[sample.note]), operator=SEED)
        if sample.proposer == HUMAN:
            return self._from_person(sample)
        if sample.proposer == NOTES:
            assert self.scribe is not None
            return await self.scribe.write(sample)
        request = Request(
            attempt=sample.attempt,
            parent=self.program(_parent(sample)),
            inspirations=tuple(self.program(id) for id in sample.inspirations),
            seed=seed,
            note=sample.note,
        )
        began = time.monotonic()
        try:
            answer = await self._proposers[sample.proposer].propose(request)
        except NoAnswer as error:
            spent = time.monotonic() - began
            return Draft(
                fate=error.fate,
                reason=str(error),
                operator=error.operator,
                cost_usd=error.cost_usd,
                propose_s=spent,
            )
        spent = time.monotonic() - began
        return _drafted(request.parent, answer, spent)

    def _from_person(self, sample: Sample) -> Draft:
        try:
            program = Program.of(msgspec.json.decode(sample.note, type=dict[str, str]))
        except ProgramError as error:
            return Draft(fate=Fate.UNPARSABLE, reason=str(error), operator=HUMAN)
        changes = [outside_changed(seed, program) for seed in self.seeds.values()]
        if all(changes):
            return Draft(fate=Fate.OUTSIDE_BLOCK, reason=changes[0] or "", operator=HUMAN)
        return Draft(text=describe(program), operator=HUMAN)


def _parent(sample: Sample) -> int:
    if sample.parent is None:
        raise FaultError(
            f"island {sample.island} has no program to start from, as none in this run has a score;"
            " `evolve run PROBLEM --from RUN:ID` starts anew from one of its programs"
        )
    return sample.parent


def _settled(sample: Sample, ended: Outcome | StoredProposal, program: int | None) -> Settled:
    assert ended.fate is not None
    return Settled(
        sample=sample,
        fate=ended.fate,
        operator=ended.operator,
        diff=ended.diff,
        program=None if ended.fate is Fate.EVALUATOR_ERROR else program,
    )


def _drafted(parent: Program, answer: Answer, spent_s: float) -> Draft:
    fate, reason, text = _applied(parent, answer)
    return Draft(
        text=text,
        behaviour=answer.behaviour,
        fate=fate,
        reason=reason,
        operator=answer.operator,
        diff=answer.text,
        cost_usd=answer.cost_usd,
        propose_s=spent_s,
        instead=_drafted(parent, answer.instead, spent_s) if answer.instead else None,
    )


def _applied(parent: Program, answer: Answer) -> tuple[Fate | None, str, ProgramText | None]:
    if answer.program is not None:
        return None, "", answer.program
    result = apply_answer(parent, answer.text)
    if isinstance(result, Refused):
        return Fate(result.kind.value), result.reason, None
    return None, "", describe(result.program)
