"""What a run looks like at one moment: plain figures, for the live view, JSON and the socket."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandStatus:
    size: int
    best: float | None
    """Value of the first objective, in its own sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """What the calls to one model came to; what the vendor bills lies between settled and the sum
    of both."""

    name: str
    calls: int
    settled_usd: float
    unsettled_usd: float
    """Reserves of calls that were lost, or are in flight."""
    lost: int
    """Calls that were cut: nobody knows whether they were billed."""
    unpriced: int
    """Answers of unknown cost, as the model has no price or the server says no usage."""
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerStatus:
    """What one proposer or model has of the attempts, and what it won with them."""

    name: str
    share: float
    """Its chance to make the next proposal."""
    attempts: int
    better: int
    """Children that were better than their parents, new bests among them."""
    best: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A value to compare with: a computed baseline or a published record."""

    name: str
    value: float
    kind: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One moment of a run. Values are of the first objective, in its own sign and unit."""

    run: str
    problem: str
    objective: str
    direction: str
    phase: str
    tier: str
    deterministic: bool
    elapsed_s: float
    budget: dict[str, float | None]
    attempts: int
    evaluated: int
    programs: int
    rate: float
    """Evaluations per second over the last seconds."""
    best_training: float | None
    best_training_program: int | None
    champion: int | None
    champion_value: float | None
    champion_split: str
    alarm: str
    """Why the champion's value should not be taken as what the search is worth; "" for no cause."""
    islands: list[IslandStatus]
    elites: int
    fates: dict[str, int]
    ran: int
    """Evaluations used up: programs judged, and twins of earlier ones."""
    wasted_evaluations: int
    """Those that twins used up."""
    wasted_usd: float
    """What the calls cost whose answers gave no new program to judge."""
    models: list[ModelStatus] = field(default_factory=list)
    tokens: int = 0
    """Input and output of all calls, with the reserve of those that were lost."""
    shares: dict[str, float] = field(default_factory=dict)
    """Each proposer's chance to make the next proposal."""
    proposers: list[ProposerStatus] = field(default_factory=list)
    """Empty where there is one only."""
    references: list[Reference] = field(default_factory=list)
    last: str = ""

    def plain(self) -> dict[str, object]:
        return asdict(self)
