"""Scores of programs on draws, each made once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evolve.errors import FaultError, first_leaf
from evolve.evaluation import stages_of
from evolve.judging import Judge
from evolve.loading import Task
from evolve.problem import Objective, SplitKind
from evolve.program import Program
from evolve.randomness import derive
from islands_db import Status

Rank = tuple[int, float]


class Drawn(NamedTuple):
    """The stage a program came to on fresh draws, and its fitness there on each of them."""

    rung: int
    values: list[float]

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)


@dataclass(slots=True, kw_only=True)
class Measure:
    """Judges programs on the training draw of a run and on fresh draws beside all it has seen.

    Fresh draws are of the validation evaluation, or of the training stages where there is none.
    """

    task: Task
    judge: Judge
    seed: int
    evaluations: int = 0
    _works: bool = False
    """A program has had a score."""
    _known: dict[tuple[str, SplitKind, int], asyncio.Task[Rank | None]] = field(
        default_factory=dict
    )

    @property
    def objective(self) -> Objective:
        return self.task.problem.objectives[0]

    @property
    def split(self) -> SplitKind:
        has = self.task.problem.validation_stage is not None
        return SplitKind.VALIDATION if has else SplitKind.TRAINING

    @property
    def varies(self) -> bool:
        """Whether another draw can give another value at all: some stage takes the seed."""
        return any(stage.takes("seed") for stage in stages_of(self.task, self.split))

    async def training(self, program: Program) -> Rank | None:
        """Rung and fitness on the training draw of the run; None without a score."""
        return await self._rank(program, SplitKind.TRAINING, derive(self.seed, SplitKind.TRAINING))

    async def fresh(self, program: Program, draws: int) -> Drawn | None:
        """Fitness on the first so many fresh draws, on one where all are the same; None where it
        has none on one of them, or came to different stages."""
        count = draws if self.varies else 1
        seeds = [derive(self.seed, "explain", index) for index in range(count)]
        first = await self._rank(program, self.split, seeds[0])
        if first is None:
            return None
        rest = await self._all([(program, self.split, seed) for seed in seeds[1:]])
        found = [first, *rest]
        if any(rank is None or rank[0] != first[0] for rank in found):
            return None
        return Drawn(first[0], [rank[1] for rank in found if rank is not None])

    async def behaves_as(self, program: Program, other: Program, looks: Sequence[int]) -> bool:
        """Whether two programs have the same figures on the training draw, on so many fresh draws
        and on the first of those that the run itself validates on.

        Args:
            looks: Fresh draws at one look after the other; the first that differs is the last.
        """
        count = looks[-1] if self.varies else 1
        fresh = [(self.split, derive(self.seed, "explain", index)) for index in range(count)]
        training = SplitKind.TRAINING, derive(self.seed, SplitKind.TRAINING)
        drawn = [[training], *(fresh[:look] for look in looks)]
        if self.varies and self.split is SplitKind.VALIDATION:
            seeds = [derive(self.seed, self.split, index) for index in range(looks[0])]
            drawn.append([(self.split, seed) for seed in seeds])
        for draws in drawn:
            one, another = [
                await self._all([(each, split, seed) for split, seed in draws])
                for each in (program, other)
            ]
            if one != another:
                return False
        return True

    async def training_of(self, programs: Sequence[Program]) -> list[Rank | None]:
        seed = derive(self.seed, SplitKind.TRAINING)
        return await self._all([(program, SplitKind.TRAINING, seed) for program in programs])

    async def _all(self, questions: Sequence[tuple[Program, SplitKind, int]]) -> list[Rank | None]:
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._rank(*question)) for question in questions]
        except BaseExceptionGroup as errors:
            raise first_leaf(errors) from None
        return [task.result() for task in asked]

    async def _rank(self, program: Program, split: SplitKind, seed: int) -> Rank | None:
        key = program.hash, split, seed
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._judged(program, split, seed))
        return await self._known[key]

    async def _judged(self, program: Program, split: SplitKind, seed: int) -> Rank | None:
        self.evaluations += 1
        judged = await self.judge.judge(program.files, split=split, seed=seed)
        last = judged.verdicts[-1]
        if last.status is Status.EVALUATOR_ERROR and not self._works:
            raise FaultError(last.reason)
        # of a program cut down to what nobody would write, a stage that does not expect that may
        # fail; it has no score then
        self._works = self._works or judged.fitness is not None
        return None if judged.fitness is None else (judged.rung, judged.fitness)
