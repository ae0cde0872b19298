"""What a report says, read from a run's folder in one consistent state; runs no code of a problem.

Values are of the first objective, in its own sign and unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise

import msgspec
import numpy as np

from evolve import certificate, picture
from evolve.bandit import Markets
from evolve.branches import Branch, branches
from evolve.certificate import Checked
from evolve.champion import behind, parting
from evolve.endings import ending
from evolve.errors import UsageError
from evolve.lineage import Leap, Step, leap, steps, unvalidated, value_in
from evolve.messages import BaselineValue
from evolve.problem import Objective, ProblemError, SplitKind
from evolve.runs import RunFolder
from evolve.status import Reference
from islands_db import Counts, History, Reader, Settings, Spending, StoreError
from islands_db.history import Floats, Integers

VALIDATED = 500
"""So many validated programs, the best of them, are compared with their training values."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says of itself."""

    problem: str
    objectives: list[str]
    parameters: dict[str, str] = {}
    seed: int = 0
    unsafe: bool = False
    created: str = ""
    elapsed_s: float = 0.0
    baselines: tuple[BaselineValue, ...] = ()
    references: tuple[Reference, ...] = ()
    config: dict[str, object] = {}


class _Test(msgspec.Struct, frozen=True):
    program: int
    seed: int
    seed_program: int
    baselines: tuple[BaselineValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """The figures of the test: champion, its seed program and the baselines on the same draw."""

    program: int
    champion: float
    seed_program: float | None
    baselines: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    program: int
    training: float
    validation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one proposer, or one kind of edit, came to; `gain` is the sum of what its new bests in
    training were better than the best before them of the same stage. What two kinds made together
    counts for both."""

    name: str
    now: float | None
    """Its chance to be asked next, where that is known."""
    attempts: int
    programs: int
    bests: int
    gain: float
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a report shows."""

    run: str
    meta: Meta
    objective: Objective
    settings: Settings
    state: str
    """"live", or how it came to its end: "ended: why", "interrupted", "killed", "empty"."""
    counts: Counts
    history: History
    bests: Sequence[tuple[int, float]]
    """(row of the history, value) at each new best in training."""
    champion: int | None
    path: Sequence[Step]
    branches: Mapping[int, Sequence[Branch]]
    files: Mapping[str, str]
    validated: Sequence[Validated]
    unvalidated: str
    """That no program passed validation, and why the last did not; "" where one did."""
    alarm: str
    """That training and validation part; "" for no cause."""
    test: Tested | None
    proposers: Sequence[Share]
    operators: Sequence[Share]
    spending: Mapping[str, Spending]
    """What the calls to each model came to; empty where none was asked."""
    arrivals: Sequence[int]
    """For each island, programs made there from a parent born on another."""
    checked: Checked | None
    certificate_fault: str
    picture: str
    picture_fault: str
    written: str
    version: str

    @property
    def references(self) -> Sequence[Reference]:
        """Baselines (of the test where there was one) and published values."""
        published = [r for r in self.meta.references if r.kind == "published"]
        if self.test is not None:
            found = self.test.baselines
        else:
            name = self.objective.name
            found = {b.name: b.values[name] for b in self.meta.baselines if name in b.values}
        return [
            *(Reference(name=n, value=v, kind="baseline") for n, v in found.items()),
            *published,
        ]

    @property
    def leap(self) -> Leap | None:
        return leap(self.path, self.objective)


def gather(folder: RunFolder) -> Facts:
    """Reads a run, live or not.

    Raises:
        StoreError: the database cannot be used.
    """
    live = folder.in_use()
    with Reader(folder.database) as reader, reader.snapshot():
        try:
            meta = msgspec.convert(dict(reader.meta), Meta)
            markets = msgspec.convert(dict(reader.meta), Markets)
            objective = Objective.parse(meta.objectives[0] if meta.objectives else "")
        except (msgspec.ValidationError, ProblemError) as error:
            raise StoreError(f"{reader.path}: what the run says of itself: {error}") from None
        history, counts = reader.history(), reader.counts()
        bests = _bests(history, objective)
        champion = _champion(reader)
        line = [] if champion is None else reader.lineage(champion)
        proposers, operators = _shares(history, bests, objective, markets)
        checked, fault = _certificate(folder)
        drawing, drawing_fault = _picture(folder)
        return Facts(
            run=folder.name,
            meta=meta,
            objective=objective,
            settings=reader.settings,
            state="live" if live else ending(reader),
            counts=counts,
            history=history,
            bests=bests,
            champion=champion,
            path=steps(reader, objective, line),
            branches=branches(history, [p.id for p in line], objective) if line else {},
            files={} if champion is None else reader.files(champion),
            validated=_validated(reader, objective),
            unvalidated=unvalidated(reader),
            alarm=parting(len(behind(reader, champion))),
            test=_test(reader, objective),
            proposers=proposers,
            operators=operators,
            spending=reader.spending(),
            arrivals=_arrivals(history, reader.settings.islands),
            checked=checked,
            certificate_fault=fault,
            picture=drawing,
            picture_fault=drawing_fault,
            written=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version("evolve"),
        )


def _champion(reader: Reader) -> int | None:
    for split in ("validation", "training"):
        leaders = reader.top(1, split)
        if leaders:
            return leaders[0].id
    return None


def _bests(history: History, objective: Objective) -> list[tuple[int, float]]:
    sign = 1.0 if objective.direction == "max" else -1.0
    found: list[tuple[int, float]] = []
    best = (-1, -np.inf)
    for row in np.flatnonzero(~np.isnan(history.fitness)).tolist():
        rank = int(history.rung[row]), float(history.fitness[row])
        if rank > best:
            best = rank
            found.append((row, sign * rank[1]))
    return found


def _shares(
    history: History, bests: Sequence[tuple[int, float]], objective: Objective, markets: Markets
) -> tuple[list[Share], list[Share]]:
    won = np.zeros(len(history.attempt))
    new = np.zeros(len(history.attempt), dtype=np.int64)
    for (before, old), (row, value) in pairwise(bests):
        new[row] = 1
        if history.rung[row] == history.rung[before]:
            won[row] = max(0.0, objective.fitness(value) - objective.fitness(old))

    chances: dict[str, float] = {}
    for market in markets.opened().values():
        chances |= market.shares()

    def by(codes: Integers, names: Sequence[str], *, parts: bool = False) -> list[Share]:
        count = len(names)
        columns = [
            np.bincount(codes, minlength=count),
            np.bincount(codes, weights=history.program > 0, minlength=count),
            np.bincount(codes, weights=new, minlength=count),
            np.bincount(codes, weights=won, minlength=count),
            np.bincount(codes, weights=history.cost_usd, minlength=count),
        ]
        totals: dict[str, Floats] = {}
        for code, name in enumerate(names):
            for part in dict.fromkeys(name.split("+")) if parts else [name]:
                row = np.array([column[code] for column in columns])
                totals[part] = totals.get(part, np.zeros(len(columns))) + row
        shares = [
            Share(
                name=name,
                now=chances.get(name) if parts else None,
                attempts=int(row[0]),
                programs=int(row[1]),
                bests=int(row[2]),
                gain=float(row[3]),
                cost_usd=float(row[4]),
            )
            for name, row in totals.items()
        ]
        return sorted(shares, key=lambda s: (-s.gain, -s.attempts, s.name))

    if not len(history.attempt):
        return [], []
    return by(history.proposer, history.proposers), by(
        history.operator, history.operators, parts=True
    )


def _arrivals(history: History, islands: int) -> list[int]:
    size = int(history.program.max(initial=0)) + 1
    home = np.full(size, -1)
    made = history.program > 0
    home[history.program[made]] = history.island[made]
    seeds = made & (history.parent == 0)
    home[history.program[seeds]] = -1  # a seed enters every island
    origin = home[np.minimum(history.parent, size - 1)]
    foreign = made & (history.parent > 0) & (origin >= 0) & (origin != history.island)
    return [int(count) for count in np.bincount(history.island[foreign], minlength=islands)]


def _validated(reader: Reader, objective: Objective) -> list[Validated]:
    found = []
    for program in reader.top(VALIDATED, "validation"):
        training = value_in(program.verdicts, SplitKind.TRAINING, objective)
        validation = value_in(program.verdicts, SplitKind.VALIDATION, objective)
        if training is not None and validation is not None:
            found.append(Validated(program=program.id, training=training, validation=validation))
    return found


def _test(reader: Reader, objective: Objective) -> Tested | None:
    for event in reversed(reader.events("test")):
        try:
            data = msgspec.convert(dict(event.data), _Test)
        except msgspec.ValidationError as error:
            raise StoreError(f"{reader.path}: event {event.id}: {error}") from None
        values = []
        for program in (data.program, data.seed_program):
            on_draw = [v for v in reader.verdicts(program) if v.seed == data.seed]
            values.append(value_in(on_draw, SplitKind.TEST, objective))
        if values[0] is not None:
            name = objective.name
            return Tested(
                program=data.program,
                champion=values[0],
                seed_program=values[1],
                baselines={b.name: b.values[name] for b in data.baselines if name in b.values},
            )
    return None


def _certificate(folder: RunFolder) -> tuple[Checked | None, str]:
    """The certificate, checked again now; or why there is none."""
    if not folder.certificate.exists():
        return None, ""
    try:
        return certificate.check(certificate.read(folder.certificate)), ""
    except UsageError as error:
        return None, str(error)


def _picture(folder: RunFolder) -> tuple[str, str]:
    """The picture, checked again: the file may have been changed since it was drawn."""
    try:
        if not folder.picture.is_file():
            return "", ""
        if folder.picture.stat().st_size > picture.MAX_BYTES:
            raise picture.PictureError(f"more than {picture.MAX_BYTES:,} bytes")
        return picture.checked(folder.picture.read_text(encoding="utf-8")), ""
    except (OSError, UnicodeDecodeError, picture.PictureError) as error:
        return "", str(error)
