"""Which proposer or model makes the next proposal: shares by gain per cost, all of them kept alive.

An arm is a proposer ("tree"), a model ("openai/NAME"), or an operator of a proposer ("tree"'s are
the kinds of its edits; each market has arms of one sort). Probability matching: an arm's chance is
its weight times its discounted gain per discounted cost, above a floor. Stochastic, so that many
attempts can be under way before the first result is known; discounted, because what worked on a
poor parent need not work on a good one.

Source: Thierens, "An adaptive pursuit strategy for allocating operator probabilities", GECCO 2005,
section 2 (probability matching with a minimum), with rewards divided by costs.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

DISCOUNT = 0.99
"""Weight of what an arm did one of its own attempts ago."""
FLOOR = 0.1
"""Share of the attempts that goes to all arms by weight alone."""
ATTEMPT_USD = 0.0005
"""What an attempt costs beside its calls: an evaluation. Keeps free proposers comparable."""
PRIOR = 5.0
"""Attempts' worth of the average over all arms that each arm begins with."""
OPERATORS_DISCOUNT, OPERATORS_PRIOR = 0.998, 30.0
"""The same two of a market of operators: they are many, and one attempt in a hundred or fewer wins
something, so little can be said of one from few attempts."""
BEST_GAIN, BETTER_GAIN, JOINED_GAIN = 1.0, 0.2, 0.02


def gain(*, best: bool, better: bool, joined: bool) -> float:
    """What a settled attempt won: 1 for the best of the run, less for a child better than its
    parent (one of the tuner: than all that its session had tried), little for one that only entered
    its population."""
    return BEST_GAIN if best else BETTER_GAIN if better else JOINED_GAIN if joined else 0.0


class Arm(msgspec.Struct, frozen=True):
    """What is remembered of an arm: sums over its attempts, the older the less, and beside them
    plain counts for people: of attempts, children better than their parents, and new bests."""

    attempts: float = 0.0
    gain: float = 0.0
    cost_usd: float = 0.0
    asked: int = 0
    better: int = 0
    best: int = 0


@dataclass(slots=True)
class Bandit:
    """Shares of the arms; `learning` off keeps the weights as they are ("fixed")."""

    weights: Mapping[str, float]
    learning: bool = True
    discount: float = DISCOUNT
    prior: float = PRIOR
    arms: dict[str, Arm] = field(default_factory=dict)

    def tell(self, name: str, *, gain: float, cost_usd: float) -> None:
        """Learns what an attempt of an arm won and what its calls cost."""
        if name not in self.weights:
            return
        before = self.arms.get(name, Arm())
        self.arms[name] = Arm(
            attempts=self.discount * before.attempts + 1.0,
            gain=self.discount * before.gain + gain,
            cost_usd=self.discount * before.cost_usd + cost_usd + ATTEMPT_USD,
            asked=before.asked + 1,
            better=before.better + (gain >= BETTER_GAIN),
            best=before.best + (gain >= BEST_GAIN),
        )

    def shares(self, without: frozenset[str] = frozenset()) -> dict[str, float]:
        """Each arm's chance to make the next proposal; they sum to 1.

        Args:
            without: Arms that cannot be asked now. Where that is every arm, none is left out.
        """
        names = [n for n in sorted(self.weights) if self.weights[n] > 0]
        names = [n for n in names if n not in without] or names
        total = sum(self.weights[n] for n in names)
        by_weight = {n: self.weights[n] / total for n in names}
        if not self.learning or len(names) == 1:
            return by_weight
        known = list(self.arms.values())
        tried = sum(arm.attempts for arm in known)
        if not tried:
            return by_weight
        mean_gain = (sum(arm.gain for arm in known) + JOINED_GAIN) / tried
        mean_cost = (sum(arm.cost_usd for arm in known) + ATTEMPT_USD) / tried
        worth = {}
        for name in names:
            arm = self.arms.get(name, Arm())
            rate = (arm.gain + self.prior * mean_gain) / (arm.cost_usd + self.prior * mean_cost)
            worth[name] = by_weight[name] * rate
        scale = sum(worth.values())
        return {n: FLOOR * by_weight[n] + (1 - FLOOR) * worth[n] / scale for n in names}

    def ask(self, rng: random.Random, without: frozenset[str] = frozenset()) -> str:
        """The arm that makes the next proposal."""
        shares = self.shares(without)
        return rng.choices(list(shares), list(shares.values()))[0]

    def plain(self) -> dict[str, list[float]]:
        """All that it has learnt, to be stored; `restore` reads it."""
        return {
            name: [arm.attempts, arm.gain, arm.cost_usd, arm.asked, arm.better, arm.best]
            for name, arm in sorted(self.arms.items())
        }

    def restore(self, plain: object) -> None:
        """Takes up what `plain` gave; arms that are gone are forgotten."""
        if isinstance(plain, Mapping):
            for name, values in plain.items():
                if name in self.weights:
                    self.arms[name] = Arm(*values)


def over_operators(weights: Mapping[str, float], *, learning: bool = True) -> Bandit:
    """Shares of a proposer's operators."""
    return Bandit(weights, learning, OPERATORS_DISCOUNT, OPERATORS_PRIOR)


_Amount = Annotated[float, msgspec.Meta(ge=0)]


class Markets(msgspec.Struct, frozen=True, kw_only=True):
    """How a run's proposers share their attempts among their operators, as its store has it."""

    operator_weights: dict[str, dict[str, _Amount]] = {}
    """By proposer and operator; set when a process takes up the run."""
    operators: dict[str, dict[str, tuple[_Amount, _Amount, _Amount, int, int, int]]] = {}
    """What each has won, in the order of `Arm`; set with every outcome."""
    config: dict[str, object] = {}

    def opened(self) -> dict[str, Bandit]:
        """The market of each proposer that has one."""
        learning = self.config.get("policy") != "fixed"
        weights = self.operator_weights
        markets = {n: over_operators(w, learning=learning) for n, w in weights.items()}
        for name, market in markets.items():
            market.restore(self.operators.get(name))
        return markets
