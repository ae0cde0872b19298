"""What a user writes: a `Problem` with its seeds, stages, objectives, records and fixtures.

A problem is a plain Python object that a folder's `problem.py` defines. Stages are trusted: they
run in a worker, drive the candidate in its sandbox, and judge the data it hands over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from evaluators import Invalid
from evolve import parameters as parameter
from evolve.errors import ProblemError
from evolve.parameters import Parameters
from evolve.probes import Probe
from evolve.scores import Number, Objective, Score, SplitKind
from evolve.stages import CandidateHandle, Seconds, Stage, limited

__all__ = [
    "Baseline", "CandidateHandle", "Feature", "Number", "Objective", "Parameters", "Probe",
    "Problem", "ProblemError", "Record", "Score", "SplitKind", "Stage",
]  # fmt: skip

Names = Sequence[str] | Callable[[Parameters], Sequence[str]]
"""A list, or how it follows from the parameters."""
BaselineFunction = Callable[..., "Score | Invalid"]
DrawFunction = Callable[[object], str]
F = TypeVar("F", bound=Callable[..., object])
DrawT = TypeVar("DrawT", bound=DrawFunction)
T = TypeVar("T")


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
    """The parameters it speaks of: a value each, or a test of the value."""
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


def _is_meant(value: object, meant: object) -> bool:
    return bool(meant(value)) if callable(meant) else value == meant


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
        probe: What the training stage asks, if it is one function of numbers; or a function of the
            parameters that gives it, or None. Children of tree mutation that would behave as a
            known program are then not evaluated.
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
    probe: Probe | Callable[[Parameters], Probe | None] | None = None
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
        function: None = None,
        /,
        *,
        timeout_s: Seconds = 10.0,
        memory_mb: int = 1024,
        cores: int = 1,
        exclusive: bool = False,
        pass_mark: Number | None = None,
        repeats: int = 1,
    ) -> Callable[[F], F]:
        """Adds a training stage; stages run in the order they are defined."""
        _called("stage", function)

        def add(function: F) -> F:
            self.stages.append(
                limited(
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
        function: None = None,
        /,
        *,
        timeout_s: Seconds = 30.0,
        memory_mb: int = 1024,
        exclusive: bool = False,
        repeats: int = 1,
    ) -> Callable[[F], F]:
        """Sets the evaluation on fresh draws that picks champions."""
        _called("validation", function, self.validation_stage)

        def add(function: F) -> F:
            self.validation_stage = limited(
                function, timeout_s, memory_mb=memory_mb, exclusive=exclusive, repeats=repeats
            )
            return function

        return add

    def test(
        self,
        function: None = None,
        /,
        *,
        timeout_s: Seconds = 60.0,
        memory_mb: int = 1024,
        exclusive: bool = False,
        repeats: int = 1,
    ) -> Callable[[F], F]:
        """Sets the evaluation that is drawn at the end and scored once."""
        _called("test", function, self.test_stage)

        def add(function: F) -> F:
            self.test_stage = limited(
                function, timeout_s, memory_mb=memory_mb, exclusive=exclusive, repeats=repeats
            )
            return function

        return add

    def baseline(self, name: str) -> Callable[[F], F]:
        """Adds a computed reference; it gets the same keywords as a stage, without a candidate."""
        if not isinstance(name, str):
            raise ProblemError('write @problem.baseline("NAME"), with the name it is shown by')

        def add(function: F) -> F:
            self.baselines.append(Baseline(name=name, function=function))  # type: ignore[arg-type]
            return function

        return add

    @property
    def every_stage(self) -> list[Stage]:
        """The training stages in their order, then validation and test where there are such."""
        further = [self.validation_stage, self.test_stage]
        return [*self.stages, *(stage for stage in further if stage is not None)]

    def settle(self, parameters: Parameters) -> None:
        """Fixes the limits, modules and probe that follow from the parameters.

        Raises:
            ProblemError: a function refuses these parameters, or a library's name is no module's.
        """
        self.requires = self._names("requires", self.requires, parameters)
        self.preload = self._names("preload", self.preload, parameters)
        for name in self.library:
            if not name.isidentifier():
                raise ProblemError(f"{self.name}: preload {name + '.py'!r} is not a module's name")
        self.probe = self._settled_probe(parameters)
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
        return self._names("seeds", self.seeds, parameters)

    def contract_file(self, parameters: Parameters) -> str:
        """The file with the contract for these parameters; "" where there is none."""
        return self._text("contract", self.contract, parameters)

    def contract_text(self, parameters: Parameters) -> str:
        """The contract for these parameters; "" where there is none."""
        file = self.contract_file(parameters)
        return self.read(file) if file else ""

    def measurement_text(self, parameters: Parameters) -> str:
        """How the score is measured with these parameters; "" where nobody said."""
        return self._text("measurement", self.measurement, parameters)

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
            if all(_is_meant(parameters.get(name), value) for name, value in record.when.items())
        ]

    def read(self, file: str) -> str:
        """The text of one file of the problem's folder."""
        path = self.folder / file
        if path.is_fifo() or path.is_char_device():  # reading one may never end
            raise ProblemError(f"{self.name}: {path} is not a file")
        try:
            return path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
        except UnicodeDecodeError as error:
            raise ProblemError(f"{self.name}: {path} is not UTF-8 text: {error.reason}") from error
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ProblemError(f"{self.name}: cannot read {path}: {why}") from error

    def resolve(
        self, shorthand: str = "", settings: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        """The parameters with defaults, shorthand and `--set` applied, types checked."""
        return parameter.chosen(
            self.name,
            self.parameters,
            pattern=self.shorthand,
            shorthand=shorthand,
            settings=settings,
        )

    def _names(self, what: str, given: Names, parameters: Parameters) -> list[str]:
        names = self._given(what, given, parameters)
        fine = isinstance(names, Sequence) and not isinstance(names, str)
        if not fine or not all(isinstance(name, str) for name in names):
            raise ProblemError(f"{self.name}: {what} is {names!r:.60}, expected a list of texts")
        return list(names)

    def _settled_probe(self, parameters: Parameters) -> Probe | None:
        probe = self._given("probe", self.probe, parameters)
        if probe is None:
            return None
        if not isinstance(probe, Probe):
            raise ProblemError(f"{self.name}: probe is {probe!r:.60}, expected a Probe(...)")
        if probe.stage not in (stage.name for stage in self.stages):
            raise ProblemError(f"{self.name}: probe: no training stage {probe.stage!r}")
        try:
            probe.check()
        except ProblemError as error:
            raise ProblemError(f"{self.name}: {error}") from None
        return probe

    def _text(
        self, what: str, given: str | Callable[[Parameters], str], parameters: Parameters
    ) -> str:
        text = self._given(what, given, parameters)
        if not isinstance(text, str):
            raise ProblemError(f"{self.name}: {what} is {type(text).__name__}, expected text")
        return text

    def _given(self, what: str, given: T | Callable[[Parameters], T], parameters: Parameters) -> T:
        """What was written down, or follows from the parameters."""
        if not callable(given):
            return given
        try:
            return given(parameters)
        except ProblemError:
            raise
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            raise ProblemError(f"{self.name}: {what}: {type(error).__name__}: {error}") from None


def _known(names: Names) -> Sequence[str]:
    assert not callable(names), "Problem.settle was not called"
    return names


def _called(name: str, function: object, earlier: Stage | None = None) -> None:
    """Whether a decorator was written as one, and once.

    Raises:
        ProblemError: it was not.
    """
    if function is not None:
        raise ProblemError(f"write @problem.{name}(), with parentheses")
    if earlier is not None:
        raise ProblemError(f"two functions are @problem.{name}(); one of them is to go")
