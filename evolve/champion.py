"""Picks champions on validation draws.

Training values pick parents; they are never published. Validation values, on a draw that no
proposal is made from, pick the champion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evolve import objects
from evolve.budget import Budget
from evolve.errors import FaultError
from evolve.judging import Judge
from evolve.loading import Task
from evolve.problem import Objective, SplitKind
from evolve.randomness import derive
from islands_db import Reader, Status, Store, Verdict

FINALISTS = 12
"""So many of the best in training are validated at the end, beside those validated on the way."""


_ALL = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A program with its value of the first objective on validation (or training) draws."""

    program: int
    value: float


class Champions:
    """Validates programs that led in training, and keeps the best of them."""

    def __init__(self, task: Task, store: Store, reader: Reader, judge: Judge, seed: int) -> None:
        self._task = task
        self._store = store
        self._reader = reader
        self._judge = judge
        self._seed = derive(seed, SplitKind.VALIDATION)
        self.best: Standing | None = None
        self._validated: set[int] = set()
        self.recall()

    def recall(self) -> None:
        """Takes the champion from what is stored, as after a ban."""
        self.best = None
        validates = self._task.problem.validation_stage is not None
        split = SplitKind.VALIDATION if validates else SplitKind.TRAINING
        for program in self._reader.top(_ALL if validates else 1, split):
            self._take(program.id, _of_split(program.verdicts, split)[-1])

    def compare_with(self, budget: Budget) -> None:
        """Lets the budget see whether the champion has reached its target."""
        if self.best is not None:
            budget.see(self.objective, self.best.value)

    @property
    def objective(self) -> Objective:
        return self._task.problem.objectives[0]

    async def validate(self, program: int) -> bool:
        """Scores a program on the validation draw; whether it became the champion.

        A problem without validation draws has its training value taken.
        """
        if program in self._validated:
            return False
        self._validated.add(program)
        if self._task.problem.validation_stage is None:
            training = _of_split(self._reader.verdicts(program), SplitKind.TRAINING)[-1]
            return self._take(program, training)
        judged = await self._judge.judge(
            self._store.files(program), split=SplitKind.VALIDATION, seed=self._seed
        )
        verdict = judged.verdicts[-1]
        if verdict.status is Status.EVALUATOR_ERROR:
            raise FaultError(f"validation: {verdict.reason}")
        with self._store.atomic():
            self._store.add_verdicts(program, judged.verdicts)
            objects.keep(self._store, self.objective, program, verdict, judged.artifact)
            return self._take(program, verdict)

    async def settle(self, *, every_leader: bool) -> Standing | None:
        """Validates what is still due, and says who is champion.

        The best in training are due; with `every_leader` so is each that ever led, validated
        while it did or not.
        """
        events = self._reader.events("best") if every_leader else []
        led = [int(str(event.data["program"])) for event in events]
        leaders = [program.id for program in self._reader.top(FINALISTS)]
        for program in dict.fromkeys([*led, *leaders]):
            await self.validate(program)
        return self.best

    def _take(self, program: int, verdict: Verdict) -> bool:
        self._validated.add(program)
        value = verdict.values.get(self.objective.name)
        return value is not None and self._consider(program, value)

    def _consider(self, program: int, value: float) -> bool:
        if self._store.banned(program):
            return False  # it was being validated
        # ties go to the older program, so that the order of validations does not matter
        best = self.best
        if best is not None:
            if self.objective.better(best.value, value):
                return False
            if best.value == value and best.program < program:
                return False
        self.best = Standing(program=program, value=value)
        return True


def _of_split(verdicts: Sequence[Verdict], split: SplitKind) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.split == split]
