"""The engine's side of evaluation: hands programs to workers, within cores and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from math import inf, isfinite
from pathlib import Path

import msgspec

from evolve import messages
from evolve.evaluation import STAGE_GRACE_S, stages_of
from evolve.loading import Task
from evolve.messages import (
    Baselines,
    BaselineValue,
    Behaves,
    Computed,
    Evaluate,
    Judged,
    Known,
    Setup,
)
from evolve.problem import Objective, SplitKind, Stage
from evolve.processes import HelperDied, Pool
from evolve.slots import Slots
from islands_db.records import Status, Verdict

_ANSWER_GRACE_S = 15.0


class Judge:
    """Asks worker processes for verdicts; owns them."""

    def __init__(self, task: Task, *, workers: int, unsafe: bool, log: Path | None) -> None:
        self._task = task
        setup = Setup(
            reference=str(task.problem.folder),
            parameters=messages.texts(task.parameters),
            unsafe=unsafe,
        )
        self._pool = Pool("evolve.worker", workers, setup=setup, log=log)
        self.slots = Slots(workers)

    @property
    def tier(self) -> str:
        return self._pool.tier

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return self._task.problem.objectives

    def judges(self, split: SplitKind) -> bool:
        """Whether the problem has a stage for the split."""
        return bool(stages_of(self._task, split))

    async def start(self) -> None:
        await self._pool.start()

    async def stop(self) -> None:
        await self._pool.stop()

    async def judge(
        self,
        files: Mapping[str, str],
        *,
        split: SplitKind,
        seed: int,
        artifact: bool = False,
        started: Callable[[], None] | None = None,
        known: Callable[[int], int | None] | None = None,
        promotes: Callable[[str, float], bool] | None = None,
        parent: tuple[int, float] | None = None,
    ) -> Judged:
        """Verdicts of a program on a split; `started` is called once it has a core and may raise.

        Neighbouring stages with the same needs go to a worker together; a stage marked
        `exclusive` waits until nothing else evaluates. A worker that dies is replaced and the
        program tried once more; a second death is the evaluator's fault, never the program's.

        Args:
            known: The program that has shown a behaviour before, if any.
            promotes: Whether a program with this fitness in this stage goes on to the next; it
                keeps the stage's value and does not count as having passed it if not.
            parent: Rung and fitness of the parent, which repeated measurements race against.
        """
        total: Judged | None = None
        stages = stages_of(self._task, split)
        rung, fitness = parent or (0, -inf)
        for needs, first, last, limit_s in _legs(stages, each=promotes is not None):
            cores, exclusive = needs
            request = Evaluate(
                files=dict(files),
                split=split.value,
                seed=seed,
                first=first,
                last=last,
                artifact=artifact or self._task.problem.certify == "best",
                probing=known is not None,
                mark=fitness if isfinite(fitness) else None,
                mark_at=min(rung, len(stages) - 1),
            )
            async with self.slots.take(cores, exclusive=exclusive):
                if started is not None and total is None:
                    started()
                leg = await self._ask(request, limit_s, known)
            total = leg if total is None else _joined(total, leg)
            if total.stopped or total.twin_of is not None:
                break
            if promotes is None or total.fitness is None or last == len(stages):
                continue
            if not promotes(stages[first].name, total.fitness):
                return msgspec.structs.replace(total, rung=total.rung - 1, stopped=True)
        assert total is not None
        return total

    async def baselines(self, split: SplitKind, seed: int) -> tuple[BaselineValue, ...]:
        """The problem's computed references on a draw."""
        async with self.slots.take():
            try:
                request = Baselines(split=split.value, seed=seed)
                return (await self._pool.ask(request, Computed, limit_s=300.0)).baselines
            except HelperDied as error:
                return (BaselineValue(name="baselines", fault=str(error)),)

    async def _ask(
        self, request: Evaluate, limit_s: float, known: Callable[[int], int | None] | None
    ) -> Judged:
        def reply(question: Behaves) -> Known:
            return Known(program=None if known is None else known(question.behaviour))

        try:
            return await self._pool.ask(request, Judged, limit_s=limit_s, reply=reply)
        except HelperDied:
            try:
                return await self._pool.ask(request, Judged, limit_s=limit_s, reply=reply)
            except HelperDied as error:
                stage = stages_of(self._task, SplitKind(request.split))[request.first]
                fault = Verdict(
                    stage=stage.name,
                    split=request.split,
                    status=Status.EVALUATOR_ERROR,
                    reason=f"the worker failed twice at stage {stage.name!r}: {error}",
                    seed=request.seed,
                )
                return Judged(verdicts=(fault,), rung=request.first, stopped=True)


def _legs(stages: Sequence[Stage], *, each: bool) -> list[tuple[tuple[int, bool], int, int, float]]:
    """Runs of stages with the same (cores, exclusive): needs, first, last + 1, limit in seconds.

    Args:
        each: One leg for each stage, as something is decided between them.
    """
    legs = []
    for (needs, _), group in groupby(
        enumerate(stages), key=lambda numbered: (_needs(numbered), numbered[0] if each else 0)
    ):
        members = list(group)
        limit_s = _ANSWER_GRACE_S + sum(
            s.repeats * (2 * s.timeout_s + STAGE_GRACE_S) for _, s in members
        )
        legs.append((needs, members[0][0], members[-1][0] + 1, limit_s))
    return legs


def _needs(numbered: tuple[int, Stage]) -> tuple[int, bool]:
    return numbered[1].cores, numbered[1].exclusive


def _joined(before: Judged, after: Judged) -> Judged:
    return Judged(
        verdicts=before.verdicts + after.verdicts,
        rung=after.rung,
        fitness=after.fitness,
        features={**before.features, **after.features},
        cases=after.cases,
        artifact=after.artifact or before.artifact,
        picture=after.picture or before.picture,
        picture_fault=after.picture_fault or before.picture_fault,
        stopped=after.stopped,
        behaviour=after.behaviour if before.behaviour is None else before.behaviour,
        twin_of=after.twin_of,
    )
