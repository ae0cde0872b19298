"""Lets attempts pass a point in the order of their numbers (deterministic mode), or at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Stopped(Exception):
    """The run is stopping; the attempt stays pending and is done again on resume."""


class Turns:
    """A gate that attempt k passes after k - 1; without `ordered` it is always open.

    When attempt k gives up, the gate is broken for all later ones, since their turn cannot come;
    earlier ones still pass.
    """

    def __init__(self, first: int, *, ordered: bool) -> None:
        self._next = first
        self._ordered = ordered
        self._broken_at: int | None = None
        self._waiting: dict[int, asyncio.Future[None]] = {}

    def is_next(self, attempt: int) -> bool:
        return not self._ordered or attempt == self._next

    @asynccontextmanager
    async def turn(self, attempt: int) -> AsyncIterator[None]:
        """Waits for the attempt's turn, and passes it on when the body ends without an exception.

        Raises:
            Stopped: an earlier attempt gave up.
        """
        if not self._ordered:
            yield
            return
        if attempt != self._next:
            if self._broken_at is not None and attempt > self._broken_at:
                raise Stopped
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[attempt] = waiter
            try:
                await waiter
            finally:
                del self._waiting[attempt]
        yield
        self._next = attempt + 1
        following = self._waiting.get(self._next)
        if following is not None and not following.done():
            following.set_result(None)

    def give_up(self, attempt: int) -> None:
        """Stops everyone who waits behind this attempt."""
        if self._broken_at is None or attempt < self._broken_at:
            self._broken_at = attempt
        for number, waiter in list(self._waiting.items()):
            if number > attempt and not waiter.done():
                waiter.set_exception(Stopped())
