"""Logs runs to Weights & Biases, offline: into a folder that `wandb sync` sends when you say so."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import wandb

from evolve.trackers import Described


class WandB:
    """Runs below a folder, by default the current one; nothing is sent anywhere.

    A run has the same id whenever it is logged. What an earlier folder has cannot be asked offline,
    so each time it is logged from its beginning.
    """

    def __init__(self, to: str) -> None:
        self._folder = Path(to or ".")

    def begin(self, run: Described) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project="evolve",
            name=run.name,
            id=hashlib.sha256(run.key.encode()).hexdigest()[:16],
            config=dict(run.settings),
            dir=str(self._folder),
            mode="offline",
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, x_disable_meta=True,
                x_disable_stats=True, x_save_requirements=False,
            ),
        )  # fmt: skip
        return -1

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step)

    def end(self, figures: Mapping[str, float], files: Mapping[str, Path], *, ended: bool) -> None:
        for name, value in figures.items():
            self._run.summary[f"final_{name}"] = value
        for file in files.values():
            shutil.copy(file, self._run.dir)
        self._run.finish(exit_code=0 if ended else 1)
        wandb.teardown()  # waits for its service, which writes behind our back
