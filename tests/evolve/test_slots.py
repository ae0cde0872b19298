"""Cores as a counted resource."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.slots import Slots

WORK = st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.integers(0, 3)), max_size=30)


@given(WORK, st.integers(1, 4), st.integers())
def test_never_more_than_there_are_and_exclusive_work_is_alone(
    work: list[tuple[int, bool, int]], total: int, seed: int
) -> None:
    busy: dict[int, tuple[int, bool]] = {}

    async def one(slots: Slots, number: int, cores: int, exclusive: bool, turns: int) -> None:
        async with slots.take(cores, exclusive=exclusive):
            busy[number] = (cores, exclusive)
            assert not exclusive or len(busy) == 1
            assert not any(alone for _, alone in busy.values()) or len(busy) == 1
            assert sum(min(c, total) for c, alone in busy.values() if not alone) <= total
            for _ in range(turns):
                await asyncio.sleep(0)
            del busy[number]

    async def all_of_them() -> Slots:
        slots = Slots(total)
        async with asyncio.TaskGroup() as group:
            order = list(enumerate(work))
            random.Random(seed).shuffle(order)
            for number, (cores, exclusive, turns) in order:
                group.create_task(one(slots, number, cores, exclusive, turns))
        return slots

    slots = asyncio.run(all_of_them())
    assert not busy
    assert slots.busy == 0


@pytest.mark.parametrize("when", ["waiting", "holding"])
def test_a_cancelled_one_leaves_nothing_behind(when: str) -> None:
    async def story() -> tuple[int, int]:
        slots = Slots(1)

        async def hold(for_ever: asyncio.Event) -> None:
            async with slots.take():
                await for_ever.wait()

        first = asyncio.Event()
        holder = asyncio.ensure_future(hold(first))
        await asyncio.sleep(0)
        waiter = asyncio.ensure_future(hold(first))
        await asyncio.sleep(0)
        victim = waiter if when == "waiting" else holder
        victim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await victim
        first.set()
        await (holder if when == "waiting" else waiter)
        return slots.busy, slots.waiting

    assert asyncio.run(story()) == (0, 0)
