"""The best object of a run, where the object itself is the result and its value no draw's.

A search finds a scheme of 47 products once, and not again in the time of the test. So the best
object that any evaluation handed out is kept, in the transaction that stores its verdict, with the
program that found it; `Problem.certify` says which problems want that. What a banned program found
does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from evolve.problem import Objective
from islands_db import Store, Verdict

KEY = "object"
"""Under which a run keeps it among its own values."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An object (JSON text), its exact value as text, and the hash of the program that found it.

    `direction` is "min" or "max".
    """

    program: str
    value: str
    direction: str
    artifact: str
    split: str


def best(*metas: Mapping[str, object]) -> Found | None:
    """The best object of runs of one problem, from their own values; of equals the first."""
    stored = [meta[KEY] for meta in metas if KEY in meta]
    found = [msgspec.convert(one, Found) for one in stored]
    if not found:
        return None
    choose = max if found[0].direction == "max" else min
    return choose(found, key=lambda one: Fraction(one.value))


def kept(store: Store) -> Found | None:
    """The best object of a run; None where there is none, or its program has been banned since."""
    found = best(store.meta)
    return None if found is None or _banned(store, found.program) else found


def keep(store: Store, objective: Objective, program: str, verdict: Verdict, artifact: str) -> None:
    """Keeps an object if it is better than what is kept; of equals the first stays.

    To be called in the transaction that stores the verdict.
    """
    value = verdict.exact.get(objective.name)
    if not artifact or value is None:
        return
    before = kept(store)
    if before is not None and not objective.better(Fraction(value), Fraction(before.value)):
        return
    if not _banned(store, program):
        found = Found(
            program=program, value=value, direction=objective.direction, artifact=artifact,
            split=verdict.split,
        )  # fmt: skip
        store.set_meta(KEY, msgspec.to_builtins(found))


def _banned(store: Store, program: str) -> bool:
    number = store.known(program, program)
    return number is not None and store.banned(number)
