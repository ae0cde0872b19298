"""The proposer behind every model: plans what a prompt shows, asks, and reads the answer.

What a prompt shows is drawn when its attempt begins and stored with it as a recipe; the prompt
follows from the recipe, so it is the same when the attempt is done again.
"""

from __future__ import annotations

import random
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from evolve import diff
from evolve.answers import Applied, Refused, apply_answer
from evolve.drafting import NOTES
from evolve.llm.base import Finish, Message
from evolve.llm.base import Request as LLMRequest
from evolve.llm.desk import Desk, Unanswered
from evolve.program import Program
from evolve.prompts import (
    Facts,
    NotesRecipe,
    Prompt,
    Recipe,
    Shown,
    StoreSource,
    Templates,
    Tried,
    assemble,
    draw,
    fixed_part,
    render,
    render_retry,
    render_summary,
)
from evolve.prompts.recipes import HINT, MOST_STEPS, MOST_TRIED
from evolve.proposers.base import Answer, NoAnswer, Programs, Request, Settled, describe
from islands_db import Call, Fate, Reader, Sample, Store


class Prompting:
    """What all models of a run share: templates, facts, and the programs that prompts show."""

    def __init__(self, store: Store, reader: Reader, templates: Templates, facts: Facts) -> None:
        self._store = store
        self._came_from = lru_cache(maxsize=8192)(store.came_from)
        self._source = _Remembering(reader)
        self._templates = templates
        self._facts = facts
        self._fixed = fixed_part(templates, facts)

    def plan(self, sample: Sample, rng: random.Random) -> Recipe:
        """Draws what an attempt's prompt shows; a person's hint stands in place of a drawn one."""
        assert sample.parent is not None
        history: list[int] = []
        one = sample.parent
        for _ in range(MOST_STEPS):
            _, parent = self._came_from(one)
            if parent is None:
                break
            history.insert(0, one)
            one = parent
        since = 0
        if self._store.best is not None:
            since = sample.attempt - self._came_from(self._store.best[0])[0]
        recipe = draw(
            rng,
            self._templates,
            attempt=sample.attempt,
            parent=sample.parent,
            inspirations=sample.inspirations,
            history=history,
            tried=self._store.tried_without_gain(sample.parent, MOST_TRIED),
            notes=self.newest_notes,
            since_best=since,
        )
        handed_in = self._store.meta.get(HINT)
        return (
            replace(recipe, hint=handed_in) if isinstance(handed_in, str) and handed_in else recipe
        )

    @property
    def newest_notes(self) -> int | None:
        """The attempt that gave the newest notes."""
        last = self._store.meta.get(NOTES)
        return last if isinstance(last, int) else None

    def render(self, recipe: Recipe) -> Prompt:
        """The prompt of a recipe."""
        context = assemble(recipe, self._source)
        return render(self._templates, self._facts, context, fixed=self._fixed)

    def render_notes(self, recipe: NotesRecipe) -> Prompt:
        """The prompt that asks for notes."""
        text, count = ("", 0) if recipe.notes is None else self._source.notes(recipe.notes)
        made = [self._source.made(program) for program in recipe.programs]
        return render_summary(self._templates, self._facts, made, notes=text, count=count)

    def retry(self, refused: Refused, recipe: Recipe) -> str:
        """What is sent back behind an answer that could not be used."""
        return render_retry(self._templates, refused, recipe.operator.expect)


class LLMProposer:
    """One model of a run as a proposer."""

    doubts = ()
    operators = None

    def __init__(self, arm: str, desk: Desk, prompting: Prompting) -> None:
        self.name = arm
        self._desk = desk
        self._prompting = prompting

    async def start(self) -> None:
        """Nothing to do: the desk is started for all models together."""

    async def stop(self) -> None:
        """Nothing to do."""

    def plan(self, sample: Sample, rng: random.Random, programs: Programs) -> Sample:
        return replace(sample, note=msgspec.json.encode(self._prompting.plan(sample, rng)).decode())

    def begun(self, sample: Sample, programs: Programs) -> None:
        """What prompts show of the past is read from the store."""

    def to_beat(self, sample: Sample, programs: Programs) -> None:
        """A child is compared with its parent."""

    def settled(self, settled: Settled, programs: Programs) -> None:
        """What prompts show of the past is read from the store."""

    async def propose(self, request: Request) -> Answer:
        recipe = msgspec.json.decode(request.note, type=Recipe)
        prompt = self._prompting.render(recipe)
        question = LLMRequest(
            fixed=prompt.fixed, messages=(Message(role="user", text=prompt.text),)
        )
        blank = Call(
            attempt=request.attempt, turn=0, model=self.name, template=prompt.templates,
            prompt=prompt.hash,
        )  # fmt: skip
        try:
            call = await self._desk.ask(self.name, question, blank)
        except Unanswered as error:
            raise NoAnswer(str(error), operator=recipe.operator) from None
        cost = call.cost_usd or 0.0
        result = _read(request.parent, call, recipe)
        if isinstance(result, Refused) and result.worth_sending_back:
            again = LLMRequest(
                fixed=question.fixed,
                messages=(
                    *question.messages,
                    Message(role="assistant", text=call.answer or ""),
                    Message(role="user", text=self._prompting.retry(result, recipe)),
                ),
            )
            try:
                call = await self._desk.ask(self.name, again, replace(blank, turn=1))
            except Unanswered:
                pass  # the first answer's refusal stands
            else:
                cost += call.cost_usd or 0.0
                result = _read(request.parent, call, recipe)
        if isinstance(result, Refused):
            raise NoAnswer(
                result.reason,
                fate=Fate(result.kind.value),
                operator=recipe.operator,
                cost_usd=cost,
            )
        return Answer(
            text=diff.between(request.parent, result.program),
            operator=recipe.operator,
            cost_usd=cost,
            program=describe(result.program),
        )


def _read(parent: Program, call: Call, recipe: Recipe) -> Applied | Refused:
    return apply_answer(
        parent,
        call.answer or "",
        expect=recipe.operator.expect,
        cut=call.finish == Finish.LENGTH,
        declined=call.finish == Finish.REFUSED,
    )


class _Remembering(StoreSource):
    """Keeps what was read: programs and their verdicts in training do not change."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._shown = lru_cache(maxsize=2048)(super().shown)
        self._tried = lru_cache(maxsize=2048)(super().tried)
        self._made = lru_cache(maxsize=2048)(super().made)
        self._notes = lru_cache(maxsize=16)(super().notes)
        self._parent = lru_cache(maxsize=8192)(super().parent)
        self._repeated = lru_cache(maxsize=2048)(super().repeated)

    def shown(self, program: int) -> Shown:
        return self._shown(program)

    def tried(self, attempt: int) -> Tried:
        return self._tried(attempt)

    def made(self, program: int) -> Tried:
        return self._made(program)

    def notes(self, attempt: int) -> tuple[str, int]:
        return self._notes(attempt)

    def parent(self, program: int) -> int | None:
        return self._parent(program)

    def repeated(self, program: int) -> tuple[str, ...]:
        return self._repeated(program)
