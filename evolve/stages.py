"""A step of the evaluation cascade: its trusted function, its limits, what it sees of a program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Protocol

from evaluators import Invalid
from evolve.errors import ProblemError
from evolve.parameters import Parameters
from evolve.scores import Number, Score

Seconds = float | Callable[[Parameters], float]
"""A limit, or how it follows from the parameters."""


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
        known = _parameters(self.function)
        return name in known or any(p.kind is p.VAR_KEYWORD for p in known.values())

    def settled(self, parameters: Parameters) -> Stage:
        """The stage with its limit as it follows from the parameters.

        Raises:
            ProblemError: the limit's function refuses them, or gives no limit.
        """
        if self.timeout_of is None:
            return self
        try:
            seconds = self.timeout_of(parameters)
        except ProblemError:
            raise
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            why = f"{type(error).__name__}: {error}"
            raise ProblemError(f"stage {self.name!r}: timeout_s: {why}") from None
        _check_seconds(self.name, seconds)
        return replace(self, timeout_s=seconds, timeout_of=None)

    def check(self, parameters: Parameters) -> None:
        """Whether its function can be called with a candidate, a seed and these parameters.

        Raises:
            ProblemError: it asks for something else.
        """
        given = ["seed", *parameters]
        asked = iter(inspect.signature(self.function).parameters.values())
        first = next(asked, None)
        if first is None or first.kind not in _BY_POSITION:
            raise ProblemError(f"stage {self.name!r} takes no candidate; write it first")
        for one in asked:
            if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
                continue
            if one.kind is one.POSITIONAL_ONLY or (
                one.name not in given and one.default is one.empty
            ):
                raise ProblemError(
                    f"stage {self.name!r} asks for {one.name!r}; stages are given by name: "
                    + ", ".join(given)
                )


@lru_cache(maxsize=256)
def _parameters(function: StageFunction) -> Mapping[str, inspect.Parameter]:
    """Asked for in every evaluation."""
    return inspect.signature(function).parameters


_BY_POSITION = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def limited(
    function: Callable[..., object],
    timeout_s: Seconds,
    *,
    memory_mb: int,
    exclusive: bool,
    cores: int = 1,
    pass_mark: Number | None = None,
    repeats: int = 1,
) -> Stage:
    """A function with its limits, as a stage.

    Raises:
        ProblemError: it is no plain function, or a limit is none.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise ProblemError(f"stage {name!r}: expected a plain function, without async")
    for what, value in (("memory_mb", memory_mb), ("cores", cores), ("repeats", repeats)):
        if type(value) is not int or value < 1:
            raise ProblemError(f"stage {name!r}: {what} = {value!r}, expected an integer from 1")
    if pass_mark is not None and (
        isinstance(pass_mark, bool) or not isinstance(pass_mark, int | float | Fraction)
    ):
        raise ProblemError(f"stage {name!r}: pass_mark = {pass_mark!r}, expected a number")
    fixed = not callable(timeout_s)
    if fixed:
        _check_seconds(name, timeout_s)
    return Stage(
        name=name,
        function=function,
        timeout_s=timeout_s if fixed else 0.0,  # type: ignore[arg-type]
        timeout_of=None if fixed else timeout_s,  # type: ignore[arg-type]
        memory_mb=memory_mb,
        cores=cores,
        exclusive=exclusive,
        pass_mark=pass_mark,
        repeats=repeats,
    )


def _check_seconds(stage: str, seconds: object) -> None:
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 < seconds < float("inf")
    ):
        raise ProblemError(f"stage {stage!r}: timeout_s = {seconds!r}, expected seconds above 0")
