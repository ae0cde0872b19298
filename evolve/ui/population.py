"""The table of programs: filtered, searched, sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from evolve.ui.figures import Plain, line
from evolve.watched import Watched
from islands_db import Reader


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What of the population is asked for."""

    sort: Literal[
        "id", "value", "validation", "rung", "length", "generation", "island", "proposer",
        "operator", "parent",
    ] = "value"  # fmt: skip
    descending: bool = False
    show: Literal["all", "scored", "failed", "validated", "present", "banned"] = "all"
    proposer: str = ""
    island: int = -1
    search: str = ""
    offset: int = 0
    count: int = 50


def population(run: Watched, query: Query) -> Plain:
    """One page of the table of programs."""
    with run.reading() as reader:
        table = run.programs.table
        rows = np.flatnonzero(_kept(run, reader, query))
        ordered = rows[_order(run, rows, query)]
        first = max(0, query.offset)
        shown = ordered[first : first + max(0, min(query.count, 500))]
        return {
            "objective": asdict(run.objective),
            "total": len(table),
            "found": len(rows),
            "proposers": list(run.programs.proposers),
            "islands": int(table["island"].max(initial=-1)) + 1,
            "validates": bool(run.validated),
            "programs": [line(run, int(row)) for row in shown],
        }


def _kept(run: Watched, reader: Reader, query: Query) -> NDArray[np.bool_]:
    table = run.programs.table
    kept = np.ones(len(table), dtype=np.bool_)
    match query.show:
        case "scored":
            kept &= ~np.isnan(table["fitness"])
        case "failed":
            kept &= np.isnan(table["fitness"])
        case "validated":
            kept &= np.isin(table["id"], list(run.validated))
        case "present":
            present = list(chain.from_iterable(reader.populations()))
            kept &= np.isin(table["id"], present)
        case "banned":
            kept &= np.isin(table["id"], list(run.banned))
    if query.proposer:
        kept &= np.isin(
            table["proposer"], _codes(run.programs.proposers, query.proposer, exact=True)
        )
    if query.island >= 0:
        kept &= table["island"] == query.island
    text = query.search.strip()
    if text:
        kept &= _matching(run, reader, text)
    return kept


def _matching(run: Watched, reader: Reader, text: str) -> NDArray[np.bool_]:
    """A number is a program's; what may be the start of a hash is; else who made it and how."""
    table, programs = run.programs.table, run.programs
    found = np.isin(table["operator"], _codes(programs.operators, text, exact=False))
    found |= np.isin(table["proposer"], _codes(programs.proposers, text, exact=False))
    if text.isascii() and text.isdigit() and len(text) < 18:
        found |= table["id"] == int(text)
    if len(text) >= 4 and all(c in "0123456789abcdef" for c in text.lower()):
        found |= np.isin(table["id"], reader.beginning_with(text))
    return found


def _codes(names: Sequence[str], text: str, *, exact: bool) -> list[int]:
    wanted = text.casefold()
    return [
        code
        for code, name in enumerate(names)
        if (name == text if exact else wanted in name.casefold())
    ]


def _order(run: Watched, rows: NDArray[np.int64], query: Query) -> NDArray[np.int64]:
    table = run.programs.table
    key: NDArray[np.float64]
    match query.sort:
        case "value":
            # as programs compare: first by the stages passed
            fitness = np.nan_to_num(table["fitness"][rows], nan=-np.inf)
            order = np.lexsort((table["id"][rows], -fitness, -table["rung"][rows]))
            return order[::-1] if query.descending else order
        case "validation":
            ids = table["id"][rows].tolist()
            shown = [run.sign * run.validated.get(id, np.nan) for id in ids]
            # as champions compare: first by the draws they were measured on
            draws = np.array([run.draws.get(id, 0) for id in ids])
            fitness = np.nan_to_num(np.array(shown, dtype=np.float64), nan=-np.inf)
            order = np.lexsort((table["id"][rows], -fitness, -draws))
            return order[::-1] if query.descending else order
        case "proposer" | "operator":
            names = getattr(run.programs, f"{query.sort}s")
            places = np.argsort(np.argsort(np.array([name.casefold() for name in names])))
            key = places[table[query.sort][rows]].astype(np.float64)
        case _:
            key = table[query.sort][rows].astype(np.float64)
    return np.lexsort((table["id"][rows], -key if query.descending else key))
