"""A bounded number of jobs at once, each owned by whoever waits for it.

`asyncio_pool` does the bounding. Used bare it leaves a job running when its waiter is cancelled;
here a cancelled waiter ends its job first, and a job's error reaches its waiter and nobody else.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from asyncio_pool import AioPool

T = TypeVar("T")


class CallPool:
    """Runs at most `size` jobs at once, first come, first served."""

    def __init__(self, size: int) -> None:
        self._pool = AioPool(size=size)

    @property
    def active(self) -> int:
        return int(self._pool.n_active)

    async def run(self, job: Coroutine[Any, Any, T]) -> T:
        """Waits for room, then for the job; gives its result or raises what it raised."""
        future = await self._pool.spawn(job)
        try:
            result: T = await future
            return result
        finally:
            # a cancelled wait cancels the future alone; this ends the job behind it
            await self._pool.cancel(future)

    async def close(self) -> None:
        """Ends what is still running."""
        await self._pool.cancel()
