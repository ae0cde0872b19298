"""Runs a problem's stages on one program: catches what stages and candidates do, writes verdicts.

This is the worker's half of the trust boundary: stages run here, candidates in the sandbox.
"""

from __future__ import annotations

import json
import math
import signal
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from types import FrameType

from evaluators import Invalid
from evolve import picture
from evolve.loading import Task, located
from evolve.messages import BaselineValue, Judged
from evolve.overheard import overheard
from evolve.problem import Number, Objective, Score, SplitKind, Stage
from evolve.repeats import behind, mean_score
from evolve.staging import Asks, StageCandidate, Twin
from islands_db.records import Status, Verdict
from sandbox import CandidateFailure, Sandbox, SandboxError

STAGE_GRACE_S = 10.0
"""How long a stage's own, trusted code may work beyond twice its candidate's wall limit."""
DRAW_S = 10.0
"""How long a problem may take to draw what was found."""
_FEEDBACK_CHARS = 4000
_REASON_CHARS = 500
_LARGEST = (2 - 2**-23) * 2.0**127


class StageHung(BaseException):
    """Raised by the alarm inside a stage; not an Exception, so that no stage swallows it."""


def judge(
    task: Task,
    sandbox: Sandbox,
    files: dict[str, str],
    *,
    split: SplitKind,
    seed: int,
    first: int = 0,
    last: int | None = None,
    artifact: bool = False,
    known: Asks | None = None,
    mark: float | None = None,
    mark_at: int = 0,
) -> Judged:
    """Runs stages [first, last) of a split; stops at the first failure, missed mark or twin.

    Args:
        known: Asked when a stage says how the program behaves; without it nothing is a twin.
        mark: The parent's fitness in the stage numbered `mark_at`, for races.
    """
    stages = stages_of(task, split)[first:last]
    verdicts: list[Verdict] = []
    features: dict[str, float] = {}
    rung, fitness, cases, kept, stopped = first, None, b"", "", False
    objective = task.problem.objectives[0]
    behaviour: int | None = None
    for place, stage in enumerate(stages, start=first):
        candidate = StageCandidate(sandbox, files, task, stage, known)
        try:
            verdict, score = _run(task, sandbox, candidate, stage, split, seed)
            if score is not None and stage.repeats > 1:
                again = partial(_run_again, task, sandbox, files, stage, split, seed)
                verdict, score = _repeated(
                    task, stage, verdict, score, again, mark if place == mark_at else None
                )
        except Twin as twin:
            return Judged(verdicts=(), behaviour=candidate.behaviour, twin_of=twin.program)
        if behaviour is None and candidate.failure is None:
            behaviour = candidate.behaviour
        verdicts.append(verdict)
        if score is None:
            fitness, cases, stopped = None, b"", True
            break
        features.update(score.features)
        value = score.values[objective.name]
        fitness, cases = verdict.fitness, _packed(score.cases, objective)
        if artifact and score.artifact is not None:
            try:
                kept = json.dumps(score.artifact, default=_json_default)
            except (TypeError, ValueError, RecursionError) as error:
                fault = f"stage {stage.name!r} gave an artifact that is not plain data: {error}"
                verdicts[-1] = replace(
                    verdict, status=Status.EVALUATOR_ERROR, reason=_plain(fault, _REASON_CHARS)
                )
                fitness, stopped = None, True
                break
        if stage.pass_mark is not None and not objective.reaches(value, stage.pass_mark):
            stopped = True
            break
        rung += 1
    image, fault = drawn(task, kept) if kept and split is SplitKind.TEST else ("", "")
    return Judged(
        verdicts=tuple(verdicts),
        rung=rung,
        fitness=fitness,
        features=features,
        cases=cases,
        artifact=kept,
        picture=image,
        picture_fault=fault,
        stopped=stopped,
        behaviour=behaviour,
    )


def drawn(task: Task, artifact: str) -> tuple[str, str]:
    """The problem's picture of an artifact (JSON text), or else why there is none.

    A picture is an extra: whatever its function does, the verdicts stand.
    """
    draw = task.problem.drawing
    if draw is None:
        return "", ""
    try:
        with alarm(DRAW_S), overheard():
            return picture.checked(draw(json.loads(artifact))), ""
    except picture.PictureError as error:
        return "", str(error)
    except StageHung:
        return "", f"drawing did not end within {DRAW_S:g} s"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a user's function may raise anything
        return "", f"drawing raised {located(error, task.problem.folder)}"


def stages_of(task: Task, split: SplitKind) -> Sequence[Stage]:
    """The stages of a split; a problem without validation or test has none there."""
    match split:
        case SplitKind.TRAINING:
            return task.problem.stages
        case SplitKind.VALIDATION:
            return [s for s in [task.problem.validation_stage] if s is not None]
        case SplitKind.TEST:
            return [s for s in [task.problem.test_stage] if s is not None]


def compute_baselines(task: Task, *, split: SplitKind, seed: int) -> tuple[BaselineValue, ...]:
    """The problem's baselines on a split's draw; a failing one says why and does no harm."""
    found = []
    for baseline in task.problem.baselines:
        try:
            with alarm(60.0), overheard():
                score = baseline.function(seed=seed, split=split, **task.parameters)
            if isinstance(score, Score):
                values = {name: float(value) for name, value in score.values.items()}
                found.append(BaselineValue(name=baseline.name, values=values))
            else:
                fault = score.reason if isinstance(score, Invalid) else f"returned {score!r:.80}"
                found.append(BaselineValue(name=baseline.name, fault=fault))
        except (Exception, StageHung, SystemExit) as error:  # noqa: BLE001  may raise anything
            fault = located(error, task.problem.folder)
            found.append(BaselineValue(name=baseline.name, fault=fault))
    return tuple(found)


def _run_again(
    task: Task, sandbox: Sandbox, files: dict[str, str], stage: Stage, split: SplitKind, seed: int
) -> tuple[Verdict, Score | None]:
    """One more measurement in a fresh process; whose twin the program is has been asked before."""
    return _run(task, sandbox, StageCandidate(sandbox, files, task, stage), stage, split, seed)


def _repeated(
    task: Task,
    stage: Stage,
    verdict: Verdict,
    score: Score,
    again: Callable[[], tuple[Verdict, Score | None]],
    mark: float | None,
) -> tuple[Verdict, Score | None]:
    """Measures up to `stage.repeats` times; a failure in any of them is the program's result."""
    verdicts, scores = [verdict], [score]
    try:
        while len(scores) < stage.repeats and not behind(
            [v.fitness or 0.0 for v in verdicts], mark
        ):
            other, more = again()
            if more is None:
                return other, None
            verdicts.append(other)
            scores.append(more)
        mean = mean_score(scores, task.problem.objectives[0].name)
    except (OverflowError, ValueError):
        reason = "its measured values are too large for a mean"
        return replace(
            verdict, status=Status.INVALID, reason=reason, fitness=None, values={}, exact={}
        ), None
    verdict = replace(
        verdict,
        fitness=_fitness(task, mean),
        values={k: float(v) for k, v in _ordered(task, mean)},
        exact={k: _text(v) for k, v in _ordered(task, mean)},
        wall_s=sum(v.wall_s for v in verdicts),
        cpu_s=sum(v.cpu_s for v in verdicts),
        memory_bytes=max(v.memory_bytes for v in verdicts),
    )
    return verdict, mean


def _run(
    task: Task,
    sandbox: Sandbox,
    candidate: StageCandidate,
    stage: Stage,
    split: SplitKind,
    seed: int,
) -> tuple[Verdict, Score | None]:
    began = time.monotonic()
    limit = 2 * stage.timeout_s + STAGE_GRACE_S
    score: Score | None = None
    reason, feedback = "", ""
    try:
        with alarm(limit), overheard():
            result = stage.function(candidate, **arguments(stage, task, seed))
        match result:
            case Invalid(reason=text):
                status, reason = Status.INVALID, text
            case Score() as given:
                missing, beyond = _missing(task, given), _beyond(given)
                if missing:
                    status, reason = Status.EVALUATOR_ERROR, f"stage {stage.name!r}: {missing}"
                elif beyond:
                    status, reason = Status.INVALID, beyond
                else:
                    status, score, feedback = Status.OK, given, given.feedback
            case other:
                status = Status.EVALUATOR_ERROR
                what = "nothing" if other is None else f"{type(other).__name__} {other!r:.60}"
                reason = f"stage {stage.name!r} returned {what}, expected Score or Invalid"
    except CandidateFailure as failure:
        status, reason = Status(failure.kind.value), failure.reason
    except SandboxError as error:
        status, reason = Status.EVALUATOR_ERROR, f"the sandbox failed: {error}"
    except StageHung:
        status = Status.EVALUATOR_ERROR
        reason = (
            f"stage {stage.name!r} did not end within {limit:g} s, though its candidate may take "
            f"{stage.timeout_s:g} s: the stage's own code hangs, or this machine is too busy"
        )
    except Twin:
        if candidate.failure is None:
            raise
        status = Status.EVALUATOR_ERROR  # the failure below takes its place
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a user's stage may raise anything
        status = Status.EVALUATOR_ERROR
        reason = f"stage {stage.name!r} raised {located(error, task.problem.folder)}"
    finally:
        candidate.close()
    if candidate.failure is not None:
        # also where the stage caught it and went on: a failed candidate has no score
        score, feedback = None, ""
        status, reason = Status(candidate.failure.kind.value), candidate.failure.reason
    usage = candidate.usage
    verdict = Verdict(
        stage=stage.name,
        split=split.value,
        status=status,
        reason=_plain(reason, _REASON_CHARS),
        fitness=_fitness(task, score),
        values={k: float(v) for k, v in _ordered(task, score)},
        exact={k: _text(v) for k, v in _ordered(task, score)},
        features=score.features if score else {},
        feedback=_plain(feedback, _FEEDBACK_CHARS),
        stderr=_plain(candidate.stderr[-_FEEDBACK_CHARS:], _FEEDBACK_CHARS),
        tier=sandbox.tier.value,
        seed=seed,
        wall_s=time.monotonic() - began,
        cpu_s=usage.cpu_s,
        memory_bytes=usage.memory_bytes,
    )
    return verdict, score


def arguments(stage: Stage, task: Task, seed: int) -> dict[str, object]:
    """What a stage is called with besides its candidate."""
    given = {"seed": seed, **task.parameters}
    return {name: value for name, value in given.items() if stage.takes(name)}


def _missing(task: Task, score: Score) -> str:
    declared = [feature.name for feature in task.problem.features]
    for name in score.features:
        if name not in declared:
            return (
                f"its Score has a feature {name!r}; declared are: {', '.join(declared) or 'none'}"
            )
    for objective in task.problem.objectives:
        if objective.name not in score.values:
            given = ", ".join(score.values) or "nothing"
            return f"its Score has no {objective.name!r} (it has {given})"
    return ""


def _beyond(score: Score) -> str:
    """A value no float can hold or whose digits fill pages: a candidate may drive it there."""
    for name, value in score.values.items():
        try:
            float(value)
            _text(value)
        except (OverflowError, ValueError):
            return f"its {name} is a number too large or too long to keep"
    return ""


def _packed(cases: Sequence[Number], objective: Objective) -> bytes:
    """What was scored by case, as the database keeps it; what is beyond a float is the largest."""

    def kept(case: Number) -> float:
        try:
            value = objective.fitness(case)
        except OverflowError:
            value = math.inf * objective.fitness(1 if case > 0 else -1)
        return min(max(value, -_LARGEST), _LARGEST) + 0.0

    return struct.pack(f"<{len(cases)}f", *map(kept, cases))


def _ordered(task: Task, score: Score | None) -> list[tuple[str, Number]]:
    """Values with the objectives first."""
    if score is None:
        return []
    names = [objective.name for objective in task.problem.objectives]
    return [(n, score.values[n]) for n in dict.fromkeys([*names, *score.values])]


def _fitness(task: Task, score: Score | None) -> float | None:
    objective = task.problem.objectives[0]
    return None if score is None else objective.fitness(score.values[objective.name])


def _plain(text: object, length: int) -> str:
    """Text that any file can hold; a stage may have built it from what a candidate said."""
    return str(text)[:length].encode(errors="backslashreplace").decode()


def _text(value: Number) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _json_default(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return tolist()
    raise TypeError(f"an artifact may hold plain data only, not {type(value).__name__}")


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raises `StageHung` inside after that time; in the main thread only, whose signals are."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise StageHung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
