"""What a prompt is to show, drawn once and stored by number, and read back from the store."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from evolve.answers import spoken
from evolve.cycling import cycling
from evolve.problem import SplitKind
from evolve.program import Program
from evolve.prompts.records import Context, Facts, Operator, Prompt, Shown, Tried
from evolve.prompts.rendering import render
from evolve.prompts.templates import Templates
from islands_db import CallState, Fate, Reader

WEIGHTS: Mapping[Operator, float] = {
    Operator.DIFF: 0.6, Operator.REWRITE: 0.25, Operator.CROSSOVER: 0.15,
}  # fmt: skip
STAGNANT_AFTER = 50
"""Attempts without a better program, and every third prompt asks for another idea."""
HINT = "hint"
"""Where a run keeps the hint that a person handed in, among its own values."""
MOST_TRIED = 4
MOST_STEPS = 2
MOST_REPEATED = 6
_LOOKED_AT = 32
_LINE = 40


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What one prompt shows: programs, attempts and notes by their numbers in the store."""

    operator: Operator
    parent: int
    inspirations: tuple[int, ...] = ()
    history: tuple[int, ...] = ()
    """Programs on the line to the parent, whose making is shown; the oldest first."""
    tried: tuple[int, ...] = ()
    """Attempts from the parent."""
    hint: str = ""
    notes: int | None = None
    stagnant_for: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotesRecipe:
    """What notes are written from and by which model; stored with the attempt that asks for them.

    Attributes:
        programs: Whose making is shown, by number.
        notes: The attempt of the last notes.
        count: Programs there were then.
    """

    arm: str
    programs: tuple[int, ...]
    notes: int | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrompt:
    """A prompt as it is stored: its recipe, and the hashes of its templates and of all its text."""

    recipe: Recipe
    templates: str
    hash: str


class Source(Protocol):
    """Where programs, attempts and notes are read."""

    def shown(self, program: int) -> Shown:
        """A program with its verdicts in training."""

    def tried(self, attempt: int) -> Tried:
        """An attempt that has ended."""

    def made(self, program: int) -> Tried:
        """The attempt that made a program."""

    def repeated(self, program: int) -> tuple[str, ...]:
        """Lines of code that were deleted and brought back on the line to this program."""

    def notes(self, attempt: int) -> tuple[str, int]:
        """The notes that an attempt gave, and how many programs there were then."""


def draw(
    rng: random.Random,
    templates: Templates,
    *,
    attempt: int,
    parent: int,
    inspirations: Sequence[int] = (),
    history: Sequence[int] = (),
    tried: Sequence[int] = (),
    notes: int | None = None,
    since_best: int = 0,
    weights: Mapping[Operator, float] = WEIGHTS,
) -> Recipe:
    """Operator and hint of one attempt; pure but for `rng`.

    Hints go by the attempt's number, so that prompts to the same parent differ from the first on.

    Args:
        inspirations: Programs that have a score; without one there is no crossover.
        since_best: Attempts since the best program was found.
    """
    others = tuple(dict.fromkeys(id for id in inspirations if id != parent))
    chances = {o: weights.get(o, 0.0) for o in Operator if others or o is not Operator.CROSSOVER}
    if not any(chances.values()):
        chances = {Operator.DIFF: 1.0}
    operator = rng.choices(list(chances), list(chances.values()))[0]
    stagnant = since_best >= STAGNANT_AFTER and rng.random() < 1 / 3
    if stagnant:
        operator = Operator.REWRITE
    hints = templates.lines(f"hints_{operator}")
    hint = "" if stagnant or not hints else hints[(attempt + attempt // len(hints)) % len(hints)]
    return Recipe(
        operator=operator,
        parent=parent,
        inspirations=others,
        history=tuple(history)[-MOST_STEPS:],
        tried=tuple(tried)[-MOST_TRIED:],
        hint=hint,
        notes=notes,
        stagnant_for=since_best if stagnant else 0,
    )


def assemble(recipe: Recipe, source: Source) -> Context:
    """Reads what a recipe names."""
    notes, count = ("", 0) if recipe.notes is None else source.notes(recipe.notes)
    return Context(
        operator=recipe.operator,
        parent=source.shown(recipe.parent),
        inspirations=tuple(source.shown(id) for id in recipe.inspirations),
        history=tuple(source.made(id) for id in recipe.history),
        tried=tuple(source.tried(attempt) for attempt in recipe.tried),
        repeated=source.repeated(recipe.parent),
        hint=recipe.hint,
        notes=notes,
        notes_from=count,
        stagnant_for=recipe.stagnant_for,
    )


def render_again(
    templates: Templates, facts: Facts, source: Source, stored: StoredPrompt
) -> Prompt | str:
    """A stored prompt as it was sent, or in one line why it can no longer be had."""
    if templates.hash != stored.templates:
        return "the prompt templates have changed since this prompt was sent"
    prompt = render(templates, facts, assemble(stored.recipe, source))
    if prompt.hash != stored.hash:
        return "the problem's texts, baselines or scores have changed since this prompt was sent"
    return prompt


class StoreSource:
    """A `Source` over the database of a run."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def shown(self, program: int) -> Shown:
        return Shown(
            id=program,
            program=Program.of(self._reader.files(program)),
            verdicts=tuple(
                verdict
                for verdict in self._reader.verdicts(program)
                if verdict.split == SplitKind.TRAINING
            ),
            cases=self._reader.cases(program),
        )

    def tried(self, attempt: int) -> Tried:
        proposal = self._reader.proposals(attempt=attempt)[0]
        assert proposal.parent is not None
        assert proposal.fate is not None
        child = proposal.duplicate_of if proposal.program is None else proposal.program
        return Tried(
            attempt=attempt,
            fate=proposal.fate,
            reason=proposal.reason,
            parent=self.shown(proposal.parent),
            child=None if child is None else self.shown(child),
        )

    def made(self, program: int) -> Tried:
        return self.tried(self._reader.came_from(program)[0])

    def repeated(self, program: int) -> tuple[str, ...]:
        ids = [program]
        while len(ids) <= _LINE and (parent := self.parent(ids[-1])) is not None:
            ids.append(parent)
        line = [self.shown(id).program.files for id in reversed(ids)]
        return cycling(line).repeated(MOST_REPEATED)

    def parent(self, program: int) -> int | None:
        """The program that this one was made from."""
        return self._reader.came_from(program)[1]

    def notes(self, attempt: int) -> tuple[str, int]:
        (proposal,) = self._reader.proposals(attempt=attempt)
        recipe = msgspec.json.decode(proposal.note, type=NotesRecipe)
        (call,) = [c for c in self._reader.calls(attempt=attempt) if c.state is CallState.ANSWERED]
        return spoken(call.answer or "")[0].strip(), recipe.count

    def history(self, program: int) -> list[int]:
        """Programs on the line to this one that were made from a parent, the oldest first."""
        return [one.id for one in self._reader.lineage(program) if one.parent is not None]

    def attempts_from(self, parent: int) -> list[int]:
        """The last attempts from a parent that came to a program no better than it."""
        own = self._reader.program(parent)
        mine = (own.rung, -float("inf") if own.fitness is None else own.fitness)
        found = []
        for proposal in reversed(self._reader.proposals(parent=parent, last=_LOOKED_AT)):
            child = proposal.duplicate_of if proposal.program is None else proposal.program
            if proposal.fate not in (Fate.EVALUATED, Fate.DUPLICATE) or child in (None, parent):
                continue
            assert child is not None
            other = self._reader.program(child)
            theirs = (other.rung, -float("inf") if other.fitness is None else other.fitness)
            if theirs <= mine:
                found.append(proposal.attempt)
            if len(found) == MOST_TRIED:
                break
        return found[::-1]
