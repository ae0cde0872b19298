"""The best object of a run, where the object itself is the result and its value no draw's.

A search finds a scheme of 47 products once, and not again in the time of the test. So the best
object that any evaluation handed out is kept, in the transaction that stores its verdict, with the
program that found it; `Problem.certify` says which problems want that.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec

from evolve.problem import Objective
from islands_db import Store, Verdict

_KEY = "object"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An object (JSON text), its exact value as text, and the program that found it."""

    program: int
    value: str
    artifact: str
    split: str


def best(store: Store) -> Found | None:
    """The best object of the run so far."""
    stored = store.meta.get(_KEY)
    return None if stored is None else msgspec.convert(stored, Found)


def keep(store: Store, objective: Objective, program: int, verdict: Verdict, artifact: str) -> None:
    """Keeps an object if it is better than what is kept; of equals the first stays.

    To be called in the transaction that stores the verdict.
    """
    value = verdict.exact.get(objective.name)
    if not artifact or value is None:
        return
    before = best(store)
    if before is None or objective.better(Fraction(value), Fraction(before.value)):
        found = Found(program=program, value=value, artifact=artifact, split=verdict.split)
        store.set_meta(_KEY, msgspec.to_builtins(found))
