"""evolve: evolutionary program search whose scores cannot be forged."""

from evolve.problem import (
    Baseline,
    CandidateHandle,
    Feature,
    Objective,
    Problem,
    Record,
    Score,
    SplitKind,
)

__all__ = [
    "Baseline",
    "CandidateHandle",
    "Feature",
    "Objective",
    "Problem",
    "Record",
    "Score",
    "SplitKind",
]
