"""Runs in the trackers that others keep experiments in: MLflow and Weights & Biases.

A tracker follows a run from outside, by reading its database: however slow or broken a tracker is,
the search does not wait for it, and an ended run can be logged as well as a live one.

A new tracker is one file with a `Tracker` and one line in `TRACKERS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from evolve.config import flat
from evolve.errors import MachineError
from evolve.runs import RunFolder
from evolve.ui.figures import standing
from evolve.watched import Watched
from islands_db import Reader

TRACKERS = {"mlflow": "evolve.trackers.mlflow:MLflow", "wandb": "evolve.trackers.wandb:WandB"}
_EVERY_S = 2.0
_KEPT_FILES = ("run.toml", "best.py", "certificate.json", "picture.svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a tracker is told of a run before any figure.

    Attributes:
        key: The same for the same run whenever it is logged, and for no other.
        settings: Names and values as text, at most 250 characters each.
    """

    name: str
    key: str
    settings: Mapping[str, str]


class Tracker(Protocol):
    """Where a run is logged to; its calls may block."""

    def begin(self, run: Described) -> int:
        """Opens the run there, anew or where it was left; the last step it has, -1 for none."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures after `step` evaluations; steps never fall."""

    def end(self, figures: Mapping[str, float], files: Mapping[str, Path], *, ended: bool) -> None:
        """Final figures, and files by name; not `ended` where the run may go on later."""


def tracker(name: str, to: str) -> Tracker:
    """The tracker of that name.

    Args:
        to: Where it keeps runs, in its own terms; "" for its default.

    Raises:
        MachineError: its package is not installed.
    """
    module, _, kind = TRACKERS[name].partition(":")
    try:
        made: Tracker = getattr(import_module(module), kind)(to)
    except ModuleNotFoundError as error:
        raise MachineError(
            f"{name} needs {error.name}: install it with `pip install 'evolve[{name}]'`"
        ) from None
    return made


def follow(
    folder: RunFolder, into: Tracker, *, going_on: Callable[[], bool], every_s: float = _EVERY_S
) -> int:
    """Logs a run from its beginning and on while `going_on`; how many steps were new.

    A step is a number of evaluations: one at each new best in training, and the newest each time.

    Raises:
        StoreError: the run cannot be read.
    """
    run = Watched(folder)
    with run.reading() as reader:
        meta = reader.meta
    described = Described(
        name=folder.name,
        key=f"{folder.name} {meta.get('created')} {meta.get('seed')}",
        settings=_settings(meta),
    )
    last, logged = into.begin(described), 0
    while True:
        live = going_on()
        with run.reading() as reader:
            figures = _figures(run, reader)
            final = _final(run, reader)
            ended = bool(reader.events("ended")) and not live
        for step in sorted(step for step in figures if step > last):
            into.log(step, figures[step])
            last, logged = step, logged + 1
        if not live:
            break
        time.sleep(every_s)
    files = {name: folder.path / name for name in _KEPT_FILES}
    into.end(final, {n: f for n, f in files.items() if f.is_file()}, ended=ended)
    return logged


def _figures(run: Watched, reader: Reader) -> dict[int, dict[str, float]]:
    """Every new best in training by the step it came at, and where the run stands now."""
    table = run.programs.table
    steps = (table["rung"] >= 0).cumsum()
    found = {int(steps[row]): {"best_training": float(run.values[row])} for row in run.bests}
    if len(table) and run.bests:
        now = found.setdefault(int(steps[-1]), {})
        now["best_training"] = float(run.values[run.bests[-1]])
        now["cost_usd"] = reader.counts().cost_usd
        champion = run.champion()
        if champion in run.validated:
            now["champion_validation"] = run.validated[champion]
    return found


def _final(run: Watched, reader: Reader) -> dict[str, float]:
    counts, champion = reader.counts(), run.champion()
    found = {"evaluated": float(counts.evaluated), "cost_usd": counts.cost_usd}
    if champion is not None:
        stands = {**standing(run, reader, champion), "program": champion}
        for name, value in stands.items():
            if isinstance(value, int | float) and name != "id":
                found[f"champion_{name}"] = float(value)
    return found


def _settings(meta: Mapping[str, object]) -> dict[str, str]:
    config = meta.get("config")
    every = flat(config if isinstance(config, Mapping) else {})
    every["problem"] = str(meta.get("problem"))
    return {name[:250]: value[:250] for name, value in every.items() if value not in ("", "None")}
