"""What programs are measured by: objectives in their own sign, and the scores that stages give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from math import isfinite

from evolve.errors import ProblemError

Number = int | float | Fraction


class SplitKind(StrEnum):
    """The three disjoint sets: training searches, validation picks, test publishes."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


MOST_CASES = 1_000
"""Test cases of a score; whoever has more gives the means of groups."""

_KEYWORDS = ("artifact", "feedback", "features", "metrics", "cases")
"""Of a `Score`, with a meaning of their own; no objective can be called so."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective in its own sign and unit; `direction` is "min" or "max"."""

    name: str
    direction: str

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Reads "min excess_percent" or "max size"."""
        match text.split() if isinstance(text, str) else ():
            case [("min" | "max"), name] if name in _KEYWORDS:
                raise ProblemError(f"objective {text!r}: Score's {name!r} is something else")
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


class Score:
    """What a stage returns for a valid candidate: `Score(rank=23, artifact=found)`.

    Keywords that name an objective of the problem are its values; all others are metrics.

    Args:
        artifact: The object found, as plain data; kept only where a certificate needs it.
        feedback: Text for the next prompt.
        features: Values of the problem's declared features, by name.
        metrics: Further figures by name.
        cases: What the first objective is in each test case or instance, as many numbers and in the
            same order for every program, each better in the direction of the objective. They decide
            whom the search starts from, never how good a program is.

    Raises:
        ValueError: a value is not a finite int, float or Fraction, or there are too many cases.
    """

    __slots__ = ("artifact", "cases", "features", "feedback", "values")

    def __init__(
        self,
        *,
        artifact: object = None,
        feedback: str = "",
        features: Mapping[str, float] | None = None,
        metrics: Mapping[str, Number] | None = None,
        cases: Iterable[Number] = (),
        **values: Number,
    ) -> None:
        if not isinstance(feedback, str):
            raise ValueError(f"feedback is {type(feedback).__name__}, expected text")
        self.artifact = artifact
        self.feedback = feedback
        self.features = {k: float(_finite(k, v)) for k, v in (features or {}).items()}
        self.values = {k: _finite(k, v) for k, v in {**(metrics or {}), **values}.items()}
        if isinstance(cases, str | bytes | Mapping | Set) or getattr(cases, "ndim", 1) != 1:
            raise ValueError(f"score 'cases' is {type(cases).__name__}, expected a list of numbers")
        self.cases = tuple(_finite("cases", case) for case in islice(cases, MOST_CASES + 1))
        if len(self.cases) > MOST_CASES:
            raise ValueError(
                f"more than {MOST_CASES:,} cases, which cannot be kept: give means of groups"
            )

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
