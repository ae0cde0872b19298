"""Notes on a search: every so many programs a model sums up what worked, and later prompts show it.

Asking for notes is an attempt that brings no program. So it is sampled, paid, stored, resumed and
replayed as every other attempt is, and it takes no turn from those that search. The answer of its
call is the notes; prompts name them by the attempt.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf, isfinite

import msgspec

from evolve.answers import spoken
from evolve.drafting import NOTES, Draft
from evolve.llm.base import Finish, Message, Request
from evolve.llm.desk import Desk, Unanswered
from evolve.prompts import NotesRecipe
from evolve.proposers.llm import Prompting
from islands_db import Call, Fate, Sample, Store

MOST_GAINS = 6
MOST_LOSSES = 6
LOOKED_AT = 200
"""Programs at most, the newest, among which notes choose what they are written from."""


@dataclass(slots=True, kw_only=True)
class Scribe:
    """Has notes written.

    Attributes:
        every: Programs between one summary and the next.
        weights: Of the models that may write; the one with the largest does, if it can be asked.
    """

    every: int
    weights: Mapping[str, float]
    out_of_order: Callable[[], frozenset[str]]
    store: Store
    desk: Desk
    prompting: Prompting

    def due(self, program: int | None) -> bool:
        """Whether notes are to be written now that this program has been stored."""
        if program is None or program % self.every:
            return False
        return all(sample.proposer != NOTES for sample in self.store.pending())

    def plan(self, program: int, rng: random.Random) -> str:
        """What notes after this program are written from, and who writes them."""
        up = [arm for arm in self.weights if arm not in self.out_of_order()] or list(self.weights)
        recipe = NotesRecipe(
            arm=max(up, key=lambda arm: self.weights[arm]),
            programs=_chosen(self.store, program, min(self.every, LOOKED_AT), rng),
            notes=self.prompting.newest_notes,
            count=program,
        )
        return msgspec.json.encode(recipe).decode()

    async def write(self, sample: Sample) -> Draft:
        """Asks for the notes; they are in the store when this returns."""
        recipe = msgspec.json.decode(sample.note, type=NotesRecipe)
        prompt = self.prompting.render_notes(recipe)
        request = Request(fixed=prompt.fixed, messages=(Message(role="user", text=prompt.text),))
        blank = Call(
            attempt=sample.attempt, turn=0, model=recipe.arm, template=prompt.templates,
            prompt=prompt.hash,
        )  # fmt: skip
        try:
            call = await self.desk.ask(recipe.arm, request, blank)
        except Unanswered as error:
            return Draft(fate=Fate.NO_ANSWER, reason=str(error), operator=NOTES)
        fate, reason = _fate(call)
        return Draft(fate=fate, reason=reason, operator=NOTES, cost_usd=call.cost_usd or 0.0)


def _fate(call: Call) -> tuple[Fate, str]:
    text, thinking = spoken(call.answer or "")
    if call.finish == Finish.REFUSED:
        return Fate.DECLINED, "the model declined to write notes"
    if call.finish == Finish.LENGTH or thinking:
        return Fate.TRUNCATED, "the notes were cut off"
    if not text.strip():
        return Fate.EMPTY, "the notes are empty"
    return Fate.NOTES, ""


def _chosen(store: Store, last: int, count: int, rng: random.Random) -> tuple[int, ...]:
    """The programs that gained most over their parents, and some that did not; by number."""
    gains: list[tuple[tuple[int, float], int]] = []
    losses: list[int] = []
    for program in range(max(1, last - count + 1), last + 1):
        _, parent = store.came_from(program)
        if parent is None:
            continue
        try:
            (rung, fitness), (old_rung, old) = store.rank(program), store.rank(parent)
        except ValueError:
            continue  # without a score since all were rescored, as its text had been dropped
        if (rung, fitness) > (old_rung, old):
            won = fitness - old if isfinite(old) else inf
            gains.append(((rung - old_rung, won), program))
        else:
            losses.append(program)
    ranked = (program for _, program in sorted(gains, reverse=True))
    best = list(islice(filter(store.has_text, ranked), MOST_GAINS))
    others = rng.sample(losses, min(MOST_LOSSES, len(losses)))
    return tuple(sorted([*best, *filter(store.has_text, others)]))
