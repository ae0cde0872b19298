"""Scores of programs on draws, each made once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from evolve.errors import FaultError, first_leaf
from evolve.evaluation import stages_of
from evolve.explain.pairing import Rank, typical
from evolve.judging import Judge
from evolve.loading import Task
from evolve.problem import Objective, SplitKind
from evolve.program import Program
from evolve.randomness import derive
from islands_db import Status

_Question = tuple[Program, SplitKind, int, int]
"""A program, the split and the seed it is judged with, and how often it was before with these."""

_HOPELESS = 3
"""Draws without a score at the start after which no others are made."""
_REPEATS = 8
"""Measurements in training of a program whose score changes from one to the next."""


@dataclass(slots=True, kw_only=True)
class Measure:
    """Judges programs on the training draw of a run and on fresh draws beside all it has seen.

    Fresh draws are of the validation evaluation, or of the training stages where there is none.

    Attributes:
        noisy: A program has had another score when it was judged again with the same seed; see
            `look_for_noise`. Further measurements are then as good as fresh draws.
    """

    task: Task
    judge: Judge
    seed: int
    evaluations: int = 0
    noisy: bool = False
    _works: bool = False
    """A program has had a score."""
    _known: dict[tuple[str, SplitKind, int, int], asyncio.Task[Rank | None]] = field(
        default_factory=dict
    )
    _late: set[str] = field(default_factory=set)

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
        return self.noisy or self._takes_seed(self.split)

    def timed_out(self, program: Program) -> bool:
        """Whether a time limit ended it on some draw."""
        return program.hash in self._late

    async def look_for_noise(self, programs: Sequence[Program]) -> None:
        """Judges programs again on the training draw, to learn whether that gives the same."""
        seed = derive(self.seed, SplitKind.TRAINING)
        for program in programs:
            ranks = await self._all([(program, SplitKind.TRAINING, seed, n) for n in range(3)])
            self.noisy = self.noisy or len(set(ranks)) > 1

    async def training(self, program: Program) -> Rank | None:
        """Rung and fitness on the training draw of the run, of several measurements where they
        differ; None without a score."""
        seed = derive(self.seed, SplitKind.TRAINING)
        count = _REPEATS if self.noisy else 1
        return typical(
            await self._all([(program, SplitKind.TRAINING, seed, n) for n in range(count)])
        )

    async def fresh(self, program: Program, draws: int) -> list[Rank | None]:
        """What it came to on the first so many fresh draws, on one where all are the same.

        Fewer are made of a program that has no score on any of the first.
        """
        questions = self._fresh(program, draws)
        found: list[Rank | None] = []
        for question in questions[:_HOPELESS]:
            found.append(await self._rank(*question))
            if found[-1] is not None:
                break
            if self.timed_out(program):
                return found
        else:
            return found
        return found + await self._all(questions[len(found) :])

    def _fresh(self, program: Program, draws: int) -> list[_Question]:
        if not self._takes_seed(self.split):
            seed = derive(self.seed, "explain", 0)
            return [(program, self.split, seed, n) for n in range(draws if self.noisy else 1)]
        seeds = (derive(self.seed, "explain", index) for index in range(draws))
        return [(program, self.split, seed, 0) for seed in seeds]

    async def behaves_as(self, program: Program, other: Program, looks: Sequence[int]) -> bool:
        """Whether two programs have the same figures on the training draw, on so many fresh draws
        and on the first of those that the run itself validates on.

        Args:
            looks: Fresh draws at one look after the other; the first that differs is the last.
        """
        if await self.training_of([program]) != await self.training_of([other]):
            return False
        for look in looks:
            if await self.fresh(program, look) != await self.fresh(other, look):
                return False
        if self.varies and self.split is SplitKind.VALIDATION:
            seeds = [derive(self.seed, self.split, index) for index in range(looks[0])]
            one, another = [
                await self._all([(each, self.split, seed, 0) for seed in seeds])
                for each in (program, other)
            ]
            return one == another
        return True

    async def training_of(self, programs: Sequence[Program]) -> list[Rank | None]:
        """What programs came to on the training draw, each measured once."""
        seed = derive(self.seed, SplitKind.TRAINING)
        return await self._all([(program, SplitKind.TRAINING, seed, 0) for program in programs])

    def _takes_seed(self, split: SplitKind) -> bool:
        return any(stage.takes("seed") for stage in stages_of(self.task, split))

    async def _all(self, questions: Sequence[_Question]) -> list[Rank | None]:
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._rank(*question)) for question in questions]
        except BaseExceptionGroup as errors:
            raise first_leaf(errors) from None
        return [task.result() for task in asked]

    async def _rank(
        self, program: Program, split: SplitKind, seed: int, repeat: int
    ) -> Rank | None:
        # where no stage takes the seed, the training draw is the fresh one
        key = program.hash, split, seed if self._takes_seed(split) else 0, repeat
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._judged(program, split, seed))
        return await self._known[key]

    async def _judged(self, program: Program, split: SplitKind, seed: int) -> Rank | None:
        self.evaluations += 1
        judged = await self.judge.judge(program.files, split=split, seed=seed)
        last = judged.verdicts[-1]
        if last.status is Status.TIMEOUT:
            self._late.add(program.hash)
        if last.status is Status.EVALUATOR_ERROR and not self._works:
            raise FaultError(last.reason)
        # of a program cut down to what nobody would write, a stage that does not expect that may
        # fail; it has no score then
        self._works = self._works or judged.fitness is not None
        return None if judged.fitness is None else (judged.rung, judged.fitness)
