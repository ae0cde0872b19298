"""The gate that keeps attempts in order."""

from __future__ import annotations

import asyncio

import pytest

from evolve.turns import Stopped, Turns


def passed_in(order: list[int], *, ordered: bool) -> list[int]:
    """The order in which attempts pass that reach the gate in the order given."""
    passed: list[int] = []

    async def go(turns: Turns, attempt: int) -> None:
        async with turns.turn(attempt):
            passed.append(attempt)

    async def all_of_them() -> None:
        turns = Turns(0, ordered=ordered)
        async with asyncio.TaskGroup() as group:
            for attempt in order:
                group.create_task(go(turns, attempt))
                await asyncio.sleep(0)

    asyncio.run(all_of_them())
    return passed


def test_attempts_pass_in_the_order_of_their_numbers() -> None:
    assert passed_in([3, 1, 0, 2, 4], ordered=True) == [0, 1, 2, 3, 4]


def test_without_order_they_pass_as_they_come() -> None:
    assert passed_in([3, 1, 0, 2, 4], ordered=False) == [3, 1, 0, 2, 4]


def test_who_waits_behind_one_that_gives_up_is_stopped_and_who_is_before_it_passes() -> None:
    passed: list[int] = []
    stopped: list[int] = []

    async def go(turns: Turns, attempt: int) -> None:
        try:
            async with turns.turn(attempt):
                passed.append(attempt)
        except Stopped:
            stopped.append(attempt)

    async def story() -> None:
        turns = Turns(0, ordered=True)
        async with asyncio.TaskGroup() as group:
            for attempt in (1, 3, 4):
                group.create_task(go(turns, attempt))
            await asyncio.sleep(0)
            turns.give_up(2)
            group.create_task(go(turns, 5))
            group.create_task(go(turns, 0))

    asyncio.run(story())
    assert passed == [0, 1]
    assert sorted(stopped) == [3, 4, 5]


def test_a_body_that_fails_does_not_pass_its_turn_on() -> None:
    async def story() -> bool:
        turns = Turns(0, ordered=True)
        with pytest.raises(RuntimeError):
            async with turns.turn(0):
                raise RuntimeError
        return turns.is_next(0)

    assert asyncio.run(story())
