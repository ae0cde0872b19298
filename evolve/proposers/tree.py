"""The tree proposer: mutation and crossover on the syntax tree, in processes of its own."""

from __future__ import annotations

import random
from pathlib import Path

from msgspec.structs import replace

from evolve import tree
from evolve.bandit import over_operators
from evolve.cores import usable_cores
from evolve.errors import ProblemError
from evolve.loading import Task
from evolve.messages import Heard, Kinds, Listen, Mutate, Mutated, texts
from evolve.processes import HelperDied, Pool
from evolve.program import length
from evolve.proposers.base import Answer, NoAnswer, Programs, Request, Settled
from islands_db import Sample

_LIMIT_S = 30.0
_MOST_MUTATORS = 4
"""Where children are foretold, a proposal takes several times what an evaluation does."""
_LISTENING_LIMIT_S = 60.0
"""For all stages of a problem, each up to its first call: mostly the drawing of instances."""


class TreeProposer:
    """Needs no key and no network; works off the event loop, as it takes milliseconds of CPU."""

    name = "tree"

    def __init__(self, task: Task, log: Path | None = None) -> None:
        self._primitives = tuple(task.problem.primitives)
        self._listen = Listen(reference=str(task.problem.folder), parameters=texts(task.parameters))
        self._probed = task.problem.probe is not None
        self._given: Kinds = ()
        self.doubts: tuple[str, ...] = ()
        seeds = task.seeds().values()
        self.operators = over_operators(tree.fitting(tree.WEIGHTS, seeds))
        # a seed above the usual limit must be able to grow
        self._max_length = 2 * max(map(length, seeds))
        size = min(len(usable_cores()), _MOST_MUTATORS) if self._probed else 1
        self._pool = Pool("evolve.proposers.mutator", size, log=log, at_once=1)

    def plan(self, sample: Sample, rng: random.Random, programs: Programs) -> Sample:
        operators = tree.plan(lambda: self.operators.ask(rng), rng)
        return replace(sample, note="+".join(operators))

    def begun(self, sample: Sample, programs: Programs) -> None:
        """What its operators have won is told to their market."""

    def to_beat(self, sample: Sample, programs: Programs) -> None:
        """A child is compared with its parent."""

    def settled(self, settled: Settled, programs: Programs) -> None:
        """As above."""

    async def start(self) -> None:
        await self._pool.start()
        try:
            heard = await self._pool.ask(self._listen, Heard, limit_s=_LISTENING_LIMIT_S)
        except HelperDied:
            return  # a stage ended the process, or cannot be ended: said when a seed is judged
        if heard.fault:
            raise ProblemError(heard.fault)
        self._given, self.doubts = heard.given, heard.doubts

    async def propose(self, request: Request) -> Answer:
        question = Mutate(
            parent=dict(request.parent.files),
            inspirations=tuple(dict(p.files) for p in request.inspirations),
            seed=request.seed,
            # runs begun by an older version have attempts without a plan
            operators=tuple(request.note.split("+")) if request.note else (),
            primitives=self._primitives,
            given=self._given,
            max_length=self._max_length,
            problem=self._listen if self._probed else None,
        )
        try:
            child = await self._pool.ask(question, Mutated, limit_s=_LIMIT_S)
        except HelperDied as error:
            raise NoAnswer(f"the mutator failed: {error}") from None
        if child.reason:
            raise NoAnswer(child.reason)
        return _answer(child)

    async def stop(self) -> None:
        await self._pool.stop()


def _answer(child: Mutated) -> Answer:
    return Answer(
        text=child.answer,
        operator=child.operator,
        program=child.program,
        behaviour=child.behaviour,
        instead=_answer(child.instead) if child.instead else None,
    )
