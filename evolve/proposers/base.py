"""The protocol of a proposer: a request with parent and inspirations in, one answer text out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

import msgspec

from evolve.bandit import Bandit
from evolve.program import Program, length, syntax_hash
from islands_db.records import Fate, ProgramText, Sample


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a proposer is given. `seed` is all the randomness it may use, `note` what it planned."""

    attempt: int
    parent: Program
    inspirations: tuple[Program, ...]
    seed: int
    note: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it answered: text with SEARCH/REPLACE blocks against the parent, and what that took.

    Attributes:
        program: What the text makes of the parent, where the proposer has applied it already.
        behaviour: What that program will do, where the proposer could foretell it.
        instead: Another answer, should this one's program be known to behave as a stored one.
    """

    text: str
    operator: str = ""
    cost_usd: float = 0.0
    program: ProgramText | None = None
    behaviour: int | None = None
    instead: Answer | None = None


def describe(program: Program) -> ProgramText:
    """A program with the hashes it is recognised by."""
    return ProgramText(
        hash=program.hash,
        syntax_hash=syntax_hash(program),
        files=dict(program.files),
        length=length(program),
    )


class NoAnswer(Exception):
    """An expected failure to answer; the message is stored as the attempt's reason."""

    def __init__(
        self,
        message: str,
        *,
        fate: Fate = Fate.NO_ANSWER,
        operator: str = "",
        cost_usd: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.fate = fate
        self.operator = operator
        self.cost_usd = cost_usd


MEMORY = 4096
"""So many of the last attempts a proposer is told of again when a run is resumed: what it knows
may rest on no older one."""


class Programs(Protocol):
    """What proposers may know of stored programs."""

    def has_text(self, program: int) -> bool:
        """Whether its text is stored; `evolve gc` drops those that nothing seemed to need."""

    def program(self, program: int) -> Program:
        """Its text, which must be stored."""

    def rank(self, program: int) -> tuple[int, float]:
        """Its rung and fitness in training; it must have been judged."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt of a proposer ended.

    Attributes:
        program: The judged program that it came to, which may be an older one; None where it came
            to none, or to one without a verdict.
    """

    sample: Sample
    fate: Fate
    operator: str
    diff: str
    program: int | None


class Proposer(Protocol):
    """One source of proposals; it may be asked many times at once.

    What it learns follows from what began and what settled, in the order of `begun` and `settled`,
    so that a resumed run goes on as if it had not been cut off.
    """

    name: str

    @property
    def doubts(self) -> Sequence[str]:
        """Why it may have nothing to propose, in a line each; said when a seed has passed."""

    @property
    def operators(self) -> Bandit | None:
        """What shares its attempts among its operators; None where it chooses otherwise.

        The loop tells it what each operator won (several are joined by "+"), and stores it with
        every outcome.
        """

    def plan(self, sample: Sample, rng: random.Random, programs: Programs) -> Sample:
        """The sample with what is needed to do it again as its note; it may have another parent."""

    def begun(self, sample: Sample, programs: Programs) -> None:
        """Told of each of its attempts when it has been planned; again when a run is resumed."""

    def to_beat(self, sample: Sample, programs: Programs) -> tuple[int, float] | None:
        """The rank above which a child counts as a gain in the market; None for its parent's.

        Asked just before `settled`.
        """

    def settled(self, settled: Settled, programs: Programs) -> None:
        """Told of each of its attempts when its outcome is stored; again when a run is resumed."""

    async def start(self) -> None:
        """Gets ready; raises EvolveError where it cannot work."""

    async def propose(self, request: Request) -> Answer:
        """One proposal.

        Raises:
            NoAnswer: there is none, for the reason given.
        """

    async def stop(self) -> None:
        """Ends what it started."""
