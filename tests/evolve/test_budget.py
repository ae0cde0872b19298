"""Where a run stops."""

from __future__ import annotations

import asyncio

import pytest

from evolve.budget import Amount, Budget, OutOfBudget
from evolve.config import Budget as Limits
from evolve.problem import Objective


def test_evaluations_given_back_may_be_used_again() -> None:
    budget = Budget(Limits(evals=2))
    budget.reserve_evaluation()
    budget.reserve_evaluation()
    assert budget.spent()
    budget.give_back_evaluation()
    assert not budget.spent()


def test_totals_count_what_an_earlier_session_used() -> None:
    assert Budget(Limits(evals=5), evaluated=5).spent() == "5 evaluations used"
    over = Budget(Limits(evals=100), evaluated=310)
    assert over.spent() == "310 evaluations used, 100 allowed"
    assert Budget(Limits(minutes=1), elapsed_s=61).spent() == "1 minute used"
    assert not Budget(Limits(minutes=2), elapsed_s=61).spent()


def test_the_target_is_reached_in_the_objectives_own_direction() -> None:
    low, high = Objective("x", "min"), Objective("x", "max")
    budget = Budget(Limits(target=1.0))
    budget.see(low, 1.5)
    assert not budget.spent()
    budget.see(low, 0.9)
    assert budget.spent() == "target 1 reached"
    rising = Budget(Limits(target=1.0))
    rising.see(high, 0.9)
    assert not rising.spent()
    rising.see(high, 1.0)
    assert rising.spent()


def test_without_limits_it_never_ends() -> None:
    budget = Budget(Limits())
    budget.reserve_evaluation()
    assert not budget.spent()
    assert budget.seconds_left() is None


def test_drafts_wait_where_the_evaluations_left_would_not_do_for_all_of_them() -> None:
    async def scenario() -> list[int]:
        budget = Budget(Limits(evals=2))
        begun: list[int] = []

        async def draft(attempt: int) -> None:
            await budget.begin_draft(attempt)
            begun.append(attempt)

        async with asyncio.TaskGroup() as group:
            for attempt in (0, 1, 5, 3, 4):
                group.create_task(draft(attempt))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert begun == [0, 1]
            budget.end_draft()
            late = group.create_task(draft(2))  # comes when one was freed, but not for it alone
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert begun == [0, 1, 3]
            budget.cancel()
            await late
        return begun

    assert asyncio.run(scenario()) == [0, 1, 3, 2, 4, 5]


def test_money_in_flight_never_passes_the_cap_and_the_last_call_is_refused() -> None:
    async def scenario() -> None:
        budget = Budget(Limits(usd=1.0))
        reserve = Amount(usd=0.4)
        await budget.reserve(reserve)
        await budget.reserve(reserve)
        third = asyncio.ensure_future(budget.reserve(reserve))
        await asyncio.sleep(0)
        assert not third.done()
        budget.settle(reserve, Amount(usd=0.1))
        await third
        budget.settle(reserve, reserve)
        budget.settle(reserve, reserve)
        assert budget.usd == pytest.approx(0.9)
        with pytest.raises(OutOfBudget, match=r"\$1 used"):
            await budget.reserve(reserve)
        assert budget.exhausted

    asyncio.run(scenario())
