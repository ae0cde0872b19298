"""The line from a seed to a program, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from evolve.changes import counted
from evolve.diff import unified
from evolve.problem import Objective, ProblemError, SplitKind
from evolve.program import Program
from islands_db import CallState, Reader, Status, StoredProgram, StoreError, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One program on the line and what its edit brought.

    Values are of the first objective, in its own sign and unit. A gain is how much better than
    before, whatever the objective's direction: in training than the step before, in validation
    than the last step that was validated. None where there is nothing to compare; in training also
    where it came to another stage than the step before, whose values are not of one kind.
    """

    program: StoredProgram
    added: int
    removed: int
    training: float | None
    training_gain: float | None
    validation: float | None
    validation_gain: float | None
    test: float | None
    cost_usd: float
    model: str
    """Which model answered; "" where none was asked."""
    kind: str
    """"constants" where nothing but numbers changed, else "structure"; "" for the first."""
    before: Program | None
    """The text of the step before; None for the first."""
    text: Program

    @property
    def diff(self) -> str:
        """Unified; "" for the first."""
        return "" if self.before is None else unified(self.before, self.text)

    @property
    def by(self) -> str:
        return f"{self.model} {self.program.operator}" if self.model else made_by(self.program)


def objective_of(reader: Reader) -> Objective:
    """The run's first objective.

    Raises:
        StoreError: the run does not say; whatever wrote it, it was not evolve.
    """
    match reader.meta.get("objectives"):
        case [str() as text, *_]:
            try:
                return Objective.parse(text)
            except ProblemError as error:
                raise StoreError(f"{reader.path}: {error}") from None
    raise StoreError(f"{reader.path}: names no objective; restore the file from a copy")


def champion(reader: Reader) -> int:
    """The champion where validation has begun, else the best in training."""
    return reader.find("champion" if reader.top(1, "validation") else "best")


def unvalidated(reader: Reader) -> str:
    """What the last validation said where all that were validated failed; "" otherwise."""
    if reader.top(1, SplitKind.VALIDATION):
        return ""
    failed = [
        verdict
        for verdicts in reader.verdicts_of(SplitKind.VALIDATION).values()
        for verdict in verdicts
        if verdict.status is not Status.OK
    ]
    if not failed:
        return ""
    last = failed[-1]
    return f"no program passed validation; the last: {last.status} at {last.stage!r}: {last.reason}"


def made_by(program: StoredProgram) -> str:
    """Who made a program and how: "tree constant", "seed"."""
    if not program.operator or program.operator == program.proposer:
        return program.proposer
    return f"{program.proposer} {program.operator}"


def model_of(reader: Reader, attempt: int) -> str:
    """The model whose answer became an attempt's proposal, by the name it gives itself."""
    answered = [c for c in reader.calls(attempt=attempt) if c.state is CallState.ANSWERED]
    return (answered[-1].answered_by or answered[-1].model) if answered else ""


def value_in(verdicts: Sequence[Verdict], split: str, objective: Objective) -> float | None:
    """A program's value of an objective in a split: of the last stage that came to one there, in
    validation the mean over its draws. None where it has none, or failed on a draw."""
    found = [v.values.get(objective.name) for v in verdicts if v.split == split]
    if split == SplitKind.VALIDATION and found:
        values = [value for value in found if value is not None]
        return fmean(values) if len(values) == len(found) else None
    return found[-1] if found else None


def steps(reader: Reader, objective: Objective, line: Sequence[StoredProgram]) -> list[Step]:
    """What each program of a line of parents and children brought."""
    found: list[Step] = []
    before: Program | None = None
    training: float | None = None
    rung = -1
    validation: float | None = None
    for stored in line:
        text = Program.of(reader.files(stored.id))
        added, removed = (0, 0) if before is None else counted(before, text)
        values = {kind: value_in(stored.verdicts, kind, objective) for kind in SplitKind}
        comparable = training if stored.rung == rung else None
        found.append(
            Step(
                program=stored,
                added=added,
                removed=removed,
                training=values[SplitKind.TRAINING],
                training_gain=_gain(objective, comparable, values[SplitKind.TRAINING]),
                validation=values[SplitKind.VALIDATION],
                validation_gain=_gain(objective, validation, values[SplitKind.VALIDATION]),
                test=values[SplitKind.TEST],
                cost_usd=sum(p.cost_usd for p in reader.proposals(attempt=stored.attempt)),
                model=model_of(reader, stored.attempt),
                kind="" if before is None else kind_of(before, text),
                before=before,
                text=text,
            )
        )
        before, training, rung = text, values[SplitKind.TRAINING], stored.rung
        if values[SplitKind.VALIDATION] is not None:
            validation = values[SplitKind.VALIDATION]
    return found


def kind_of(parent: Program, child: Program) -> str:
    """What kind of edit makes the child of the parent: "constants" or "structure"."""
    from evolve.tuning.literals import same_structure  # heavy, and most views name no kind

    return "constants" if same_structure(parent, child) else "structure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The steps of one kind on a line, and the sum of what they gained in training, as far as that
    can be told."""

    kind: str
    steps: int
    gain: float


def divided(path: Sequence[Step]) -> list[Part]:
    """What edits of structure brought on a line, and what constants alone did."""
    return [
        Part(
            kind=kind,
            steps=sum(step.kind == kind for step in path),
            gain=sum(step.training_gain or 0.0 for step in path if step.kind == kind),
        )
        for kind in ("structure", "constants")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leap:
    """The step of a line that went furthest beyond the best before it, and that best value; both
    of one stage."""

    step: Step
    before: float
    after: float


def leap(path: Sequence[Step], objective: Objective) -> Leap | None:
    """Which edit made the last program of a line good; None if nothing was gained.

    Not simply the largest gain: a line may fall first, and what only climbs back found nothing.
    Where a line has come to a further stage, only what reached that stage too is compared.
    """
    found: Leap | None = None
    best: float | None = None
    rung = -1
    for step in path:
        value = step.training
        if value is None or step.program.rung < rung:
            continue
        if best is None or step.program.rung > rung:
            best, rung = value, step.program.rung
        elif objective.better(value, best):
            if found is None or abs(value - best) > abs(found.after - found.before):
                found = Leap(step=step, before=best, after=value)
            best = value
    return found


def _gain(objective: Objective, before: float | None, value: float | None) -> float | None:
    if before is None or value is None:
        return None
    return objective.fitness(value) - objective.fitness(before) + 0.0
