"""Finds what a command line names: a run, a program of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evolve import runs
from evolve.errors import UsageError
from evolve.lineage import champion, objective_of
from evolve.problem import Objective
from evolve.runs import RunFolder
from evolve.terminal import inert
from islands_db import JSON, Reader, StoredProgram, StoreError


@contextmanager
def opened_run(name: str | None, root: Path) -> Iterator[tuple[RunFolder, Reader, Objective]]:
    """A run to be read; one without a sandbox is said to be one before anything of it is shown."""
    folder = runs.find(root, name or None)
    with Reader(folder.database) as reader:
        if unsafe(reader.meta):
            print(
                f"evolve: NO SANDBOX: {inert(folder.name)} was run with --unsafe-no-sandbox, so "
                "its programs could have forged what its scores were computed from",
                file=sys.stderr,
            )
        yield folder, reader, objective_of(reader)


def unsafe(meta: Mapping[str, JSON]) -> bool:
    """Whether the run was made with --unsafe-no-sandbox."""
    return meta.get("unsafe") is True


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
