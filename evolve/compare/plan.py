"""The plan of a comparison: a TOML file, fixed before the first run.

What is compared, on what, with which budget and by which measure is settled here. Its hash is kept
beside the results, so a plan that was changed after a look at them is refused.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Annotated

import msgspec

from evolve.compare.methods import Method, configured
from evolve.config import Budget, RunFile
from evolve.errors import UsageError, nearest
from evolve.llm.models import Model, checked
from evolve.loading import Task, identity, load

NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
_MOST_CELLS = 100_000

Seeds = Annotated[int, msgspec.Meta(ge=2, le=200)] | list[int]
"""So many (0, 1, ...), or which."""


class Measure(StrEnum):
    """What is compared; of each the smaller is the better, once signs are settled."""

    TO_TARGET = "to_target"
    """How much of the budget was used when the best in training reached the target."""
    AREA = "area"
    """The best value in training, averaged over the budget."""
    FINAL = "final"
    """The champion's value: in the test, or validation or training where there is none."""


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A problem of the plan.

    Attributes:
        name: What tables call it; by default its own name.
        target: Value that ends the measure `to_target`, e.g. a known optimum.
        seeds: In the place of the plan's, for a problem whose runs cost much more or less.
    """

    problem: str
    name: str = ""
    parameters: dict[str, str | int | float | bool] = {}
    target: float | None = None
    seeds: Seeds | None = None


class Spend(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The budget of every run: one of the three leads and is the axis of the curves."""

    evals: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    usd: Annotated[float, msgspec.Meta(gt=0)] | None = None


class Plan(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The file as it is written.

    Attributes:
        methods: Names, the first of them compared with all others unless `reference` says so.
        method: The file's own methods, by name.
        seeds: Of every problem that names none of its own.
        measure: Decides what is tested; the others are shown.
        alpha: Chance of one false discovery or more in the whole comparison.
        lag: Attempts under way at once in every run, so that methods differ in nothing else.
        llm: Models that methods may ask.
    """

    problems: Annotated[list[str | Entry], msgspec.Meta(min_length=1)]
    methods: Annotated[list[str], msgspec.Meta(min_length=2)]
    budget: Spend
    method: dict[str, Method] = {}
    seeds: Seeds = 10
    reference: str = ""
    measure: Measure = Measure.FINAL
    alpha: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.05
    lag: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 1
    llm: list[Model] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One problem of a checked plan."""

    name: str
    task: Task
    settings: Mapping[str, str | int | float | bool]
    target: float | None
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of the matrix."""

    method: str
    problem: str
    seed: int

    @property
    def path(self) -> Path:
        return Path(self.method) / self.problem / f"seed-{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A checked plan: everything that a run of it needs.

    Attributes:
        digest: Of the file's bytes.
        unit: "evaluations", "seconds" or "dollars"; the axis of the curves.
        limit: The budget in that unit.
    """

    file: Path
    digest: str
    contests: Mapping[str, Contest]
    methods: Mapping[str, RunFile]
    reference: str
    measure: Measure
    alpha: float
    unit: str
    limit: float

    @property
    def cells(self) -> list[Cell]:
        """Every run, seed by seed, so that a comparison that was cut off is balanced."""
        return [
            Cell(method=method, problem=name, seed=contest.seeds[turn])
            for turn in range(max(len(contest.seeds) for contest in self.contests.values()))
            for name, contest in self.contests.items()
            if turn < len(contest.seeds)
            for method in self.methods
        ]

    @property
    def identities(self) -> dict[str, dict[str, str]]:
        """What each problem's scores depend on, as hashes."""
        return {name: identity(contest.task) for name, contest in self.contests.items()}

    def run_file(self, cell: Cell) -> RunFile:
        """The configuration of one run."""
        contest, config = self.contests[cell.problem], self.methods[cell.method]
        folder = contest.task.problem.folder
        # where champions are picked on another draw, the target does not end a run
        ends = contest.target if contest.task.problem.validation_stage is None else None
        budget = Budget(
            evals=int(self.limit) if self.unit == "evaluations" else None,
            minutes=self.limit / 60 if self.unit == "seconds" else None,
            usd=self.limit if self.unit == "dollars" else None,
            target=ends if self.measure is Measure.TO_TARGET else None,
        )
        return msgspec.structs.replace(
            config,
            problem=str(folder),
            parameters=dict(contest.settings),
            seed=cell.seed,
            workers=1,
            deterministic=self.unit == "evaluations",
            budget=budget,
        )


def read(file: Path) -> Comparison:
    """Reads and checks a plan; nothing is run and no model is asked.

    Raises:
        UsageError: it cannot be read or meant.
        FaultError: one of its problems is not sound.
    """
    try:
        raw = file.read_bytes()
        plain = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the plan {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from None
    for key in plain:
        if key not in Plan.__struct_fields__:
            raise UsageError(
                f"{file}: unknown key {key!r}; {nearest(key, list(Plan.__struct_fields__))}"
            )
    try:
        plan = msgspec.convert(plain, Plan)
    except msgspec.ValidationError as error:
        text = str(error).replace(" - at `$.", " at `").replace("`$`", "the top level")
        raise UsageError(f"{file}: {text}") from None
    return _checked(plan, file, hashlib.sha256(raw).hexdigest())


def _checked(plan: Plan, file: Path, digest: str) -> Comparison:
    unit, limit = _budget(plan.budget, file)
    for model in plan.llm:
        checked(model, where=f"{file}: llm")
    methods = {}
    for name in plan.methods:
        _plain_name(name, "method", file)
        if name in methods:
            raise UsageError(f"{file}: method {name!r} is named twice")
        config = configured(name, plan.method, plan.llm, where=str(file))
        methods[name] = msgspec.structs.replace(config, lag=config.lag or plan.lag)
    for name in plan.method:
        if name not in methods and all(m.like != name for m in plan.method.values()):
            raise UsageError(f"{file}: [method.{name}] is not among methods = [...]")
    reference = plan.reference or plan.methods[0]
    if reference not in methods:
        raise UsageError(f"{file}: reference {reference!r} is none of the methods")
    if unit == "dollars" and not any(config.llm for config in methods.values()):
        raise UsageError(f"{file}: budget.usd, but no method asks a model; add a table [[llm]]")
    contests: dict[str, Contest] = {}
    for given in plan.problems:
        entry = Entry(problem=given) if isinstance(given, str) else given
        contest = _contest(entry, plan.seeds if entry.seeds is None else entry.seeds, file)
        if contest.name in contests:
            raise UsageError(
                f"{file}: two problems are called {contest.name!r}; give one of them a name"
            )
        if contest.target is not None and not isfinite(contest.target):
            raise UsageError(f"{file}: {contest.name}: target {contest.target} is not finite")
        if plan.measure is Measure.TO_TARGET and contest.target is None:
            raise UsageError(
                f"{file}: measure = 'to_target', but {contest.name} has no target; write it as "
                "{problem = ..., target = ...}"
            )
        contests[contest.name] = contest
    if sum(len(contest.seeds) for contest in contests.values()) * len(methods) > _MOST_CELLS:
        raise UsageError(f"{file}: more than {_MOST_CELLS} runs; compare less at once")
    return Comparison(
        file=file,
        digest=digest,
        contests=contests,
        methods=methods,
        reference=reference,
        measure=plan.measure,
        alpha=plan.alpha,
        unit=unit,
        limit=limit,
    )


def _budget(spend: Spend, file: Path) -> tuple[str, float]:
    given = [
        (unit, float(value))
        for unit, value in (
            ("evaluations", spend.evals),
            ("seconds", spend.seconds),
            ("dollars", spend.usd),
        )
        if value is not None
    ]
    if len(given) != 1 or not isfinite(given[0][1]):
        raise UsageError(
            f"{file}: budget: expected one of evals, seconds and usd, a finite figure for every run"
        )
    return given[0]


def _contest(entry: Entry, given: Seeds, file: Path) -> Contest:
    reference = entry.problem
    if "/" in reference or reference.startswith("."):
        # paths are seen from the plan's folder
        reference = str(file.parent / os.path.expanduser(reference))
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in entry.parameters.items()
    }
    task = load(reference, texts)
    name = entry.name or entry.problem.rstrip("/").rpartition("/")[2].replace(":", "-")
    _plain_name(name, "problem", file)
    settings = {k: v for k, v in task.parameters.items() if isinstance(v, str | int | float)}
    seeds = tuple(range(given)) if isinstance(given, int) else tuple(given)
    if len(set(seeds)) != len(seeds) or len(seeds) < 2 or min(seeds) < 0:
        raise UsageError(
            f"{file}: {name}: seeds: expected at least two, each different from the others and not "
            "below 0"
        )
    return Contest(name=name, task=task, settings=settings, target=entry.target, seeds=seeds)


def _plain_name(name: str, what: str, file: Path) -> None:
    if not name or name[0] in "._-" or set(name) - set(NAME_CHARACTERS) or len(name) > 40:
        raise UsageError(
            f"{file}: {what} {name[:60]!r} names a folder: letters, digits, '.', '_' and '-', "
            "at most 40"
        )
