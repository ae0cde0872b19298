"""Shares by gain per cost."""

from __future__ import annotations

import random

from evolve.bandit import FLOOR, Bandit


def taught(bandit: Bandit, rounds: int, chances: dict[str, tuple[float, float]]) -> Bandit:
    """Attempts that win with a chance and cost so many dollars each."""
    rng = random.Random(1)
    for _ in range(rounds):
        name = bandit.ask(rng)
        chance, cost = chances[name]
        bandit.tell(name, gain=float(rng.random() < chance), cost_usd=cost)
    return bandit


def test_what_wins_more_for_its_money_is_asked_more_and_nobody_is_forgotten() -> None:
    bandit = taught(
        Bandit({"dear": 1.0, "cheap": 1.0}), 2000, {"dear": (0.2, 0.05), "cheap": (0.1, 0.005)}
    )
    shares = bandit.shares()
    assert shares["cheap"] > 0.7
    assert shares["dear"] >= FLOOR / 2
    assert sum(shares.values()) == 1.0 or abs(sum(shares.values()) - 1.0) < 1e-12


def test_it_notices_when_another_becomes_the_better_one() -> None:
    bandit = taught(Bandit({"a": 1.0, "b": 1.0}), 1000, {"a": (0.3, 0.0), "b": (0.03, 0.0)})
    assert bandit.shares()["a"] > 0.7
    taught(bandit, 3000, {"a": (0.03, 0.0), "b": (0.3, 0.0)})
    assert bandit.shares()["b"] > 0.7


def test_fixed_keeps_the_weights() -> None:
    bandit = taught(Bandit({"a": 3.0, "b": 1.0}, learning=False), 500, {"a": (0, 0), "b": (1, 0)})
    assert bandit.shares() == {"a": 0.75, "b": 0.25}


def test_who_is_down_is_not_asked_unless_everyone_is() -> None:
    bandit = Bandit({"a": 1.0, "b": 1.0, "never": 0.0})
    assert bandit.shares(frozenset({"a"})) == {"b": 1.0}
    assert set(bandit.shares(frozenset({"a", "b"}))) == {"a", "b"}


def test_what_was_learnt_comes_back_from_the_store() -> None:
    bandit = taught(Bandit({"a": 1.0, "b": 2.0}), 50, {"a": (0.5, 0.1), "b": (0.1, 0.2)})
    again = Bandit({"a": 1.0, "b": 2.0})
    again.restore(bandit.plain())
    assert again.shares() == bandit.shares()
