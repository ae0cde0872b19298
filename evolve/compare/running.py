"""Runs the matrix of a comparison, several runs at once; cut off anywhere, it goes on.

    FOLDER/plan.json                        what was fixed: the plan's hash, the problems' hashes
    FOLDER/plan.toml                        the plan as it was
    FOLDER/runs/METHOD/PROBLEM/seed-N/      each run, until it is discarded
    FOLDER/traces/METHOD/PROBLEM/seed-N.json   what it came to

A trace is written last and at once. A run without one is resumed, or begun where it had stored
nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from evolve import config as configuration
from evolve.compare.curves import Trace, steps_of
from evolve.compare.plan import Cell, Comparison
from evolve.errors import BusyError, MachineError, UsageError
from islands_db import Reader, StoreError

FAULTS_BEFORE_GIVING_UP = 3
"""So many runs in a row without a result, and the comparison stops: nothing will come of it."""


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What may not change while a comparison lasts."""

    plan: str
    problems: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a comparison keeps what it has."""

    path: Path

    def run(self, cell: Cell) -> Path:
        return self.path / "runs" / cell.path

    def trace(self, cell: Cell) -> Path:
        return (self.path / "traces" / cell.path).with_suffix(".json")

    def lock(self) -> IO[bytes]:
        """Takes the comparison for this process, until the file is closed.

        Raises:
            BusyError: another process has it.
            MachineError: the folder cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / "compare.lock").open("ab")
        except OSError as error:
            raise MachineError(f"cannot write in {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise BusyError(f"{self.path} is in use by another process") from None
        return file

    def fix(self, comparison: Comparison) -> None:
        """Stores what is compared, or refuses if it is not what was stored.

        Raises:
            UsageError: the plan or a problem has changed since the first run.
        """
        now = Fixed(plan=comparison.digest, problems=comparison.identities)
        file = self.path / "plan.json"
        if not file.exists():
            (self.path / "plan.toml").write_bytes(comparison.file.read_bytes())
            write(file, msgspec.json.format(msgspec.json.encode(now)))
            return
        try:
            then = msgspec.json.decode(file.read_bytes(), type=Fixed)
        except msgspec.MsgspecError as error:
            raise UsageError(
                f"{file} is damaged: {error}; restore it, or name another --out"
            ) from None
        if then.plan != now.plan:
            raise UsageError(
                f"{comparison.file} has changed since the first run; put it back (as it was: "
                f"{self.path / 'plan.toml'}), or begin another comparison with --out"
            )
        for name, hashes in now.problems.items():
            for part in sorted(hashes.keys() | then.problems[name].keys()):
                if hashes.get(part) != then.problems[name].get(part):
                    raise UsageError(
                        f"problem {name}: {part} has changed since the first run; put it back, or "
                        "begin another comparison with --out"
                    )

    def read(self, comparison: Comparison) -> list[Trace]:
        """The traces there are, in the order of the matrix.

        Raises:
            UsageError: one is damaged.
        """
        found = []
        for cell in comparison.cells:
            file = self.trace(cell)
            if not file.exists():
                continue
            try:
                found.append(msgspec.json.decode(file.read_bytes(), type=Trace))
            except msgspec.MsgspecError as error:
                raise UsageError(f"{file} is damaged: {error}; delete it, and run again") from None
        return found


def write(file: Path, text: bytes) -> None:
    """Writes a file so that a reader sees the old one or all of the new one, also after a crash."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    with part.open("wb") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(file)


@dataclass(slots=True, kw_only=True)
class Matrix:
    """Runs what is missing of a comparison.

    Attributes:
        jobs: Runs at once.
        discard: Whether a run's folder is removed once its trace is kept. Runs that asked models
            stay: their answers were paid for.
        tell: Called with (runs done, runs in all, the last trace).
    """

    comparison: Comparison
    folder: Folder
    jobs: int
    discard: bool
    tell: Callable[[int, int, Trace], None]
    _identities: Mapping[str, Mapping[str, str]] = field(init=False)
    _done: int = 0
    _faults: int = 0
    _stopping: bool = False
    _children: set[asyncio.subprocess.Process] = field(default_factory=set)

    async def run(self) -> None:
        """Until every cell has its trace.

        Raises:
            MachineError: run after run gives no result; the message has the last one's line.
            KeyboardInterrupt: stopped; all that was done is kept.
        """
        self._identities = self.comparison.identities
        cells = self.comparison.cells
        missing = [cell for cell in cells if not self._settled(cell)]
        self._done = len(cells) - len(missing)
        queue = iter(missing)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.jobs, len(missing))):
                    group.create_task(self._work(queue))
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if self._stopping:
            raise KeyboardInterrupt

    def _settled(self, cell: Cell) -> bool:
        file = self.folder.trace(cell)
        if not file.exists():
            return False
        try:
            # what failed is tried again
            return not msgspec.json.decode(file.read_bytes(), type=Trace).fault
        except msgspec.MsgspecError:
            return False

    def _stop(self) -> None:
        self._stopping = True
        for child in self._children:
            if child.returncode is None:
                child.send_signal(signal.SIGTERM)

    async def _work(self, queue: Iterator[Cell]) -> None:
        for cell in queue:
            if self._stopping:
                return
            trace = await self._traced(cell)
            if trace is None:
                return
            write(self.folder.trace(cell), msgspec.json.encode(trace))
            if self.discard and not trace.fault and not self._paid(cell):
                shutil.rmtree(self.folder.run(cell), ignore_errors=True)
            self._done += 1
            self.tell(self._done, len(self.comparison.cells), trace)
            self._faults = self._faults + 1 if trace.fault else 0
            if self._faults >= FAULTS_BEFORE_GIVING_UP:
                self._stop()
                raise MachineError(
                    f"{self._faults} runs in a row gave no result, the last: {trace.fault}"
                )

    async def _traced(self, cell: Cell) -> Trace | None:
        """One run to its end; None if it was stopped."""
        run = self.folder.run(cell)
        arguments = self._arguments(cell, run)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "evolve.compare.cell", str(os.getpid()), *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._children.add(child)
        try:
            if self._stopping:
                child.send_signal(signal.SIGTERM)
            out, err = await child.communicate()
        finally:
            self._children.discard(child)
            if child.returncode is None:
                child.kill()
                await child.wait()
        if self._stopping and child.returncode != 0:
            return None
        empty = Trace(method=cell.method, problem=cell.problem, seed=cell.seed)
        if child.returncode != 0:
            lines = err.decode(errors="replace").strip().splitlines()
            fault = lines[-1].removeprefix("evolve: ") if lines else f"exit {child.returncode}"
            return msgspec.structs.replace(empty, fault=fault)
        try:
            return self._read(empty, run, msgspec.json.decode(out, type=_Summary))
        except (msgspec.MsgspecError, StoreError) as error:
            return msgspec.structs.replace(empty, fault=str(error))

    def _arguments(self, cell: Cell, run: Path) -> list[str]:
        where = ["--runs", str(run.parent), "--json"]
        if (run / "run.db").is_file() and (self._paid(cell) or _has_programs(run / "run.db")):
            return ["resume", run.name, *where]
        shutil.rmtree(run, ignore_errors=True)
        file = run.with_suffix(".toml")
        plain = configuration.plain(self.comparison.run_file(cell))
        write(file, msgspec.toml.encode(_without_none(plain)))
        return ["run", "--config", str(file), "--name", run.name, *where]

    def _paid(self, cell: Cell) -> bool:
        return bool(self.comparison.methods[cell.method].llm)

    def _read(self, empty: Trace, run: Path, summary: _Summary) -> Trace:
        contest = self.comparison.contests[empty.problem]
        with Reader(run / "run.db") as reader:
            if reader.meta["identity"] != self._identities[empty.problem]:
                fault = "the problem's files changed while the comparison was running"
                return msgspec.structs.replace(empty, fault=fault)
        steps, spent = steps_of(run / "run.db", contest, self.comparison.unit)
        if summary.test is not None:
            final, split = summary.test.champion, "test"
        else:
            final, split = summary.champion_value, summary.champion_split
        return msgspec.structs.replace(
            empty,
            steps=steps,
            spent=spent,
            final=final,
            split=split,
            fates=summary.status.fates,
            usd=sum(model.settled_usd + model.unsettled_usd for model in summary.status.models),
        )


class _Test(msgspec.Struct, frozen=True):
    champion: float | None


class _ModelSpent(msgspec.Struct, frozen=True):
    settled_usd: float
    unsettled_usd: float


class _Status(msgspec.Struct, frozen=True):
    fates: dict[str, int]
    models: list[_ModelSpent] = []


class _Summary(msgspec.Struct, frozen=True):
    """What is needed of what `run --json` says at its end."""

    champion_value: float | None
    champion_split: str
    test: _Test | None
    status: _Status


def _has_programs(database: Path) -> bool:
    try:
        with Reader(database) as reader:
            return reader.counts().programs > 0
    except StoreError:
        return False  # cut off while it was made


def _without_none(value: object) -> object:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(entry) for entry in value]
    return value
