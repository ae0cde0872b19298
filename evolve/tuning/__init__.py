"""Numbers of a program as parameters: found or marked in its text, set, and searched.

Everything here is a pure function of its arguments.
"""

from evolve.tuning.literals import MarkError, TuneError, skeleton
from evolve.tuning.parameters import Kind, Parameter, parameters, set_values, values_in

__all__ = [
    "Kind",
    "MarkError",
    "Parameter",
    "TuneError",
    "parameters",
    "set_values",
    "skeleton",
    "values_in",
]
