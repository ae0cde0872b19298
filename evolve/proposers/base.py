"""The protocol of a proposer: a request with parent and inspirations in, one answer text out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

from evolve.program import Program
from islands_db import Fate, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a proposer is given. `seed` is all the randomness it may use, `note` what it planned."""

    attempt: int
    parent: Program
    inspirations: tuple[Program, ...]
    seed: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it answered: text with SEARCH/REPLACE blocks against the parent, and what that took."""

    text: str
    operator: str = ""
    cost_usd: float = 0.0


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


class Proposer(Protocol):
    """One source of proposals; it may be asked many times at once."""

    name: str

    def plan(self, sample: Sample, rng: random.Random) -> str:
        """What to store with an attempt when it begins, so that it can be done again; may be ""."""

    async def start(self) -> None:
        """Gets ready; raises EvolveError where it cannot work."""

    async def propose(self, request: Request) -> Answer:
        """One proposal.

        Raises:
            NoAnswer: there is none, for the reason given.
        """

    async def stop(self) -> None:
        """Ends what it started."""
