"""Who proposes programs: one small protocol, one file each, one line in `REGISTRY`."""

from __future__ import annotations

from collections.abc import Callable

from evolve.loading import Task
from evolve.proposers.base import MEMORY, Answer, NoAnswer, Programs, Proposer, Request, Settled
from evolve.proposers.tree import TreeProposer
from evolve.proposers.tuner import TunerProposer

REGISTRY: dict[str, Callable[[Task], Proposer]] = {
    "tree": TreeProposer,
    "tuner": TunerProposer,
}
"""Proposers by the name that run files use."""

__all__ = [
    "MEMORY",
    "REGISTRY",
    "Answer",
    "NoAnswer",
    "Programs",
    "Proposer",
    "Request",
    "Settled",
]
