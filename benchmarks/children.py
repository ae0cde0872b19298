"""What children of bin_packing cost, made, foretold and weighed as the tree proposer's process does
it, over a small search of its own: parents are the better of four drawn ones."""

from __future__ import annotations

import gc
import random
import statistics
import time
from dataclasses import dataclass
from functools import cache

from benchmarks.rows import Measured, Plan
from evolve import diff, tree
from evolve.loading import load
from evolve.probes import NUMBERS, Probe
from evolve.program import Program
from evolve.proposers.base import describe
from evolve.proposers.mutator import COLLECTED_EVERY
from evolve.tree.echo import Echo

_WARM = 60
"""Proposals before the first that counts: parents of some length are there by then."""
_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """CPU in milliseconds, of each proposal and of each child within it."""

    proposals: tuple[float, ...]
    children: tuple[float, ...]
    plain: tuple[float, ...]
    """Of proposals that are neither foretold nor weighed, from the same parents."""


@cache
def _costs(seed: int, count: int) -> Costs:
    task = load("bin_packing", {"distribution": "weibull5k"})
    probe = task.problem.probe
    assert isinstance(probe, Probe)
    echo = Echo(probe)
    (first,) = task.seeds().values()
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_EVERY, 20, 20)  # as that process does
    try:
        return _searched(echo, first, seed, count)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _searched(echo: Echo, first: Program, seed: int, count: int) -> Costs:
    pool, rng = [(_worth(echo, first, 0) or 0.0, first)], random.Random(seed)
    proposals, children, plain = list[float](), list[float](), list[float]()
    for number in range(_WARM + count):
        parent = max(rng.sample(pool, min(4, len(pool))), key=lambda one: one[0])[1]
        others = [program for _, program in rng.sample(pool, min(2, len(pool)))]
        asked = set[str]()

        def does(text: str, asked: set[str] = asked) -> int | None:
            asked.add(text)
            return echo.behaviour(text)

        def worth(text: str, number: int = number) -> float | None:
            return echo.worth(text, number % NUMBERS)

        state = rng.getrandbits(64)
        began = time.process_time()
        try:
            made = tree.propose(parent, others, random.Random(state), behaviour=does, worth=worth)
        except tree.TreeError:
            continue
        for child in (made, made.instead):
            if child is not None:
                _tell(parent, child.program)
        spent = 1000 * (time.process_time() - began)
        again = time.process_time()
        _tell(parent, tree.propose(parent, others, random.Random(state + 1)).program)
        alone = 1000 * (time.process_time() - again)
        value = _worth(echo, made.program, 0)
        known = {text for program in (parent, *others) for text in program.files.values()}
        count_made = len(asked - known)
        if number >= _WARM and count_made:
            plain.append(alone)
            proposals.append(spent)
            children.append(spent / count_made)
        if value is not None:
            pool = sorted([*pool, (value, made.program)], key=lambda one: -one[0])[:_KEPT]
    return Costs(proposals=tuple(proposals), children=tuple(children), plain=tuple(plain))


def _worth(echo: Echo, program: Program, number: int) -> float | None:
    (text,) = program.files.values()
    return echo.worth(text, number)


def _tell(parent: Program, child: Program) -> None:
    diff.between(parent, child)
    describe(child)


def _measured(values: tuple[float, ...]) -> Measured:
    detail = f"mean; median {statistics.median(values):.2f}, {len(values)} proposals"
    return Measured(value=statistics.fmean(values), detail=detail)


def plain(plan: Plan) -> Measured:
    """A proposal that is neither foretold nor weighed."""
    return _measured(_costs(plan.seed, _count(plan)).plain)


def child(plan: Plan) -> Measured:
    """One of the children that are made for a proposal: those that do what a known program of the
    request does are dropped, of the others the best is chosen, and that is included."""
    return _measured(_costs(plan.seed, _count(plan)).children)


def proposal(plan: Plan) -> Measured:
    """All children of a proposal together."""
    return _measured(_costs(plan.seed, _count(plan)).proposals)


def _count(plan: Plan) -> int:
    return 1000 if plan.full else 150
