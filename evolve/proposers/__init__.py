"""Who proposes programs: one small protocol, one file each, one line in `REGISTRY`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evolve.loading import Task
from evolve.proposers.base import MEMORY, Answer, NoAnswer, Programs, Proposer, Request, Settled
from evolve.proposers.tree import TreeProposer
from evolve.proposers.tuner import TunerProposer

REGISTRY: dict[str, Callable[[Task, Path], Proposer]] = {
    "tree": TreeProposer,
    "tuner": TunerProposer,
}
"""Proposers by the name that run files use; each is given the file for what its helpers print."""

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
