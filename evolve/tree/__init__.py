"""Typed mutation and crossover on the syntax tree of a program's EVOLVE-BLOCKs.

Only the text of the changed nodes is written anew: comments and layout elsewhere stay, so that the
diffs read like a person's. Everything here is a pure function of its arguments.
"""

from evolve.tree.kinds import Given, Kind
from evolve.tree.learning import learn
from evolve.tree.places import TreeError
from evolve.tree.propose import (
    MAX_LENGTH,
    OPERATORS,
    WEIGHTS,
    Mutation,
    doubt,
    fitting,
    plan,
    propose,
)

__all__ = [
    "MAX_LENGTH",
    "OPERATORS",
    "WEIGHTS",
    "Given",
    "Kind",
    "Mutation",
    "TreeError",
    "doubt",
    "fitting",
    "learn",
    "plan",
    "propose",
]
