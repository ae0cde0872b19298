"""Watches a run: its figures at a moment, and its rate."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from evolve.bandit import Arm, Bandit
from evolve.budget import Budget
from evolve.champion import Champions, parting
from evolve.status import IslandStatus, ModelStatus, ProposerStatus, Reference, Status
from islands_db import CallState, Store

_RATE_WINDOW_S = 5.0
_RATE_POINTS, _RATE_POINT_S = 64, 0.1
"""More points than fit into the window, however often somebody asks."""


@dataclass(slots=True, kw_only=True)
class Monitor:
    """Figures of one run, read from those who keep them."""

    run: str
    problem: str
    tier: str
    store: Store
    champions: Champions
    budget: Budget
    split: str
    """Where champions are compared: validation, or training where there is none."""
    deterministic: bool
    bandit: Bandit
    references: Sequence[Reference] = ()
    phase: str = "starting"
    last: str = ""
    _recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RATE_POINTS))

    def status(self, *, paused: bool = False, waiting: bool = False) -> Status:
        """The run at this moment."""
        counts = self.store.counts()
        objective = self.champions.objective
        sign = 1.0 if objective.direction == "max" else -1.0
        best = self.store.best
        standing = self.champions.best
        limits = self.budget.limits
        shares = self.bandit.shares()
        return Status(
            run=self.run,
            problem=self.problem,
            objective=objective.name,
            direction=objective.direction,
            phase="paused" if paused else "no model" if waiting else self.phase,
            tier=self.tier,
            deterministic=self.deterministic,
            elapsed_s=self.budget.elapsed_s,
            budget={
                "evals": limits.evals,
                "minutes": limits.minutes,
                "usd": limits.usd,
                "tokens": limits.tokens,
                "target": limits.target,
            },
            attempts=counts.attempts,
            evaluated=counts.evaluated,
            programs=counts.programs,
            rate=self._rate(counts.evaluated),
            best_training=None if best is None else sign * best[1],
            best_training_program=None if best is None else best[0],
            champion=None if standing is None else standing.program,
            champion_value=None if standing is None else standing.value,
            champion_split=self.split,
            alarm=parting(self.champions.parted),
            islands=[
                IslandStatus(
                    size=i.size, best=None if i.best_fitness is None else sign * i.best_fitness
                )
                for i in counts.islands
            ],
            elites=counts.elites,
            fates={fate.value: count for fate, count in counts.fates.items()},
            ran=counts.ran,
            wasted_evaluations=counts.ran - counts.evaluated,
            wasted_usd=counts.wasted_usd,
            models=[
                ModelStatus(
                    name=name,
                    calls=sum(spent.calls.values()),
                    settled_usd=spent.settled_usd,
                    unsettled_usd=spent.unsettled_usd,
                    lost=spent.calls.get(CallState.CUT, 0),
                    unpriced=spent.unpriced,
                    in_flight=spent.calls.get(CallState.OPEN, 0),
                )
                for name, spent in sorted(self.store.spending_by_model().items())
            ],
            tokens=self.store.spending().tokens,
            shares=shares,
            proposers=[
                ProposerStatus(
                    name=name, share=share, attempts=arm.asked, better=arm.better, best=arm.best
                )
                for name, share in shares.items()
                for arm in [self.bandit.arms.get(name, Arm())]
                if len(shares) > 1
            ],
            references=list(self.references),
            last=self.last,
        )

    def note(self) -> None:
        """Notes how far the run is, for its rate; about once a second where nobody looks on."""
        self._rate(self.store.counts().evaluated)

    def _rate(self, evaluated: int) -> float:
        now = time.monotonic()
        if not self._recent or now - self._recent[-1][0] >= _RATE_POINT_S:
            self._recent.append((now, evaluated))
        window = [entry for entry in self._recent if now - entry[0] <= _RATE_WINDOW_S]
        if len(window) < 2:
            return 0.0
        (began, first), (ended, last) = window[0], window[-1]
        return (last - first) / (ended - began) if ended > began else 0.0
