"""What the views of a run and of a program show, as plain data; values have the objective's sign.

Texts are as they were written: `app` makes every one of them inert on its way out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import msgspec
import numpy as np
from msgspec import structs

from evolve import picture
from evolve.config import flat
from evolve.diff import unified
from evolve.endings import ending
from evolve.lineage import Leap, Step, leap, steps, unvalidated, value_in
from evolve.problem import SplitKind
from evolve.program import Program
from evolve.prompts.stored import prompts_of
from evolve.status import Reference
from evolve.ui.figures import Plain, line, standing, value_at
from evolve.watched import Watched
from islands_db import Reader, StoredProgram, StoreError

DOTS = 1500
"""So many programs are dots in a curve; of more a spread is drawn."""
STEPS = 300
_PAUSE_S = 600.0
_EVENTS = 40
_CHILDREN = 100
_OWN_EVENTS = ("best",)


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
            "best": value_at(run, champion),
            "validation": run.validated.get(champion or 0),
            "unvalidated": unvalidated(reader),
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
                "ran": counts.ran,
                "programs": counts.programs,
                "cost_usd": counts.cost_usd,
                "fates": {fate.value: count for fate, count in counts.fates.items()},
            },
            "champion": None if champion is None else standing(run, reader, champion),
            "unvalidated": unvalidated(reader),
            "curve": _curve(run),
            "references": [asdict(r) for r in _references(meta)],
            "proposers": _proposers(run, reader),
            "spending": {name: asdict(spent) for name, spent in reader.spending().items()},
            "events": [
                {"kind": e.kind, "created": e.created, "data": e.data} for e in reversed(events)
            ],
            "picture": _picture(run),
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
        ancestors = reader.lineage(found.id)
        path = _path(run, reader, ancestors)
        turn = leap(path, run.objective)
        children = reader.children(found.id) if reader.offspring(found.id) <= _CHILDREN else []
        return {
            **line(run, run.row(found.id)),
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
            "calls": [structs.asdict(call) for call in reader.calls(attempt=found.attempt)],
            "verdicts": [asdict(verdict) for verdict in found.verdicts],
            "lineage": [_step(step) for step in path],
            "left_out": max(0, len(ancestors) - len(path)),
            "leap": None if turn is None else _leap(turn),
            "offspring": reader.offspring(found.id),
            "children": [line(run, run.row(child.id)) for child in children],
        }


def compared(runs: Sequence[Watched]) -> Plain:
    """The curves and figures of several runs beside each other, and how their settings differ."""
    found: list[Plain] = []
    settings: list[dict[str, str]] = []
    for run in runs:
        with run.reading() as reader:
            meta, counts, champion = reader.meta, reader.counts(), run.champion()
            settings.append(flat({**_config(meta), "problem": meta.get("problem")}))
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
    return ending(reader)


def _config(meta: Mapping[str, object]) -> Mapping[str, object]:
    config = meta.get("config")
    return config if isinstance(config, Mapping) else {}


def _references(meta: Mapping[str, object]) -> tuple[Reference, ...]:
    try:
        return msgspec.convert(meta.get("references", ()), tuple[Reference, ...])
    except msgspec.ValidationError:
        return ()


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
        "diff": turn.step.diff,
    }
