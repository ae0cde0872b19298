"""What a run's scores are compared with: computed baselines and published values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from evolve.judging import Judge
from evolve.loading import Task
from evolve.messages import BaselineValue
from evolve.problem import SplitKind
from evolve.randomness import derive
from evolve.status import Reference
from islands_db import Store


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """Baselines and records of a run's problem; what is computed is computed once and stored."""

    task: Task
    store: Store
    judge: Judge
    seed: int

    async def references(self, tell: Callable[[str], None]) -> list[Reference]:
        """Baselines on the validation draw (training where there is none), and published values.

        Args:
            tell: Called with a line for each baseline that fails.
        """
        problem = self.task.problem
        split = SplitKind.VALIDATION if problem.validation_stage else SplitKind.TRAINING
        computed = await self._baselines(split, "baselines")
        name = problem.objectives[0].name
        for baseline in computed:
            if baseline.fault:
                tell(f"baseline {baseline.name}: {baseline.fault}")
        found = [
            Reference(name=b.name, value=b.values[name], kind="baseline")
            for b in computed
            if name in b.values
        ]
        found += [
            Reference(
                name=record.who, value=float(record.value), kind="published", source=record.source
            )
            for record in problem.known_records(self.task.parameters)
            if record.objective in (None, name)
        ]
        # for those who read the run later, without the problem's code
        self.store.set_meta("references", msgspec.to_builtins(found))
        return found

    async def of_training(self) -> tuple[BaselineValue, ...]:
        """The baselines on the training draw, as prompts name them."""
        return await self._baselines(SplitKind.TRAINING, "training_baselines")

    async def _baselines(self, split: SplitKind, key: str) -> tuple[BaselineValue, ...]:
        stored = self.store.meta.get(key)
        if stored is None:
            computed = await self.judge.baselines(split, derive(self.seed, split))
            self.store.set_meta(key, msgspec.to_builtins(computed))
            return tuple(computed)
        return msgspec.convert(stored, tuple[BaselineValue, ...])
