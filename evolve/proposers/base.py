"""The protocol of a proposer: a request with parent and inspirations in, one answer text out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evolve.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a proposer is given. `seed` is all the randomness it may use."""

    attempt: int
    parent: Program
    inspirations: tuple[Program, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it answered: text with SEARCH/REPLACE blocks against the parent, and what that took."""

    text: str
    operator: str = ""
    cost_usd: float = 0.0


class NoAnswer(Exception):
    """An expected failure to answer; the message is stored as the attempt's reason."""


class Proposer(Protocol):
    """One source of proposals; it may be asked many times at once."""

    name: str

    async def start(self) -> None:
        """Gets ready; raises EvolveError where it cannot work."""

    async def propose(self, request: Request) -> Answer:
        """One proposal.

        Raises:
            NoAnswer: there is none, for the reason given.
        """

    async def stop(self) -> None:
        """Ends what it started."""
