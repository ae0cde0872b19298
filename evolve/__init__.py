"""evolve: evolutionary program search whose scores cannot be forged."""

from typing import TYPE_CHECKING, Any

from evolve.problem import (
    Baseline,
    CandidateHandle,
    Feature,
    Objective,
    Probe,
    Problem,
    Record,
    Score,
    SplitKind,
)

if TYPE_CHECKING:
    from evolve.api import Run, open_run, run

__all__ = [
    "Baseline",
    "CandidateHandle",
    "Feature",
    "Objective",
    "Probe",
    "Problem",
    "Record",
    "Run",
    "Score",
    "SplitKind",
    "open_run",
    "run",
]


def __getattr__(name: str) -> Any:
    # imported when used: every worker imports this package for the names above
    if name in ("Run", "open_run", "run"):
        from evolve import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
