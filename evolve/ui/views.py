"""What each view of the page shows, as plain data; values are in the objective's own sign.

Texts are as they were written: `app` makes every one of them inert on its way out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from evolve import picture
from evolve.diff import unified
from evolve.lineage import Leap, Step, leap, steps, value_in
from evolve.problem import SplitKind
from evolve.program import Program
from evolve.prompts.stored import prompts_of
from evolve.status import Reference
from evolve.watched import Watched
from islands_db import Cells, Reader, StoredProgram, StoreError
from islands_db.grid import LENGTH_CELLS

DOTS = 1500
"""So many programs are dots in a curve; of more a spread is drawn."""
TREE = 20_000
"""So many programs a family tree holds: the best, with all they come from."""
STEPS = 300
_PAUSE_S = 600.0
_EVENTS = 40
_CHILDREN = 100
_OWN_EVENTS = ("best",)

Plain = dict[str, object]


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


def card(run: Watched) -> Plain:
    """One line of the list of runs."""
    with run.reading() as reader:
        meta, counts = reader.meta, reader.counts()
        champion = run.champion()
        status = run.status()
        return {
            "name": run.folder.name,
            "problem": meta.get("problem"),
            "state": _state(reader, status),
            "live": status is not None,
            "objective": asdict(run.objective),
            "evaluated": counts.evaluated,
            "best": _value_at(run, champion),
            "validation": run.validated.get(champion or 0),
            "cost_usd": counts.cost_usd,
            "created": meta.get("created"),
            "elapsed_s": meta.get("elapsed_s"),
        }


def overview(run: Watched) -> Plain:
    """The run's figures, its curve, and what was done to it."""
    status = run.status()
    with run.reading() as reader:
        meta, counts = reader.meta, reader.counts()
        champion = run.champion()
        events = [e for e in reader.events() if e.kind not in _OWN_EVENTS][-_EVENTS:]
        return {
            "name": run.folder.name,
            "problem": meta.get("problem"),
            "parameters": meta.get("parameters", {}),
            "objective": asdict(run.objective),
            "state": _state(reader, status),
            "status": status,
            "unsafe": meta.get("unsafe") is True,
            "budget": meta.get("budget"),
            "hint": meta.get("hint", ""),
            "asks_models": bool(_config(meta).get("llm")),
            "created": meta.get("created"),
            "elapsed_s": meta.get("elapsed_s"),
            "counts": {
                "attempts": counts.attempts,
                "pending": counts.pending,
                "evaluated": counts.evaluated,
                "programs": counts.programs,
                "cost_usd": counts.cost_usd,
                "fates": {fate.value: count for fate, count in counts.fates.items()},
            },
            "champion": None if champion is None else standing(run, reader, champion),
            "curve": _curve(run),
            "references": [asdict(r) for r in _references(meta)],
            "proposers": _proposers(run, reader),
            "spending": {name: asdict(spent) for name, spent in reader.spending().items()},
            "events": [
                {"kind": e.kind, "created": e.created, "data": e.data} for e in reversed(events)
            ],
            "picture": _picture(run),
        }


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
            "programs": [_line(run, int(row)) for row in shown],
        }


def tree(run: Watched) -> Plain:
    """The family as columns: parents before children, the best with all they come from."""
    with run.reading():
        table = run.programs.table
        rows = _with_ancestors(run, TREE) if len(table) > TREE else np.arange(len(table))
        values = run.values[rows]
        champion = run.champion()
        return {
            "objective": asdict(run.objective),
            "total": len(table),
            "champion": champion,
            "line": _line_of(run, champion),
            "banned": sorted(run.banned),
            "proposers": list(run.programs.proposers),
            "operators": list(run.programs.operators),
            "columns": {
                "id": table["id"][rows].tolist(),
                "parent": table["parent"][rows].tolist(),
                "generation": table["generation"][rows].tolist(),
                "island": table["island"][rows].tolist(),
                "proposer": table["proposer"][rows].tolist(),
                "operator": table["operator"][rows].tolist(),
                "rung": table["rung"][rows].tolist(),
                "value": [None if np.isnan(v) else v for v in values.tolist()],
            },
        }


def program(run: Watched, name: str) -> Plain:
    """One program with all that is known of it. `name` is as on the command line.

    Raises:
        StoreError: there is no such program.
    """
    with run.reading() as reader:
        champion = run.champion()
        named = champion if name == "champion" and champion is not None else reader.find(name)
        found = reader.program(named)
        proposal = reader.proposals(attempt=found.attempt)[0]
        files, before = _files(reader, found.id), _files(reader, found.parent)
        line = reader.lineage(found.id)
        path = _path(run, reader, line)
        turn = leap(path, run.objective)
        children = reader.children(found.id) if reader.offspring(found.id) <= _CHILDREN else []
        return {
            **_line(run, run.row(found.id)),
            "objective": asdict(run.objective),
            "champion": champion == found.id,
            "hash": found.hash,
            "attempt": found.attempt,
            "created": found.created,
            "inspirations": found.inspirations,
            "test": value_in(found.verdicts, SplitKind.TEST, run.objective),
            "reason": proposal.reason,
            "cost_usd": proposal.cost_usd,
            "propose_s": proposal.propose_s,
            "files": files,
            "dropped": not files,
            "diff": unified(Program.of(before), Program.of(files)) if before and files else "",
            "proposal": found.diff,
            "prompts": prompts_of(reader, proposal),
            "calls": [asdict(call) for call in reader.calls(attempt=found.attempt)],
            "verdicts": [asdict(verdict) for verdict in found.verdicts],
            "lineage": [_step(step) for step in path],
            "left_out": max(0, len(line) - len(path)),
            "leap": None if turn is None else _leap(turn),
            "offspring": reader.offspring(found.id),
            "children": [_line(run, run.row(child.id)) for child in children],
        }


def islands(run: Watched) -> Plain:
    """Each island's standing and best over time, what happened to them, and the archive's map."""
    with run.reading() as reader:
        table, counts = run.programs.table, reader.counts()
        populations = reader.populations()
        every = np.cumsum(table["rung"] >= 0)
        top = int(table["rung"].max(initial=-1))
        found = []
        for number, island in enumerate(counts.islands):
            rows = np.flatnonzero((table["island"] == number) & (table["rung"] == top))
            rows = rows[~np.isnan(table["fitness"][rows])]
            best = np.maximum.accumulate(table["fitness"][rows])
            new = np.flatnonzero(np.diff(best, prepend=-np.inf) > 0)
            found.append(
                {
                    "size": island.size,
                    "cells": island.elites,
                    "best": island.best,
                    "value": None if island.best is None else _value_at(run, island.best),
                    "curve": [
                        [int(every[rows[i]]), float(run.sign * best[i])] for i in new.tolist()
                    ],
                    "population": (populations + [[]] * len(counts.islands))[number],
                }
            )
        return {
            "objective": asdict(run.objective),
            "evaluated": int(every[-1]) if len(every) else 0,
            "islands": found,
            "settings": msgspec.to_builtins(run.settings),
            "epochs": [
                {"settled": settled, "kind": kind, "island": island, "program": founder}
                for settled, kind, island, founder in reader.epochs()[-200:]
            ],
            "archive": _archive(run),
        }


def compared(runs: Sequence[Watched]) -> Plain:
    """The curves and figures of several runs beside each other, and how their settings differ."""
    found: list[Plain] = []
    settings: list[dict[str, str]] = []
    for run in runs:
        with run.reading() as reader:
            meta, counts, champion = reader.meta, reader.counts(), run.champion()
            settings.append(flat("", {**_config(meta), "problem": meta.get("problem")}))
            found.append(
                {
                    "name": run.folder.name,
                    "objective": asdict(run.objective),
                    "champion": None if champion is None else standing(run, reader, champion),
                    "evaluated": counts.evaluated,
                    "elapsed_s": meta.get("elapsed_s"),
                    "cost_usd": counts.cost_usd,
                    "curve": {**_curve(run), "dots": []},
                }
            )
    names = sorted({name for one in settings for name in one})
    return {
        "runs": found,
        "differences": [
            {"setting": name, "values": [one.get(name, "") for one in settings]}
            for name in names
            if len({one.get(name, "") for one in settings}) > 1
        ],
    }


def _state(reader: Reader, status: Mapping[str, object] | None) -> str:
    if status is not None:
        return str(status.get("phase"))
    counts = reader.counts()
    ended = reader.events("ended")
    if (ended and not counts.pending) or (ended and _last_is(reader, "ended")):
        return f"ended: {ended[-1].data.get('reason', '')}"
    return "not ended" if counts.attempts else "empty"


def _last_is(reader: Reader, kind: str) -> bool:
    events = reader.events()
    return bool(events) and events[-1].kind == kind


def _config(meta: Mapping[str, object]) -> Mapping[str, object]:
    config = meta.get("config")
    return config if isinstance(config, Mapping) else {}


def _references(meta: Mapping[str, object]) -> tuple[Reference, ...]:
    try:
        return msgspec.convert(meta.get("references", ()), tuple[Reference, ...])
    except msgspec.ValidationError:
        return ()


def _value_at(run: Watched, program: int | None) -> float | None:
    if program is None:
        return None
    fitness = float(run.programs.table["fitness"][run.row(program)])
    return None if np.isnan(fitness) else run.sign * fitness


def standing(run: Watched, reader: Reader, program: int) -> Plain:
    """A program's value in each split."""
    return {
        "id": program,
        "training": _value_at(run, program),
        "validation": run.validated.get(program),
        "test": value_in(reader.verdicts(program), SplitKind.TEST, run.objective),
    }


def _line(run: Watched, row: int) -> Plain:
    """A program as a row of a table."""
    one = run.programs.table[row]
    id, fitness = int(one["id"]), float(one["fitness"])
    return {
        "id": id,
        "parent": int(one["parent"]) or None,
        "value": None if np.isnan(fitness) else run.sign * fitness,
        "validation": run.validated.get(id),
        "rung": int(one["rung"]),
        "generation": int(one["generation"]),
        "island": int(one["island"]),
        "length": int(one["length"]),
        "proposer": run.programs.proposers[int(one["proposer"])],
        "operator": run.programs.operators[int(one["operator"])],
        "banned": id in run.banned,
    }


def _curve(run: Watched) -> Plain:
    """Best so far, dots, and validated programs as [evaluations, seconds, value, program]."""
    table, values = run.programs.table, run.values
    evaluated = np.cumsum(table["rung"] >= 0)
    settled = table["settled"]
    gaps = np.diff(settled, prepend=settled[:1])
    seconds = np.cumsum(np.where(gaps > _PAUSE_S, 0.0, np.maximum(gaps, 0.0)))
    scored = np.flatnonzero(~np.isnan(table["fitness"]))
    if len(scored) > DOTS:
        scored = scored[np.linspace(0, len(scored) - 1, DOTS).astype(int)]

    def points(rows: Sequence[int], shown: Mapping[int, float] | None = None) -> list[list[float]]:
        return [
            [
                int(evaluated[row]),
                round(float(seconds[row]), 3),
                float(values[row]) if shown is None else shown[int(table["id"][row])],
                int(table["id"][row]),
            ]
            for row in rows
        ]

    judged = [run.row(program) for program in sorted(run.validated)[-STEPS:]]
    return {
        "bests": points(run.bests),
        "dots": points(scored.tolist()),
        "validated": points(judged, run.validated),
        "end": [int(evaluated[-1]), round(float(seconds[-1]), 3)] if len(table) else [0, 0.0],
    }


def _proposers(run: Watched, reader: Reader) -> list[Plain]:
    table = run.programs.table
    won: dict[int, int] = {}
    for row in run.bests:
        won[int(table["proposer"][row])] = won.get(int(table["proposer"][row]), 0) + 1
    codes = {name: code for code, name in enumerate(run.programs.proposers)}
    return [
        {
            "name": name,
            "attempts": sum(tally.attempts for tally in fates.values()),
            "programs": sum(tally.programs for tally in fates.values()),
            "cost_usd": sum(tally.cost_usd for tally in fates.values()),
            "bests": won.get(codes.get(name, -1), 0),
        }
        for name, fates in reader.counts().proposers.items()
    ]


def _picture(run: Watched) -> str:
    """What was found as the problem draws it, as the address of an image; "" where there is none.

    As an image nothing in it can run, and it has been checked besides.
    """
    file = run.folder.picture
    try:
        if not file.is_file() or file.stat().st_size > picture.MAX_BYTES:
            return ""
        drawn = picture.checked(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, picture.PictureError):
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"


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
            shown = [run.sign * run.validated.get(int(id), np.nan) for id in table["id"][rows]]
            key = -np.nan_to_num(np.array(shown, dtype=np.float64), nan=-np.inf)
        case "proposer" | "operator":
            names = getattr(run.programs, f"{query.sort}s")
            places = np.argsort(np.argsort(np.array([name.casefold() for name in names])))
            key = places[table[query.sort][rows]].astype(np.float64)
        case _:
            key = table[query.sort][rows].astype(np.float64)
    return np.lexsort((table["id"][rows], -key if query.descending else key))


def _with_ancestors(run: Watched, most: int) -> NDArray[np.int64]:
    """Rows of the best programs and of all they come from, at most about so many."""
    table = run.programs.table
    fitness = np.nan_to_num(table["fitness"], nan=-np.inf)
    above = np.where(table["parent"], np.searchsorted(table["id"], table["parent"]), -1).tolist()
    kept: set[int] = set()
    for row in np.lexsort((-fitness, -table["rung"])).tolist():
        if len(kept) >= most:
            break
        while 0 <= row < len(above) and row not in kept:
            kept.add(row)
            row = above[row]
    return np.array(sorted(kept), dtype=np.int64)


def _line_of(run: Watched, program: int | None) -> list[int]:
    line: list[int] = []
    while program:
        line.append(program)
        parent = int(run.programs.table["parent"][run.row(program)])
        program = parent if parent < program else None  # in a sound run it always is
    return line[::-1]


def _files(reader: Reader, program: int | None) -> dict[str, str]:
    """A program's files; none where its text was dropped to save room."""
    try:
        return {} if program is None else reader.files(program)
    except StoreError:
        return {}


def _path(run: Watched, reader: Reader, line: Sequence[StoredProgram]) -> list[Step]:
    """The steps of a line; none where a text on it was dropped."""
    try:
        return steps(reader, run.objective, _ends(line))
    except StoreError:
        return []


def _ends(line: Sequence[StoredProgram]) -> list[StoredProgram]:
    """The line, or where it is very long its beginning and its end."""
    if len(line) <= STEPS:
        return list(line)
    return [*line[: STEPS // 2], *line[-STEPS // 2 :]]


def _step(step: Step) -> Plain:
    return {
        "id": step.program.id,
        "by": step.by,
        "added": step.added,
        "removed": step.removed,
        "training": step.training,
        "training_gain": step.training_gain,
        "validation": step.validation,
        "validation_gain": step.validation_gain,
    }


def _leap(turn: Leap) -> Plain:
    return {
        "id": turn.step.program.id,
        "by": turn.step.by,
        "before": turn.before,
        "after": turn.after,
    }


@dataclass(frozen=True, slots=True)
class _Axis:
    name: str
    low: float | None
    high: float | None
    cells: int


def _archive(run: Watched) -> Plain | None:
    """The best program of each cell on the last two axes, over all islands and other axes.

    None where nothing is in a cell yet. Cells of a `cvt` archive have no axes: they are one row.
    """
    table, settings = run.programs.table, run.settings
    rows = np.flatnonzero((table["cell"] >= 0) & ~np.isnan(table["fitness"]))
    if run.banned:
        rows = rows[~np.isin(table["id"][rows], list(run.banned))]
    if not len(rows):
        return None
    if settings.cells is Cells.CVT:
        axes = [_Axis("nearest centroid", None, None, settings.centroids)]
    else:
        axes = [_Axis(a.name, a.low, a.high, a.cells) for a in settings.axes]
        if not any(axis.name == "length" for axis in axes):
            axes.insert(0, _Axis("length in half octaves", None, None, LENGTH_CELLS))
    wide, high = axes[-1], axes[-2] if len(axes) > 1 else None
    cells = table["cell"][rows]
    place = cells % wide.cells
    if high is not None:
        place = place + wide.cells * ((cells // wide.cells) % high.cells)
    order = np.lexsort((-rows, table["fitness"][rows], table["rung"][rows]))
    best = dict(zip(place[order].tolist(), rows[order].tolist(), strict=True))
    return {
        "across": asdict(wide),
        "up": None if high is None else asdict(high),
        "others": [axis.name for axis in axes[:-2]],
        "cells": [
            [cell % wide.cells, cell // wide.cells, float(run.values[row]), int(table["id"][row])]
            for cell, row in sorted(best.items())
        ],
    }


def flat(prefix: str, value: object) -> dict[str, str]:
    """Nested settings as names with dots."""
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= flat(f"{prefix}.{key}" if prefix else str(key), inner)
        return found
    return {prefix: str(value)}
