"""What a run looks like at one moment: plain figures, for the live view, JSON and the socket."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandStatus:
    size: int
    best: float | None
    """Value of the first objective, in its own sign."""


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
    islands: list[IslandStatus]
    elites: int
    fates: dict[str, int]
    references: list[Reference] = field(default_factory=list)
    last: str = ""

    def plain(self) -> dict[str, object]:
        return asdict(self)
