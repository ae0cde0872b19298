"""A recorded run in the place of its models: the same questions get the answers they got.

A question is known by its attempt and turn, and must have the hash it had. Where one differs (a
template, the problem's text or a policy has changed), the replay has left its recording: it says
at which call, and ends there or goes on with the models themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from msgspec import structs

from evolve.budget import Amount, Budget
from evolve.errors import UsageError
from islands_db import JSON, Call, CallState, Reader, Store

if TYPE_CHECKING:
    from evolve.llm.base import Request
    from evolve.llm.desk import Desk


_POLL_S = 0.02
KEY = "replay"
"""Under which a run says what it replays, so that it never asks a model when it is resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Which run is replayed, and whether models are asked where it has no answer."""

    database: str
    live: bool = False

    def found(self, name: str, *, beside: Path) -> Recording:
        """Where the recording of replay `name` is now: as stored, or a folder `beside` it.

        Raises:
            UsageError: nowhere.
        """
        there = Path(self.database)
        for database in (there, beside / there.parent.name / there.name):
            if database.is_file():
                return replace(self, database=str(database))
        raise UsageError(
            f"{name} replays the run in {there.parent}, which is gone, and without it "
            "models would be asked, and paid, for answers that are there already"
        )

    def plain(self) -> dict[str, JSON]:
        """As it is stored under `KEY`."""
        return {"database": self.database, "live": self.live}


class RecordedDesk:
    """A `Desk` that answers from a recorded run; calls cost what they cost then."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        *,
        budget: Budget,
        live: Desk | None,
        tell: Callable[[str], None],
        stopping: Callable[[], bool],
        ended: Callable[[], None],
    ) -> None:
        self._store = store
        self._reader = reader
        self._budget = budget
        self._stopping = stopping
        self._live = live
        self._tell = tell
        self._ended = ended
        self._left = False

    def out_of_order(self) -> frozenset[str]:
        return frozenset()

    async def ask(self, arm: str, request: Request, blank: Call) -> Call:
        from evolve.llm.desk import Unanswered

        answered = self._store.answer(blank.attempt, blank.turn)
        if answered is not None:
            return answered
        known = [
            call for call in self._reader.calls(attempt=blank.attempt) if call.turn == blank.turn
        ]
        if not known:
            if self._live is not None:
                return await self._live.ask(arm, request, blank)
            proposals = self._reader.proposals(attempt=blank.attempt)
            if not proposals or proposals[0].fate is None:
                await self._end(blank.attempt)
            raise Unanswered(proposals[0].reason)
        last = known[-1]
        if last.model != arm or last.prompt != blank.prompt:
            self._leave(structs.replace(blank, model=arm), last)
            assert self._live is not None
            return await self._live.ask(arm, request, blank)
        if last.state is not CallState.ANSWERED:
            proposals = self._reader.proposals(attempt=blank.attempt)
            if proposals and proposals[0].fate is not None:
                raise Unanswered(proposals[0].reason)
            await self._end(blank.attempt)
        sent = structs.replace(
            blank, model=arm, reserve_usd=last.reserve_usd, reserve_tokens=last.reserve_tokens
        )
        ended = structs.replace(last, template=blank.template)
        with self._store.atomic():
            self._store.end_call(self._store.open_call(sent), ended)
        self._budget.book(Amount(usd=ended.cost_usd or 0.0, tokens=ended.input + ended.output))
        return ended

    async def _end(self, attempt: int) -> NoReturn:
        """Ends the replay when all that began before this attempt is stored: it has answers."""
        from evolve.turns import Stopped

        def earlier() -> bool:
            return any(sample.attempt < attempt for sample in self._store.pending())

        while not self._stopping() and earlier():  # noqa: ASYNC110  the store tells nobody
            await asyncio.sleep(_POLL_S)
        self._ended()
        raise Stopped

    def _leave(self, now: Call, then: Call) -> None:
        what = "texts of the problem or policy"
        if now.model != then.model:
            what = f"{now.model} is to answer and not {then.model}: weights or policy"
        elif now.template != then.template:
            what = "templates"
        line = (
            f"attempt {now.attempt}, turn {now.turn}: the prompt is not the one that was recorded "
            f"({what} changed), so the replay leaves its recording here"
        )
        if self._live is None:
            raise UsageError(f"{line}; --live goes on with the models")
        if not self._left:
            self._tell(line)
        self._left = True
