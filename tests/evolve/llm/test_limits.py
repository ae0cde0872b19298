"""Limits per minute, on a loop whose clock jumps to whatever is waited for."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from evolve.llm.limits import Limits, PerMinute


class Jumping(asyncio.SelectorEventLoop):
    """Time passes where nothing else is left to do."""

    def __init__(self) -> None:
        self.now = 1000.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                found = super().select(0)
                if not found:
                    loop.now += max(timeout or 0.0, 1e-6)  # no clock stands still
                return found

        super().__init__(Selector())

    def time(self) -> float:
        return self.now


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Jumping) as runner:
        runner.run(main)


def most_in_a_minute(left: list[tuple[float, float]]) -> float:
    """The largest sum of amounts of (time, amount) within less than a minute."""
    most = total = 0.0
    first = 0
    for time, amount in left:
        total += amount
        while left[first][0] <= time - 60.0 + 1e-6:
            total -= left[first][1]
            first += 1
        most = max(most, total)
    return most


@pytest.mark.parametrize("most", [0.5, 1, 7, 60, 500, 6000])
def test_no_minute_has_more_and_nearly_all_of_it_is_used(most: float) -> None:
    left: list[tuple[float, float]] = []

    async def main() -> None:
        limit = PerMinute(most)
        began = asyncio.get_running_loop().time()

        async def caller() -> None:
            while (now := asyncio.get_running_loop().time()) < began + 150:
                await limit.take()
                left.append((now, 1.0))
                left[-1] = (asyncio.get_running_loop().time(), 1.0)

        await asyncio.gather(*(caller() for _ in range(20)))

    run(main())
    left.sort()
    assert most_in_a_minute(left) <= max(1.0, most)
    span = left[-1][0] - left[0][0]
    assert len(left) >= 0.95 * most * span / 60


def test_tokens_and_requests_are_both_kept_and_nobody_overtakes() -> None:
    left: list[tuple[float, float]] = []
    order: list[int] = []
    rng = random.Random(4)
    amounts = [rng.choice([100.0, 800.0, 5000.0]) for _ in range(300)]

    async def main() -> None:
        limits = Limits(requests=30, tokens=20_000)

        async def caller(number: int) -> None:
            await limits.take(amounts[number])
            left.append((asyncio.get_running_loop().time(), amounts[number]))
            order.append(number)

        await asyncio.gather(*(caller(number) for number in range(len(amounts))))

    run(main())
    assert order == list(range(len(amounts)))
    assert most_in_a_minute([(time, 1.0) for time, _ in left]) <= 30
    # what the first call of a minute took may have been waited for before
    assert most_in_a_minute(left) <= 20_000 + max(amounts)
    needed = max(len(amounts) / 30, sum(amounts) / 20_000)
    assert left[-1][0] - left[0][0] <= 60 * needed * 1.6


def test_what_a_call_really_took_counts_for_the_next() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limits = Limits(requests=None, tokens=600)
        await limits.take(1)
        began = loop.time()
        limits.correct(1, 301)
        await limits.take(1)
        assert 29 < loop.time() - began < 32
        limits.correct(1, -299)
        began = loop.time()
        await limits.take(300)
        assert loop.time() - began < 1

    run(main())


def test_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limit = PerMinute(60)
        await limit.take()
        began = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20.5):
                await limit.take(1000)
        await limit.take(21)
        assert loop.time() - began < 23

    run(main())
