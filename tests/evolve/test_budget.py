"""Where a run stops."""

from __future__ import annotations

from evolve.budget import Budget
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
    assert Budget(Limits(minutes=1), elapsed_s=61).spent() == "1 minutes used"
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
