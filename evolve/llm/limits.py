"""What a vendor allows a model per minute: kept in every minute, not on average alone.

A bucket that holds a whole minute's worth, as these are often set up, lets twice of it leave in
its first minute. Here it holds a tenth of a second's worth, and leaks so much more slowly that the
bucket and what leaks in a minute are together what is allowed.
"""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

_BURST_MINUTES = 1 / 600


class PerMinute:
    """So many a minute may leave, first come, first served."""

    def __init__(self, most: float) -> None:
        self._burst = max(1.0, most * _BURST_MINUTES)
        rate_per_s = (most - self._burst + 1.0) / 60.0
        self._bucket = AsyncLimiter(self._burst, self._burst / rate_per_s)
        self._turn = asyncio.Lock()
        self._owed = 0.0

    async def take(self, amount: float = 1.0) -> None:
        """Waits until so many more may leave."""
        # `AsyncLimiter` alone would let small amounts overtake large ones for ever
        async with self._turn:
            taken = 0.0
            try:
                while (left := amount + self._owed - taken) > 0.0:
                    part = min(left, self._burst)
                    await self._bucket.acquire(part)
                    taken += part
            except asyncio.CancelledError:
                self._owed -= taken
                raise
            self._owed += amount - taken

    def correct(self, amount: float) -> None:
        """Adds to what has left (or takes from it) afterwards, where it had been an estimate."""
        self._owed += amount


class Limits:
    """Requests and tokens per minute of one model; None for no limit."""

    def __init__(self, requests: float | None, tokens: float | None) -> None:
        self._requests = PerMinute(requests) if requests is not None else None
        self._tokens = PerMinute(tokens) if tokens is not None else None
        self._turn = asyncio.Lock()

    @property
    def some(self) -> bool:
        """Whether there is any limit."""
        return self._requests is not None or self._tokens is not None

    async def take(self, tokens: float) -> None:
        """Waits until one more call with about so many tokens may leave."""
        # one at a time through both: what has passed one limit must not pile up before the other
        async with self._turn:
            if self._tokens is not None:
                await self._tokens.take(tokens)
            if self._requests is not None:
                await self._requests.take()

    def correct(self, expected: float, actual: float) -> None:
        """Notes what a call really took."""
        if self._tokens is not None:
            self._tokens.correct(actual - expected)
