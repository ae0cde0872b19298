"""What is known already of a program that was proposed: stored, being judged, or foretold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from msgspec.structs import replace

from evolve.drafting import Draft
from islands_db import Fate, Outcome, ProgramText, Sample, Store


@dataclass(slots=True, kw_only=True)
class Known:
    """Finds programs that need not be judged.

    Attributes:
        lag: Attempts under way at once.
        deterministic: Nothing may depend on which of them ended first.
    """

    store: Store
    lag: int
    deterministic: bool
    _under_way: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    """The marks of programs that are being judged, by content and by syntax tree."""
    _marks: dict[int, tuple[ProgramText, asyncio.Future[None]]] = field(default_factory=dict)

    def seen(self, text: ProgramText) -> tuple[int | None, asyncio.Future[None] | None]:
        """A stored program that is the same, or the evaluation of one that is under way."""
        known = self.store.known(text.hash, text.syntax_hash)
        twin = self._under_way.get(text.hash) or self._under_way.get(text.syntax_hash)
        return known, twin if known is None else None

    def foretold(self, sample: Sample, draft: Draft) -> Outcome | None:
        """The end of an attempt whose program would behave as a known one: it is not run."""
        if draft.behaviour is None or draft.text is None:
            return None
        known = self.behaving(sample.attempt, draft.text.length, draft.behaviour)
        if known is None:
            return None
        reason = f"would behave as program {known}: worked out, not run"
        return replace(draft.rejected(Fate.DUPLICATE, reason), duplicate_of=known)

    def unheard(self, sample: Sample, draft: Draft) -> Draft:
        """The draft, or what is proposed instead of it where it would behave as a known program."""
        other = draft
        while self.foretold(sample, other) is not None:
            if other.instead is None:
                return draft
            other = other.instead
        return other

    def behaving(self, attempt: int, length: int, behaviour: int) -> int | None:
        """The program that has shown this behaviour before and is not longer.

        A shorter one is judged: it takes the place of the longer one where all figures agree.
        In deterministic mode only those count that are stored whatever the timing: the ones this
        attempt was sampled from.
        """
        last = attempt - self.lag if self.deterministic else None
        return self.store.behaving(behaviour, length=length, up_to_attempt=last)

    def begin(self, attempt: int, text: ProgramText) -> None:
        """Notes that a program is being judged."""
        mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way[text.hash] = self._under_way[text.syntax_hash] = mark
        self._marks[attempt] = text, mark

    def end(self, attempt: int) -> None:
        """Lets those go on that waited for this one, if it was being judged."""
        if attempt in self._marks:
            text, mark = self._marks.pop(attempt)
            del self._under_way[text.hash], self._under_way[text.syntax_hash]
            mark.set_result(None)
