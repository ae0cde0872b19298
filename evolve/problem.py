"""What a user writes: a `Problem` with its seeds, stages, objectives, records and fixtures.

A problem is a plain Python object that a folder's `problem.py` defines. Stages are trusted: they
run in a worker, drive the candidate in its sandbox, and judge the data it hands over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from evaluators import Invalid
from evolve.errors import FaultError

Number = int | float | Fraction
Parameters = Mapping[str, object]
Seconds = float | Callable[[Parameters], float]
"""A limit, or how it follows from the parameters."""
Names = Sequence[str] | Callable[[Parameters], Sequence[str]]
"""A list, or how it follows from the parameters."""


class ProblemError(FaultError):
    """A problem definition that cannot be used; the message names what is wrong and where."""


class SplitKind(StrEnum):
    """The three disjoint sets: training searches, validation picks, test publishes."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective in its own sign and unit; `direction` is "min" or "max"."""

    name: str
    direction: str

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Reads "min excess_percent" or "max size"."""
        match text.split():
            case [("min" | "max") as direction, name] if name.isidentifier():
                return cls(name, direction)
        raise ProblemError(f"objective {text!r}: expected 'min NAME' or 'max NAME'")

    def fitness(self, value: Number) -> float:
        """The one place where a value becomes "higher is better"."""
        return float(value) if self.direction == "max" else -float(value)

    def better(self, a: Number, b: Number) -> bool:
        return a > b if self.direction == "max" else a < b

    def reaches(self, value: Number, mark: Number) -> bool:
        return value >= mark if self.direction == "max" else value <= mark


_RESERVED = ("artifact", "feedback", "features", "metrics")


class Score:
    """What a stage returns for a valid candidate: `Score(rank=23, artifact=found)`.

    Keywords that name an objective of the problem are its values; all others are metrics.

    Args:
        artifact: The object found, as plain data; kept only where a certificate needs it.
        feedback: Text for the next prompt.
        features: Values of the problem's declared features, by name.
        metrics: Further figures by name.

    Raises:
        ValueError: a value is not a finite int, float or Fraction.
    """

    __slots__ = ("artifact", "features", "feedback", "values")

    def __init__(
        self,
        *,
        artifact: object = None,
        feedback: str = "",
        features: Mapping[str, float] | None = None,
        metrics: Mapping[str, Number] | None = None,
        **values: Number,
    ) -> None:
        if not isinstance(feedback, str):
            raise ValueError(f"feedback is {type(feedback).__name__}, expected text")
        self.artifact = artifact
        self.feedback = feedback
        self.features = {k: float(_finite(k, v)) for k, v in (features or {}).items()}
        self.values = {k: _finite(k, v) for k, v in {**(metrics or {}), **values}.items()}

    def __repr__(self) -> str:
        return f"Score({', '.join(f'{k}={v}' for k, v in self.values.items())})"


def _finite(name: str, value: object) -> Number:
    # numpy scalars are turned into plain numbers; bool is a mistake here, not 0 or 1
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float | Fraction):
        raise ValueError(
            f"score {name!r} is {type(value).__name__}, expected int, float or Fraction"
        )
    if isinstance(plain, float) and not isfinite(plain):
        raise ValueError(f"score {name!r} is {plain}, expected a finite number")
    return plain


class CandidateHandle(Protocol):
    """What a stage sees of a program in its sandbox."""

    def call(self, name: str, /, *args: object) -> object:
        """Calls the program's function `name` with plain data and gives back plain data."""

    def drive(self, name: str, /, *args: object) -> object:
        """Calls the driver's function `name`, beside the candidate, as name(module, *args)."""

    def fresh(self) -> AbstractContextManager[CandidateHandle]:
        """Another process of the same program, that has seen nothing yet."""

    def behaves_as(self, behaviour: bytes) -> None:
        """Says what the program did on probe inputs; programs that say the same are twins.

        In training the evaluation ends here when an earlier, not longer program said the same in
        this stage: the attempt is stored as its twin, and nothing more is paid for it. Say only
        what decides the score completely, e.g. all answers that the score is computed from.
        """


StageFunction = Callable[..., "Score | Invalid"]
BaselineFunction = Callable[..., "Score | Invalid"]
DrawFunction = Callable[[object], str]
F = TypeVar("F", bound=Callable[..., object])
DrawT = TypeVar("DrawT", bound=DrawFunction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the evaluation cascade, with its limits.

    Attributes:
        timeout_s: Wall seconds for the candidate's whole life in this stage, import included.
        timeout_of: How they follow from the parameters, where they do; `Problem.settle` applies it.
        memory_mb: Address space of the candidate, in MiB.
        cores: Cores the stage occupies.
        exclusive: Nothing else of the run evaluates meanwhile (for timing).
        pass_mark: Value of the first objective that a program must reach to go on.
        repeats: For scores with noise: so many measurements, whose mean counts; fewer in training
            for a program that is clearly behind its parent.
    """

    name: str
    function: StageFunction
    timeout_s: float = 10.0
    timeout_of: Callable[[Parameters], float] | None = None
    memory_mb: int = 1024
    cores: int = 1
    exclusive: bool = False
    pass_mark: Number | None = None
    repeats: int = 1

    def takes(self, name: str) -> bool:
        """Whether its function is given this parameter: it need not take those it does not use."""
        code = self.function.__code__
        takes_any = bool(code.co_flags & 0x08)
        return takes_any or name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def settled(self, parameters: Parameters) -> Stage:
        if self.timeout_of is None:
            return self
        return replace(self, timeout_s=self.timeout_of(parameters), timeout_of=None)


def _timed(
    function: Callable[..., object],
    timeout_s: Seconds,
    *,
    memory_mb: int,
    exclusive: bool,
    cores: int = 1,
    pass_mark: Number | None = None,
    repeats: int = 1,
) -> Stage:
    if type(repeats) is not int or repeats < 1:
        raise ProblemError(
            f"stage {function.__name__!r}: repeats = {repeats!r}, expected an integer from 1"
        )
    fixed = not callable(timeout_s)
    return Stage(
        name=function.__name__,
        function=function,  # type: ignore[arg-type]
        timeout_s=timeout_s if fixed else 0.0,  # type: ignore[arg-type]
        timeout_of=None if fixed else timeout_s,  # type: ignore[arg-type]
        memory_mb=memory_mb,
        cores=cores,
        exclusive=exclusive,
        pass_mark=pass_mark,
        repeats=repeats,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """An archive axis: [low, high] in `cells` equal cells, what lies outside in the outer ones."""

    name: str
    low: float
    high: float
    cells: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A published value: of which objective, by whom, from where, for which parameters."""

    value: Number
    who: str
    source: str
    date: str = ""
    objective: str | None = None
    when: Parameters = field(default_factory=dict)
    split: str = ""
    """What exactly was measured, where that differs from our own test set."""
    claimed: bool = False
    """Reported, but it does not pass the exact verifier (a tolerance was used), or nobody could
    check; shown, and never taken for the best known value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A computed reference: `function(seed=, split=, **parameters)` scores it on a draw."""

    name: str
    function: BaselineFunction


@dataclass(slots=True, kw_only=True)
class Problem:
    """A problem: what is asked, where search starts, and how a program is judged.

    Args:
        name: Its name, an identifier.
        statement: File in the folder with the text a person and a model read.
        contract: File with what the evolved code must know to be called rightly (types, shapes,
            dtypes, units, who calls it, how often, with what, how ties break, what may be done at
            import), or a function of the parameters that names it. Prompts hold it.
        measurement: How the score is measured (number and size of instances, noise): text, or a
            function of the parameters that gives it. Prompts hold it.
        seeds: Seed programs: files in the folder that hold EVOLVE-BLOCKs, or a function of the
            parameters that names them.
        objective: "min NAME" or "max NAME", or several; the first one leads.
        parameters: Names and defaults; a tuple of values means a choice, its first the default.
        shorthand: How `NAME:TEXT` fills parameters, e.g. "{n}x{m}x{p}".
        features: Axes of the archive besides the program's length, which is always there.
        records: Published values.
        known_bad: Programs in the folder (globs) that the stages must reject.
        driver: Trusted file that runs beside the candidate in its sandbox; it may hold no secret.
        requires: Distributions that candidates may import; like the next one a list, or a function
            of the parameters that gives it.
        preload: Modules imported before candidates are forked. A name that ends in ".py" is a
            trusted file of the folder, run once after the modules in the sandbox's server:
            programs import it by its stem, compiled functions and all. It may hold no secret.
        primitives: Names that tree mutation may use, e.g. "abs", "math.sqrt".
        verifier: The registered verifier that certificates of this problem name.
        certify: What a certificate holds: "test", the object of the test; or "best", the best that
            any evaluation of the run found, for objects whose value depends on no draw. Then the
            last stage, validation and test hand out their objects.
    """

    name: str
    statement: str
    seeds: Names
    objective: str | Sequence[str]
    contract: str | Callable[[Parameters], str] = ""
    measurement: str | Callable[[Parameters], str] = ""
    parameters: Parameters = field(default_factory=dict)
    shorthand: str = ""
    features: Sequence[Feature] = ()
    records: Sequence[Record] = ()
    known_bad: Sequence[str] = ()
    driver: str | None = None
    requires: Names = ()
    preload: Names = ()
    primitives: Sequence[str] = ()
    verifier: str | None = None
    certify: Literal["test", "best"] = "test"
    stages: list[Stage] = field(default_factory=list, init=False)
    validation_stage: Stage | None = field(default=None, init=False)
    test_stage: Stage | None = field(default=None, init=False)
    baselines: list[Baseline] = field(default_factory=list, init=False)
    drawing: DrawFunction | None = field(default=None, init=False)
    folder: Path = field(default=Path(), init=False)
    """Set by the loader."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        texts = [self.objective] if isinstance(self.objective, str) else self.objective
        return tuple(Objective.parse(text) for text in texts)

    def stage(
        self,
        *,
        timeout_s: Seconds = 10.0,
        memory_mb: int = 1024,
        cores: int = 1,
        exclusive: bool = False,
        pass_mark: Number | None = None,
        repeats: int = 1,
    ) -> Callable[[F], F]:
        """Adds a training stage; stages run in the order they are defined."""

        def add(function: F) -> F:
            self.stages.append(
                _timed(
                    function,
                    timeout_s,
                    memory_mb=memory_mb,
                    cores=cores,
                    exclusive=exclusive,
                    pass_mark=pass_mark,
                    repeats=repeats,
                )
            )
            return function

        return add

    def validation(
        self,
        *,
        timeout_s: Seconds = 30.0,
        memory_mb: int = 1024,
        exclusive: bool = False,
        repeats: int = 1,
    ) -> Callable[[F], F]:
        """Sets the evaluation on fresh draws that picks champions."""

        def add(function: F) -> F:
            self.validation_stage = _timed(
                function, timeout_s, memory_mb=memory_mb, exclusive=exclusive, repeats=repeats
            )
            return function

        return add

    def test(
        self,
        *,
        timeout_s: Seconds = 60.0,
        memory_mb: int = 1024,
        exclusive: bool = False,
        repeats: int = 1,
    ) -> Callable[[F], F]:
        """Sets the evaluation that is drawn at the end and scored once."""

        def add(function: F) -> F:
            self.test_stage = _timed(
                function, timeout_s, memory_mb=memory_mb, exclusive=exclusive, repeats=repeats
            )
            return function

        return add

    def baseline(self, name: str) -> Callable[[F], F]:
        """Adds a computed reference; it gets the same keywords as a stage, without a candidate."""

        def add(function: F) -> F:
            self.baselines.append(Baseline(name=name, function=function))  # type: ignore[arg-type]
            return function

        return add

    def settle(self, parameters: Parameters) -> None:
        """Fixes the limits and modules that follow from the parameters.

        Raises:
            ProblemError: a function refuses these parameters, or a library's name is no module's.
        """
        self.requires = _settled(self.requires, parameters)
        self.preload = _settled(self.preload, parameters)
        for name in self.library:
            if not name.isidentifier():
                raise ProblemError(f"{self.name}: preload {name + '.py'!r} is not a module's name")
        self.stages = [stage.settled(parameters) for stage in self.stages]
        if self.validation_stage is not None:
            self.validation_stage = self.validation_stage.settled(parameters)
        if self.test_stage is not None:
            self.test_stage = self.test_stage.settled(parameters)

    def draw(self, function: DrawT) -> DrawT:
        """Sets how the object found is drawn: `function(artifact) -> str`, an SVG picture.

        `artifact` is the test's artifact as the certificate's JSON has it. The text must be what
        `evolve.picture.checked` takes: shapes and words, no scripts, styles or links.
        """
        self.drawing = function
        return function

    def seed_files(self, parameters: Parameters) -> list[str]:
        """Names of the seed programs for these parameters."""
        return list(_settled(self.seeds, parameters))

    def contract_file(self, parameters: Parameters) -> str:
        """The file with the contract for these parameters; "" where there is none."""
        return self._text_for("contract", self.contract, parameters)

    def contract_text(self, parameters: Parameters) -> str:
        """The contract for these parameters; "" where there is none."""
        file = self.contract_file(parameters)
        return self.read(file) if file else ""

    def measurement_text(self, parameters: Parameters) -> str:
        """How the score is measured with these parameters; "" where nobody said."""
        return self._text_for("measurement", self.measurement, parameters)

    def _text_for(
        self, what: str, given: str | Callable[[Parameters], str], parameters: Parameters
    ) -> str:
        try:
            text = given(parameters) if callable(given) else given
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            raise ProblemError(f"{self.name}: {what}: {type(error).__name__}: {error}") from None
        if not isinstance(text, str):
            raise ProblemError(f"{self.name}: {what} is {type(text).__name__}, expected text")
        return text

    def check(self) -> None:
        """What can be said without running anything.

        Raises:
            ProblemError: the definition contradicts itself or names files that are not there.
        """
        if not self.name.isidentifier():
            raise ProblemError(f"problem name {self.name!r} is not an identifier")
        if not self.stages:
            raise ProblemError(
                f"{self.name}: no stage; decorate one function with @problem.stage()"
            )
        names = [stage.name for stage in self.stages]
        for name in names:
            if names.count(name) > 1:
                raise ProblemError(f"{self.name}: two stages are named {name!r}")
        if not self.objectives:
            raise ProblemError(f"{self.name}: no objective; write e.g. objective='max size'")
        self.read(self.statement)
        if self.driver is not None:
            self.read(self.driver)

    @property
    def preloaded_modules(self) -> list[str]:
        return [name for name in _known(self.preload) if not name.endswith(".py")]

    @property
    def required_distributions(self) -> list[str]:
        return list(_known(self.requires))

    @property
    def library(self) -> dict[str, str]:
        """Sources of the folder's files that are preloaded, by module name."""
        return {
            name.removesuffix(".py"): self.read(name)
            for name in _known(self.preload)
            if name.endswith(".py")
        }

    def known_bad_files(self) -> list[Path]:
        """Programs that the stages must reject."""
        return sorted({path for pattern in self.known_bad for path in self.folder.glob(pattern)})

    def known_records(self, parameters: Parameters) -> list[Record]:
        """The records that speak of these parameters."""
        return [
            record
            for record in self.records
            if all(parameters.get(name) == value for name, value in record.when.items())
        ]

    def read(self, file: str) -> str:
        """The text of one file of the problem's folder."""
        try:
            return (self.folder / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProblemError(f"{self.name}: cannot read {self.folder / file}: {error}") from error

    def resolve(
        self, shorthand: str = "", settings: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        """The parameters with defaults, shorthand and `--set` applied, types checked."""
        chosen: dict[str, str] = {}
        if shorthand:
            if not self.shorthand:
                raise ProblemError(f"{self.name} takes no shorthand, but ':{shorthand}' was given")
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(self.shorthand))
            match = re.fullmatch(pattern, shorthand)
            if match is None:
                raise ProblemError(
                    f"{self.name}:{shorthand}: expected {self.name}:{self.shorthand}"
                )
            chosen.update(match.groupdict())
        chosen.update(settings or {})
        for name in chosen:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ProblemError(f"{self.name} has no parameter {name!r}; it has: {known}")
        return {
            name: _value(self.name, name, default, chosen.get(name))
            for name, default in self.parameters.items()
        }


def _settled(names: Names, parameters: Parameters) -> Sequence[str]:
    return names(parameters) if callable(names) else names


def _known(names: Names) -> Sequence[str]:
    assert not callable(names), "Problem.settle was not called"
    return names


def _value(problem: str, name: str, default: object, text: str | None) -> object:
    if isinstance(default, tuple):
        if text is None:
            return default[0]
        for choice in default:
            if str(choice) == text:
                return choice
        raise ProblemError(f"{problem}: {name}={text} is none of {', '.join(map(str, default))}")
    if text is None:
        return default
    try:
        match default:
            case bool():
                return {"true": True, "false": False}[text.lower()]
            case int():
                return int(text)
            case float() if isfinite(float(text)):
                return float(text)
            case float():
                raise ValueError
            case _:
                return text
    except (ValueError, KeyError):
        raise ProblemError(
            f"{problem}: {name}={text} is not {type(default).__name__}, as its default {default} is"
        ) from None
