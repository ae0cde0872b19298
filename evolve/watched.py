"""A run as page and trackers follow it: columns that grow with it, and what it says of itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evolve import runs
from evolve.control import ask
from evolve.errors import UsageError
from evolve.lineage import objective_of
from evolve.problem import Objective
from evolve.runs import RunFolder
from islands_db import Programs, Reader, Settings

_ANSWER_S = 3.0
"""So long a live run is waited for; a page would rather show what is stored."""


@dataclass(slots=True)
class Watched:
    """One run; every view reads inside `reading`, which brings the columns up to date."""

    folder: RunFolder
    programs: Programs = field(default_factory=Programs)
    objective: Objective = field(init=False)
    settings: Settings = field(init=False)
    validated: dict[int, float] = field(default_factory=dict)
    """Values in validation, by program."""
    draws: dict[int, int] = field(default_factory=dict)
    """On how many draws each was validated; who falls behind the champion has no further ones."""
    banned: frozenset[int] = frozenset()
    _seen: tuple[int, ...] = ()
    _identity: tuple[int, ...] = ()
    _bests: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """The database in one state, with the columns as of that state.

        Raises:
            StoreError: it is missing, damaged, or from a newer version.
        """
        database = self.folder.database
        with self._lock, Reader(database, check=False) as reader, reader.snapshot():
            file = self.folder.database.stat()
            standing = reader.standing()
            # another run took its place, or all scores were given anew
            identity = file.st_dev, file.st_ino, standing[0]
            if self._identity != identity:
                self.objective, self.settings = objective_of(reader), reader.settings
                self.programs, self._seen, self._bests = Programs(), (), []
                self._identity = identity
            if standing != self._seen:
                first = len(self.programs.table)
                reader.follow(self.programs)
                found = reader.values("validation")
                self.validated = {program: self.sign * mean for program, (mean, _) in found.items()}
                self.draws = {program: draws for program, (_, draws) in found.items()}
                banned = frozenset(reader.banned())
                if banned != self.banned:
                    self.banned, self._bests, first = banned, [], 0
                self._note_bests(first)
                self._seen = standing
            yield reader

    @property
    def version(self) -> str:
        """Another text whenever anything in the database has changed."""
        return "-".join(map(str, (*self._identity, *self._seen)))

    @property
    def sign(self) -> float:
        return 1.0 if self.objective.direction == "max" else -1.0

    @property
    def bests(self) -> list[int]:
        """The rows at which the best in training changed."""
        return self._bests

    @property
    def values(self) -> NDArray[np.float64]:
        """Training values in the objective's own sign, one for each row."""
        return self.sign * self.programs.table["fitness"]

    def row(self, program: int) -> int:
        """The row of a program; ids count up from 1, one a row."""
        return int(np.searchsorted(self.programs.table["id"], program))

    def champion(self) -> int | None:
        """The champion where validation has begun, else the best in training."""
        sound = [program for program in self.validated if program not in self.banned]
        if sound:
            return min(sound, key=lambda p: (-self.draws[p], -self.sign * self.validated[p], p))
        return int(self.programs.table["id"][self._bests[-1]]) if self._bests else None

    @property
    def listens(self) -> bool:
        """Whether a process may be working on it; `status` says whether one is."""
        return self.folder.socket.exists()

    def status(self) -> dict[str, object] | None:
        """What the live run says; None where no process works on it."""
        if not self.listens:
            return None
        try:
            return ask(self.folder.socket, {"command": "status"}, within_s=_ANSWER_S)
        except UsageError:
            return None

    def _note_bests(self, first: int) -> None:
        table = self.programs.table
        best = (-1, -np.inf)
        if self._bests:
            row = table[self._bests[-1]]
            best = (int(row["rung"]), float(row["fitness"]))
        new = table[first:]
        # only what beats the best so far is looked at one by one
        better = (new["rung"] > best[0]) | ((new["rung"] == best[0]) & (new["fitness"] > best[1]))
        for row in (first + np.flatnonzero(better & ~np.isnan(new["fitness"]))).tolist():
            rank = int(table["rung"][row]), float(table["fitness"][row])
            if rank > best and int(table["id"][row]) not in self.banned:
                best = rank
                self._bests.append(row)


class Runs:
    """The runs below a folder, each followed from when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._watched: dict[str, Watched] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The runs there are now, the latest first, but none under a name that we never give."""
        return [run.name for run in reversed(runs.existing(self.root)) if runs.sound(run.name)]

    def get(self, name: str) -> Watched:
        """The run of that name.

        Raises:
            UsageError: there is none.
        """
        folder = RunFolder(self.root / name)
        if not runs.sound(name) or not folder.database.is_file():
            raise UsageError(f"no run {name[:80]!r} in {self.root}/")
        with self._lock:
            return self._watched.setdefault(name, Watched(folder))
