"""The models of a run: their clients and desk, who stands in for them in a replay, what they need
to propose.

SDKs are imported here only when a run has models: they take a second.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evolve.budget import Budget
from evolve.config import RunFile
from evolve.loading import Task
from evolve.loop import Loop
from evolve.messages import BaselineValue
from evolve.proposers import Proposer
from evolve.recording import RecordedDesk, Recording
from islands_db import JSON, Reader, Store

if TYPE_CHECKING:
    from evolve.llm.desk import Desk, Line, LiveDesk
    from evolve.proposers.llm import Prompting


@dataclass(slots=True, kw_only=True)
class Consulting:
    """What a session does for its models; nothing where the run has none.

    Attributes:
        recording: A run whose answers stand in for the models.
        tell: Called with lines worth keeping.
    """

    config: RunFile
    recording: Recording | None
    tell: Callable[[str], None]
    desk: LiveDesk | None = None
    """Who asks the models; None where a recording alone answers."""
    _lines: list[Line] = field(default_factory=list)
    _prices: Mapping[str, JSON] = field(default_factory=dict)

    async def open(self, stack: AsyncExitStack, *, capped: bool) -> None:
        """Opens the models' clients; refuses before anything is stored or spent.

        Args:
            capped: Whether dollars are limited, so that every model needs a price.

        Raises:
            UsageError: a key, an address, a price or a model is missing or wrong.
        """
        if not self.config.llm or (self.recording is not None and not self.recording.live):
            return
        from evolve.llm import opening

        self._lines = opening.prepared(self.config.llm, os.environ, capped=capped)
        for line in self._lines:
            stack.push_async_callback(line.client.close)
        await opening.check_all(self._lines)
        self._prices = opening.prices_used(self._lines)

    def wire(
        self,
        store: Store,
        budget: Budget,
        *,
        may_go_on: Callable[[], Awaitable[None]],
        may_write: asyncio.Event,
    ) -> None:
        """Sets up the desk of models that are open, and stores what they cost.

        Args:
            may_go_on, may_write: As of `LiveDesk`.
        """
        if not self._lines:
            return
        from evolve.llm.desk import LiveDesk

        self.desk = LiveDesk(
            store,
            budget,
            self._lines,
            may_go_on=may_go_on,
            may_write=may_write,
            tell=self.tell,
            ordered=self.config.deterministic,
            alone=not self.config.proposers,
            rng=random.Random(),
        )
        if "prices" not in store.meta:
            store.set_meta("prices", dict(self._prices))

    @property
    def all_down(self) -> bool:
        """Whether no model can be asked at the moment."""
        return self.desk is not None and self.desk.all_down

    def out_of_order(self) -> frozenset[str]:
        """Models that cannot be asked at the moment."""
        return self.desk.out_of_order() if self.desk else frozenset()

    def proposers(
        self,
        task: Task,
        store: Store,
        reader: Reader,
        loop: Loop,
        stack: AsyncExitStack,
        baselines: Sequence[BaselineValue],
    ) -> dict[str, Proposer]:
        """A proposer for every model, by its arm; what prompts say of the problem is settled now.

        Also gives the loop's drafter its scribe, where the run keeps notes.
        """
        from evolve.prompts import facts_of, load_templates, stored
        from evolve.proposers.llm import LLMProposer, Prompting

        desk = self._answering(store, loop, stack)
        templates = load_templates(task.problem.folder)
        facts = facts_of(task, baselines)
        # for those who read prompts later, without the problem's code
        store.set_meta(stored.KEY, stored.kept(facts, templates))
        prompting = Prompting(store, reader, templates, facts)
        if self.config.notes.every:
            self._keep_notes(store, loop, desk, prompting)
        return {model.arm: LLMProposer(model.arm, desk, prompting) for model in self.config.llm}

    def _answering(self, store: Store, loop: Loop, stack: AsyncExitStack) -> Desk:
        """Who answers: the models, or the run that is replayed."""
        if self.recording is None:
            assert self.desk is not None
            return self.desk
        recorded = stack.enter_context(Reader(self.recording.database))
        return RecordedDesk(
            store,
            recorded,
            budget=loop.budget,
            live=self.desk,
            tell=self.tell,
            stopping=lambda: bool(loop.stop_reason),
            ended=lambda: loop.stop("the recording ends here"),
        )

    def _keep_notes(self, store: Store, loop: Loop, desk: Desk, prompting: Prompting) -> None:
        from evolve.proposers.notes import Scribe

        notes = self.config.notes
        loop.drafter.scribe = Scribe(
            every=notes.every,
            weights={
                model.arm: model.weight
                for model in self.config.llm
                if notes.model in ("", model.arm)
            },
            out_of_order=loop.out_of_order,
            store=store,
            desk=desk,
            prompting=prompting,
        )
