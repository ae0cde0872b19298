"""A recorded run in the place of its models: the same questions get the answers they got.

A question is known by its attempt and turn, and must have the hash it had. Where one differs (a
template, the problem's text or a policy has changed), the replay has left its recording: it says
at which call, and ends there or goes on with the models themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.errors import UsageError
from islands_db import Call, CallState, Reader, Store

if TYPE_CHECKING:
    from evolve.llm.base import Request
    from evolve.llm.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Which run is replayed, and whether models are asked where it has no answer."""

    database: Path
    live: bool = False


class RecordedDesk:
    """A `Desk` that answers from a recorded run; calls cost what they cost then."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        *,
        live: Desk | None,
        tell: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self._store = store
        self._reader = reader
        self._live = live
        self._tell = tell
        self._ended = ended
        self._left = False

    def out_of_order(self) -> frozenset[str]:
        return frozenset()

    async def ask(self, arm: str, request: Request, blank: Call) -> Call:
        from evolve.llm.desk import Unanswered
        from evolve.turns import Stopped

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
                self._ended()
                raise Stopped
            raise Unanswered(proposals[0].reason)
        last = known[-1]
        if last.model != arm or last.prompt != blank.prompt:
            self._leave(replace(blank, model=arm), last)
            assert self._live is not None
            return await self._live.ask(arm, request, blank)
        if last.state is not CallState.ANSWERED:
            proposals = self._reader.proposals(attempt=blank.attempt)
            if proposals and proposals[0].fate is not None:
                raise Unanswered(proposals[0].reason)
            self._ended()
            raise Stopped
        sent = replace(
            blank, model=arm, reserve_usd=last.reserve_usd, reserve_tokens=last.reserve_tokens
        )
        ended = replace(last, template=blank.template)
        with self._store.atomic():
            self._store.end_call(self._store.open_call(sent), ended)
        return ended

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
