"""Judges every program of a run again, with the problem and the verifiers as they are now.

Each verdict is stored as it comes, so an interrupted rescoring goes on where it was; all of them
take effect together at the end, and until then the run keeps its old scores. Where a program was
validated it is again, on as many of the run's own draws: in a merged run those were perhaps
another's. Tests are not made again: the next end of the run makes one, of whoever is champion then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from evolve import config
from evolve.errors import FaultError, first_leaf
from evolve.judging import Judge
from evolve.loop import FAULTS_IN_A_ROW, signature
from evolve.problem import SplitKind
from evolve.randomness import derive
from islands_db import Due, Fate, Outcome, Rescoring, Status, Verdict

_TELL_EVERY_S = 10.0


class _Fault(Exception):
    """The problem's own code failed on a program."""


async def judge_again(
    work: Rescoring, judge: Judge, *, seed: int, tell: Callable[[str], None]
) -> None:
    """Judges what is due, with a judge that it starts and stops; returns when nothing is due.

    Args:
        seed: The run's; all programs are judged on its draws.

    Raises:
        FaultError: the problem's own code fails on a program; the others' verdicts are kept.
    """
    faults: list[str] = []
    own = config.parse(work.meta.get("config"), where=f"the stored configuration of {work.path}")
    draws = [derive(seed, SplitKind.VALIDATION, n) for n in range(own.evaluation.draws)]
    due = _told(work, tell)

    async def judge_some() -> None:
        for one in due:
            try:
                work.put(one.program, await _outcome(one, judge, seed, draws))
            except _Fault as fault:
                faults.append(f"program {one.program}: {fault}")
                if len(faults) >= FAULTS_IN_A_ROW:
                    return

    try:
        await judge.start()
        async with asyncio.TaskGroup() as group:
            for _ in range(judge.slots.total + 1):
                group.create_task(judge_some())
    except BaseExceptionGroup as errors:
        raise first_leaf(errors) from None
    finally:
        await judge.stop()
    if faults:
        raise FaultError(
            f"{len(faults)} programs could not be judged, the first: {faults[0]}; the old scores "
            "stand and the new ones are kept; mend the problem, then rescore again"
        )


def _told(work: Rescoring, tell: Callable[[str], None]) -> Iterator[Due]:
    """What is due, with a line on the progress now and then."""
    last = time.monotonic()
    for one in work.due():
        if time.monotonic() - last > _TELL_EVERY_S:
            last = time.monotonic()
            tell(f"{work.done} judged, at program {one.program}")
        yield one


async def _outcome(due: Due, judge: Judge, seed: int, draws: Sequence[int]) -> Outcome:
    judged = await judge.judge(
        due.files, split=SplitKind.TRAINING, seed=derive(seed, SplitKind.TRAINING)
    )
    verdicts = [*_sound(judged.verdicts)]
    validated = sum(split == SplitKind.VALIDATION for split, _ in due.splits)
    for draw in draws[:validated] if judge.judges(SplitKind.VALIDATION) else ():
        again = await judge.judge(due.files, split=SplitKind.VALIDATION, seed=draw)
        verdicts += _sound(again.verdicts)
    last = judged.verdicts[-1]
    scored = judged.fitness is not None
    return Outcome(
        fate=Fate.EVALUATED,
        verdicts=tuple(verdicts),
        rung=judged.rung,
        fitness=judged.fitness,
        objectives=tuple(o.fitness(last.values[o.name]) for o in judge.objectives if scored),
        signature=signature(judged),
        behaviour=judged.behaviour,
        features={**judged.features, "length": float(due.length)},
        cases=judged.cases if judged.fitness is not None else b"",
    )


def _sound(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    if verdicts[-1].status is Status.EVALUATOR_ERROR:
        raise _Fault(verdicts[-1].reason)
    return verdicts
