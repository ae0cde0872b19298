"""What a prompt is made from, and the prompt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from evolve.answers import Expect
from evolve.problem import Number, Objective, Record
from evolve.program import Program
from islands_db import Fate, Status, Verdict


class Operator(StrEnum):
    """What a model is asked to do with the parent."""

    DIFF = "diff"
    REWRITE = "rewrite"
    CROSSOVER = "crossover"

    @property
    def expect(self) -> Expect:
        """The form of answer that the prompt asks for."""
        return Expect.EDITS if self is Operator.DIFF else Expect.WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage as a prompt tells of it."""

    name: str
    timeout_s: float
    memory_mb: int
    pass_mark: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """What is the same for every prompt of a run.

    Attributes:
        contract: How the evolved code is called, and what it may do; "" where nobody wrote it.
        measurement: Number and size of the instances, and the noise of the score.
        requires: What programs may import besides the standard library.
        baselines: Names and values on the training draw of the run, in the objective's own sign.
        other_draws: What is judged in evaluations after training: "champions are picked", ...
        drawn: Training has a seed, so that other draws would give other scores.
    """

    name: str
    statement: str
    contract: str
    measurement: str
    parameters: tuple[tuple[str, str], ...]
    objectives: tuple[Objective, ...]
    stages: tuple[Step, ...]
    requires: tuple[str, ...]
    records: tuple[Record, ...]
    baselines: tuple[tuple[str, float], ...]
    other_draws: tuple[str, ...]
    drawn: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A stored program with its verdicts in training, in the order of the stages."""

    id: int
    program: Program
    verdicts: tuple[Verdict, ...]
    cases: tuple[float, ...] = ()
    """What it scored by case, higher is better, where its problem says so."""

    @property
    def failed(self) -> bool:
        """It has no score: some stage refused it, or none has judged it."""
        return not self.verdicts or any(v.status is not Status.OK for v in self.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """One attempt from a parent.

    Attributes:
        child: The program it came to, if any; of a duplicate the one it is equal to.
    """

    attempt: int
    fate: Fate
    reason: str
    parent: Shown
    child: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What makes one prompt differ from another.

    Attributes:
        inspirations: Programs from other cells and islands; those that failed are left out.
        history: The steps that led to the parent, the oldest first.
        tried: Attempts from the parent that did not do better.
        repeated: Lines that were deleted and brought back on the way to the parent.
        hint: A drawn suggestion; "" for none.
        notes: A model's summary of what has worked so far; "" for none.
        notes_from: How many programs there were when the notes were written.
        stagnant_for: Attempts since the best program was found, where that asks for another idea;
            else 0.
    """

    operator: Operator
    parent: Shown
    inspirations: tuple[Shown, ...] = ()
    history: tuple[Tried, ...] = ()
    tried: tuple[Tried, ...] = ()
    repeated: tuple[str, ...] = ()
    hint: str = ""
    notes: str = ""
    notes_from: int = 0
    stagnant_for: int = 0


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What is sent: a part that all prompts of a run share, and one of its own.

    Attributes:
        fixed: Goes first, as the system text; vendors can cache it.
        text: The user's message.
        templates: Hash of the templates it was rendered from.
    """

    fixed: str
    text: str
    templates: str

    @cached_property
    def hash(self) -> str:
        """SHA-256 of everything that is sent."""
        sizes = f"{len(self.fixed)}:{len(self.text)}:"
        return hashlib.sha256(f"{sizes}{self.fixed}{self.text}".encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        return len(self.fixed.encode()) + len(self.text.encode())

    @property
    def most_tokens(self) -> int:
        """An upper bound of its tokens: those of byte-level vocabularies hold at least one byte
        each, and chat templates add a few around every message."""
        return self.size_bytes + _AROUND_MESSAGES


_AROUND_MESSAGES = 64
