"""Who proposes programs: one small protocol, one file each, one line in `REGISTRY`."""

from __future__ import annotations

from collections.abc import Callable

from evolve.loading import Task
from evolve.proposers.base import Answer, NoAnswer, Proposer, Request
from evolve.proposers.tree import TreeProposer

REGISTRY: dict[str, Callable[[Task], Proposer]] = {
    "tree": TreeProposer,
}
"""Proposers by the name that run files use."""

__all__ = ["REGISTRY", "Answer", "NoAnswer", "Proposer", "Request"]
