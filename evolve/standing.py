"""Where a value stands against the known records: better than, equal to, or short of the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from evolve.problem import Number, Objective, Record


@dataclass(frozen=True, slots=True)
class Standing:
    """A value beside the best known one; `word` is "better than", "equal to" or "short of"."""

    objective: str
    word: str
    best: Record


def standings(
    objectives: Iterable[Objective],
    values: Mapping[str, Number],
    records: Iterable[Record],
) -> list[Standing]:
    """One standing for every objective that has both a value and a record that counts.

    Records that are only claimed, or measured otherwise (`split`), take no part.
    """
    found = []
    records = [record for record in records if not record.claimed and not record.split]
    for position, objective in enumerate(objectives):
        fitting = [
            record
            for record in records
            if record.objective == objective.name or (record.objective is None and position == 0)
        ]
        if objective.name not in values or not fitting:
            continue
        best = fitting[0]
        for record in fitting[1:]:
            if objective.better(Fraction(record.value), Fraction(best.value)):
                best = record
        value = values[objective.name]
        found.append(Standing(objective.name, compared(objective, value, best), best))
    return found


def compared(objective: Objective, value: Number, record: Record) -> str:
    """How a value compares with a record, in the digits that were published.

    A record of 2.635983 is met by everything that rounds or is cut to it: whoever printed it
    had more digits, and they are not known.
    """
    known = Fraction(record.value)
    if abs(Fraction(value) - known) < _last_digit(record.value):
        return "equal to"
    return "better than" if objective.better(Fraction(value), known) else "short of"


def _last_digit(value: Number) -> Fraction:
    """One in the last decimal of a printed value; for integers and unprintable ones a hair."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return Fraction(1, 10**9)
    for places in range(1, 20):
        if 10**places % exact.denominator == 0:
            return Fraction(1, 10**places)
    return Fraction(1, 10**20)
