"""Comparing methods: a matrix of runs at one budget, fixed beforehand, and what it shows."""

from evolve.compare import plan as plans
from evolve.compare import showing
from evolve.compare.curves import Trace
from evolve.compare.results import Results, evaluated, hopeless
from evolve.compare.running import Folder, Matrix
from evolve.compare.writing import write_results

__all__ = [
    "Folder",
    "Matrix",
    "Results",
    "Trace",
    "evaluated",
    "hopeless",
    "plans",
    "showing",
    "write_results",
]
