"""The tree proposer: mutation and crossover on the syntax tree, in a process of its own."""

from __future__ import annotations

import random
from dataclasses import replace

from evolve import tree
from evolve.bandit import over_operators
from evolve.loading import Task
from evolve.messages import Mutate, Mutated
from evolve.processes import HelperDied, Pool
from evolve.program import length
from evolve.proposers.base import Answer, NoAnswer, Programs, Request, Settled
from islands_db import Sample

_LIMIT_S = 30.0


class TreeProposer:
    """Needs no key and no network; works off the event loop, as it takes milliseconds of CPU."""

    name = "tree"

    def __init__(self, task: Task) -> None:
        self._primitives = tuple(task.problem.primitives)
        self.doubts = [
            f"{name}: {why}"
            for name, seed in task.seeds().items()
            if (why := tree.doubt(seed, self._primitives))
        ]
        seeds = task.seeds().values()
        self.operators = over_operators(tree.fitting(tree.WEIGHTS, seeds))
        # a seed above the usual limit must be able to grow
        self._max_length = 2 * max(map(length, seeds))
        self._pool = Pool("evolve.proposers.mutator", 1)

    def plan(self, sample: Sample, rng: random.Random, programs: Programs) -> Sample:
        operators = tree.plan(lambda: self.operators.ask(rng), rng)
        return replace(sample, note="+".join(operators))

    def begun(self, sample: Sample, programs: Programs) -> None:
        """What its operators have won is told to their market."""

    def settled(self, settled: Settled, programs: Programs) -> None:
        """As above."""

    async def start(self) -> None:
        await self._pool.start()

    async def propose(self, request: Request) -> Answer:
        question = Mutate(
            parent=dict(request.parent.files),
            inspirations=tuple(dict(p.files) for p in request.inspirations),
            seed=request.seed,
            # runs begun by an older version have attempts without a plan
            operators=tuple(request.note.split("+")) if request.note else (),
            primitives=self._primitives,
            max_length=self._max_length,
        )
        try:
            child = await self._pool.ask(question, Mutated, limit_s=_LIMIT_S)
        except HelperDied as error:
            raise NoAnswer(f"the mutator failed: {error}") from None
        if child.reason:
            raise NoAnswer(child.reason)
        return Answer(text=child.answer, operator=child.operator, program=child.program)

    async def stop(self) -> None:
        await self._pool.stop()
