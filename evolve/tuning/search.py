"""Where to try next: CMA-ES for reals, TPE where there are integers and choices among them.

Ask and tell: what is proposed follows from the parameters, all that was told before, and a seed.

Sources: Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772 (package `cmaes`);
Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011 (package `optuna`, an
extra, imported where it is used).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from evolve.tuning.literals import TuneError
from evolve.tuning.parameters import Kind, Parameter

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Rank = tuple[int, float]
"""Rung and fitness: what programs are compared by, higher is better."""
WORST: Rank = (-1, 0.0)
"""Of a program that came to no score."""
_STEP = 0.3
"""First standard deviation in units of a parameter's scale."""


@dataclass(frozen=True, slots=True)
class Told:
    """Values that were tried, and what came of them."""

    values: tuple[float, ...]
    rank: Rank


class Search(Protocol):
    """A search over the values of some parameters."""

    def tell(self, told: Told) -> None:
        """Learns what came of values; they need not be ones it asked for."""

    def ask(self, seed: int) -> list[float]:
        """Values to try next, one for each parameter."""


def open_search(parameters: Sequence[Parameter]) -> Search:
    """The search that suits the parameters.

    Raises:
        TuneError: it needs a package that is not installed.
    """
    if all(parameter.kind is Kind.REAL for parameter in parameters):
        return Evolution(parameters)
    return Estimation(parameters)


def generation_of(count: int) -> int:
    """How many values CMA-ES tries before it learns, for so many parameters."""
    return 4 + int(3 * math.log(max(count, 2)))


class Evolution:
    """CMA-ES in units of the parameters' scales, a generation learnt whenever one is complete."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        from cmaes import CMA

        self._parameters = parameters
        self._start = np.array([self._coordinate(p, p.value) for p in parameters])
        bounds = [
            sorted((self._coordinate(p, p.low), self._coordinate(p, p.high))) for p in parameters
        ]
        # one coordinate that changes nothing stands in where there is a single parameter
        self._spare = len(parameters) == 1
        if self._spare:
            self._start = np.append(self._start, 0.0)
            bounds.append([-1e6, 1e6])
        self._size = generation_of(len(parameters))
        self._cma = CMA(
            mean=self._start,
            sigma=_STEP,
            bounds=np.array(bounds),
            population_size=self._size,
            seed=0,
        )
        self._generation: list[Told] = []

    def tell(self, told: Told) -> None:
        self._generation.append(told)
        if len(self._generation) < self._size:
            return
        order = {
            rank: -place for place, rank in enumerate(sorted({t.rank for t in self._generation}))
        }
        self._cma.tell([(self._point(t.values), float(order[t.rank])) for t in self._generation])
        self._generation = []

    def ask(self, seed: int) -> list[float]:
        self._cma.reseed_rng(seed % 2**32)
        found = self._cma.ask()
        return [
            self._value(parameter, float(coordinate))
            for parameter, coordinate in zip(self._parameters, found, strict=False)
        ]

    def _point(self, values: Sequence[float]) -> np.ndarray:
        point = [self._coordinate(p, v) for p, v in zip(self._parameters, values, strict=True)]
        return np.array([*point, 0.0] if self._spare else point)

    @staticmethod
    def _coordinate(parameter: Parameter, value: float) -> float:
        if parameter.log:
            return math.log(min(max(value, parameter.low), parameter.high)) / parameter.scale
        return value / parameter.scale

    @staticmethod
    def _value(parameter: Parameter, coordinate: float) -> float:
        if parameter.log:
            return math.exp(coordinate * parameter.scale)
        return coordinate * parameter.scale


class Estimation:
    """TPE over all kinds of parameters together."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        try:
            import optuna
        except ImportError:
            raise TuneError(
                "integers and choices are tuned with optuna, which is not installed: "
                "pip install 'evolve[tune]'"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        self._space = {str(i): _distribution(p) for i, p in enumerate(parameters)}
        self._parameters = parameters
        self._first = 2 * generation_of(len(parameters))
        self._study = optuna.create_study(direction="maximize")

    def tell(self, told: Told) -> None:
        values = {
            str(i): self._inside(p, v)
            for i, (p, v) in enumerate(zip(self._parameters, told.values, strict=True))
        }
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params=values, distributions=self._space, value=_figure(told.rank)
            )
        )

    def ask(self, seed: int) -> list[float]:
        # `trials` would copy every one of them, twice the cost of all the rest
        if len(self._study.get_trials(deepcopy=False)) < self._first:
            return _near(self._parameters, random.Random(seed))
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=seed % 2**32, multivariate=True, n_startup_trials=self._first
        )
        trial = self._study.ask(self._space)
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return [float(trial.params[str(i)]) for i in range(len(self._space))]

    @staticmethod
    def _inside(parameter: Parameter, value: float) -> bool | int | float:
        value = min(max(value, parameter.low), parameter.high)
        match parameter.kind:
            case Kind.CHOICE:
                return value >= 0.5
            case Kind.INTEGER:
                return round(value)
        return value


def _figure(rank: Rank) -> float:
    """One number that orders as ranks do, to about 13 digits of the fitness."""
    rung, fitness = rank
    return rung + math.asinh(fitness) / 1000 if math.isfinite(fitness) else float(rung) - 0.9


def _distribution(parameter: Parameter) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    match parameter.kind:
        case Kind.CHOICE:
            return CategoricalDistribution([False, True])
        case Kind.INTEGER:
            return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _near(parameters: Sequence[Parameter], rng: random.Random) -> list[float]:
    """A few of the values changed a little; the whole range is mostly bad ground."""
    values = [parameter.value for parameter in parameters]
    for i in rng.sample(range(len(values)), min(len(values), rng.choice((1, 1, 2, 3)))):
        parameter = parameters[i]
        match parameter.kind:
            case Kind.CHOICE:
                values[i] = 1.0 - values[i]
            case Kind.INTEGER:
                step = max(1, round(abs(rng.gauss(0.0, parameter.scale))))
                values[i] += rng.choice((-step, step))
            case Kind.REAL if parameter.log:
                values[i] *= math.exp(rng.gauss(0.0, _STEP * parameter.scale))
            case Kind.REAL:
                values[i] += rng.gauss(0.0, _STEP * parameter.scale)
    return values
