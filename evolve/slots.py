"""Cores as a counted resource, handed out in the order of asking."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """`total` cores; `exclusive` work takes them all, so that nothing else evaluates meanwhile."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def busy(self) -> int:
        return self.total - self._free

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @asynccontextmanager
    async def take(self, cores: int = 1, *, exclusive: bool = False) -> AsyncIterator[None]:
        """Holds `cores` (at most all) while the body runs; first come, first served."""
        count = self.total if exclusive else min(max(cores, 1), self.total)
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((count, ticket))
        self._admit()
        try:
            await ticket
        except BaseException:
            if ticket.done() and not ticket.cancelled():
                self._free += count
            else:
                self._queue = deque(entry for entry in self._queue if entry[1] is not ticket)
            self._admit()
            raise
        try:
            yield
        finally:
            self._free += count
            self._admit()

    def _admit(self) -> None:
        while self._queue and self._queue[0][0] <= self._free:
            count, ticket = self._queue.popleft()
            if not ticket.done():
                self._free -= count
                ticket.set_result(None)
