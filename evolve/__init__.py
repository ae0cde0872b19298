"""evolve: evolutionary program search whose scores cannot be forged."""

from evolve.problem import Baseline, Feature, Objective, Problem, Record, Score, SplitKind

__all__ = ["Baseline", "Feature", "Objective", "Problem", "Record", "Score", "SplitKind"]
