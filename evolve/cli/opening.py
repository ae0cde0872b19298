"""Finds what a command line names: a run, a program of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evolve import runs
from evolve.errors import UsageError
from evolve.problem import Objective, ProblemError
from evolve.runs import RunFolder
from islands_db import Reader, StoredProgram, StoreError


@contextmanager
def opened_run(name: str | None, root: Path) -> Iterator[tuple[RunFolder, Reader, Objective]]:
    folder = runs.find(root, name or None)
    with Reader(folder.database) as reader:
        yield folder, reader, objective_of(reader)


@contextmanager
def opened_program(
    target: str | None, root: Path
) -> Iterator[tuple[RunFolder, Reader, Objective, StoredProgram]]:
    name, id = _parted(target or "")
    bare = name.isdigit() or name in ("best", "champion")
    if bare and not id and not (root / name).exists():
        name, id = "", name  # of the latest run
    with opened_run(name, root) as (folder, reader, objective):
        try:
            program = reader.find(id) if id else champion(reader)
        except StoreError as error:
            raise UsageError(str(error)) from None
        yield folder, reader, objective, reader.program(program)


def _parted(target: str) -> tuple[str, str]:
    name, colon, id = target.rpartition(":")
    return (name, id) if colon and "/" not in id else (target, "")


def objective_of(reader: Reader) -> Objective:
    """The run's first objective.

    Raises:
        StoreError: the run does not say; whatever wrote it, it was not evolve.
    """
    match reader.meta.get("objectives"):
        case [str() as text, *_]:
            try:
                return Objective.parse(text)
            except ProblemError as error:
                raise StoreError(f"{reader.path}: {error}") from None
    raise StoreError(f"{reader.path}: names no objective; restore the file from a copy")


def champion(reader: Reader) -> int:
    """The champion where validation has begun, else the best in training."""
    return reader.find("champion" if reader.top(1, "validation") else "best")
