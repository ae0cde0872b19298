"""Shares by gain per cost."""

from __future__ import annotations

import random

import msgspec
import pytest

from evolve.bandit import FLOOR, Bandit, Markets, over_operators


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


def test_operators_keep_their_shares_until_enough_is_known_of_them() -> None:
    """Of eighteen that win alike, once in a hundred attempts, chance moves no share far."""
    names = {f"operator {i}": 1.0 for i in range(18)}
    market = taught(over_operators(names), 5000, dict.fromkeys(names, (0.01, 0.0)))
    assert max(market.shares().values()) < 3 / 18
    # and one that wins five times as often comes to be asked much more
    chances = dict.fromkeys(names, (0.01, 0.0)) | {"operator 3": (0.05, 0.0)}
    assert taught(over_operators(names), 5000, chances).shares()["operator 3"] > 2.5 / 18


def test_the_markets_of_a_stored_run_are_those_it_had() -> None:
    market = taught(over_operators({"a": 1.0, "b": 2.0}), 50, {"a": (0.5, 0.1), "b": (0.1, 0.2)})
    stored = {"operator_weights": {"tree": {"a": 1, "b": 2}}, "operators": {"tree": market.plain()}}
    opened = msgspec.convert(stored | {"seed": 1}, Markets).opened()
    assert opened["tree"].shares() == market.shares()
    fixed = msgspec.convert(stored | {"config": {"policy": "fixed"}}, Markets).opened()
    assert fixed["tree"].shares() == {"a": 1 / 3, "b": 2 / 3}
    assert msgspec.convert({}, Markets).opened() == {}


@pytest.mark.parametrize(
    "stored",
    [
        {"operator_weights": {"tree": {"a": -1}}},
        {"operator_weights": {"tree": {"a": 1}}, "operators": {"tree": {"a": [1]}}},
        {"operators": 3},
    ],
)
def test_markets_that_cannot_be_are_refused(stored: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(stored, Markets)
