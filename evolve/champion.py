"""Who is champion: training values steer the search, validation values pick what is handed over.

Programs compete in training for parents; they are never published. Validation values, on draws that
no proposal is made from, pick the champion. The leader of many is partly the luckiest of them, so
nobody is called best by one draw: whoever is ahead is measured on further fresh draws, and drops
out as soon as its mean falls behind (a race).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

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
PARTED_AFTER = 6
"""So many leaders in training in a row that are behind the champion in validation, and there is an
alarm. Were each as likely to be ahead as behind, it would be raised once in 64 times."""

_ALL = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A program with its value of the first objective: the mean over its validation draws, or the
    training value of a problem without validation."""

    program: int
    value: float


class Champions:
    """Validates programs that led in training, and keeps the best of them.

    Args:
        draws: So many validation draws a champion has been measured on.
        may_write: Cleared while a write would wait for the disk.
    """

    def __init__(
        self,
        task: Task,
        store: Store,
        reader: Reader,
        judge: Judge,
        seed: int,
        *,
        may_write: asyncio.Event,
        draws: int = 1,
    ) -> None:
        self._task = task
        self._store = store
        self._reader = reader
        self._judge = judge
        self._may_write = may_write
        self._seeds = [derive(seed, SplitKind.VALIDATION, number) for number in range(draws)]
        self.best: Standing | None = None
        self._validated: set[int] = set()
        """Programs whose race is over, or who failed in it."""
        self._values: dict[int, list[float]] = {}
        self._behind: set[int] = set()
        self.recall()

    @property
    def parted(self) -> int:
        """How many leaders in training since the champion were behind it in validation."""
        return len(self._behind)

    def recall(self) -> None:
        """Takes the champion from what is stored, as after a ban."""
        self.best = None
        self._validated.clear()
        self._values.clear()
        if self._task.problem.validation_stage is None:
            for program in self._reader.top(1):
                training = _of_split(program.verdicts, SplitKind.TRAINING)[-1]
                self._crown(program.id, [training.values[self.objective.name]])
            return
        for number, verdicts in self._reader.verdicts_of(SplitKind.VALIDATION).items():
            values = [
                v.values[self.objective.name] for v in verdicts if self.objective.name in v.values
            ]
            self._values[number] = values
            if len(values) < len(verdicts):
                self._validated.add(number)  # it has failed
            elif len(values) >= len(self._seeds):
                self._crown(number, values)
        self._behind = behind(self._reader, None if self.best is None else self.best.program)

    def compare_with(self, budget: Budget) -> None:
        """Lets the budget see whether the champion has reached its target."""
        if self.best is not None:
            budget.see(self.objective, self.best.value)

    @property
    def objective(self) -> Objective:
        return self._task.problem.objectives[0]

    async def validate(self, program: int, *, led: bool) -> bool:
        """Measures a program on the validation draws; whether it became the champion.

        A problem without validation has its training value taken.

        Args:
            led: Whether it was the best in training when it came.

        Raises:
            FaultError: the validation stage itself fails.
        """
        if program in self._validated or self._store.banned(program):
            return False
        if self._task.problem.validation_stage is None:
            training = _of_split(self._reader.verdicts(program), SplitKind.TRAINING)[-1]
            value = training.values.get(self.objective.name)
            self._validated.add(program)
            return value is not None and self._crown(program, [value])
        values = self._values.setdefault(program, [])
        while len(values) < len(self._seeds) and (not values or self._leads(program, values)):
            value = await self._measure(program, self._seeds[len(values)])
            if value is None:
                break
            values.append(value)
        self._validated.add(program)
        if len(values) == len(self._seeds) and self._crown(program, values):
            return True
        if led and (self.best is None or program > self.best.program):
            self._behind.add(program)
        return False

    async def _measure(self, program: int, seed: int) -> float | None:
        try:
            files = self._store.files(program)
        except ValueError:
            return None  # `gc` dropped it, and bans since then made it one of the best
        judged = await self._judge.judge(files, split=SplitKind.VALIDATION, seed=seed)
        verdict = judged.verdicts[-1]
        if verdict.status is Status.EVALUATOR_ERROR:
            raise FaultError(f"validation: {verdict.reason}")
        await self._may_write.wait()
        with self._store.atomic():
            self._store.add_verdicts(program, judged.verdicts)
            finder = self._reader.program(program).hash
            objects.keep(self._store, self.objective, finder, verdict, judged.artifact)
        return verdict.values.get(self.objective.name)

    async def settle(self, *, every_leader: bool) -> Standing | None:
        """Validates what is still due, and says who is champion.

        The best in training are due; with `every_leader` so is each that ever led, validated
        while it did or not.
        """
        if every_leader:
            await self.catch_up()
        for program in self._reader.top(FINALISTS):
            await self.validate(program.id, led=False)
        return self.best

    async def catch_up(self) -> bool:
        """Validates each program that ever led in training, in their order; whether one of them
        became the champion.

        How far a program gets in its race depends on who was champion, so a run that must end the
        same however it was cut off goes by this order.
        """
        crowned = False
        for event in self._reader.events("best"):
            crowned |= await self.validate(int(str(event.data["program"])), led=True)
        return crowned

    def _leads(self, program: int, values: Sequence[float]) -> bool:
        """Whether it is ahead of the champion on the draws that both were measured on."""
        best = self.best
        if best is None:
            return True
        held = self._values.get(best.program, [best.value])[: len(values)]
        value, mark = fmean(values), fmean(held)
        # ties go to the older program, so that the order of validations does not matter
        return self.objective.better(value, mark) or (value == mark and program < best.program)

    def _crown(self, program: int, values: Sequence[float]) -> bool:
        self._validated.add(program)
        if self._store.banned(program) or not self._leads(program, values):
            return False  # a ban may have come while it was validated
        self.best = Standing(program=program, value=fmean(values))
        self._behind.clear()
        return True


def behind(reader: Reader, champion: int | None) -> set[int]:
    """The leaders in training since the champion of a run that were behind it in validation.

    From `PARTED_AFTER` on training and validation have parted: what the search still gains is not
    what is asked for.
    """
    if champion is None:
        return set()
    validated = reader.verdicts_of(SplitKind.VALIDATION)
    led = {int(str(event.data["program"])) for event in reader.events("best")}
    return {program for program in led if program > champion and program in validated}


def parting(count: int) -> str:
    """The alarm in one line, or nothing where there is no cause."""
    if count < PARTED_AFTER:
        return ""
    return (
        f"training and validation part: {count} programs have led in training since the champion, "
        "and all are behind it in validation"
    )


def _of_split(verdicts: Sequence[Verdict], split: SplitKind) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.split == split]
