"""What a stored run says of itself to those who go on with it: checked, since anybody may have
written the file."""

from __future__ import annotations

from typing import Any

import msgspec

from evolve.config import Budget
from evolve.errors import UsageError
from evolve.loading import Task, identity, load
from evolve.origins import MIXED
from evolve.recording import Recording
from evolve.runs import RunFolder
from evolve.session import check_identity
from islands_db import Reader, StoreError


class StoredRun(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a run that a command needs to judge its programs, or to search on."""

    problem: str
    folder: str
    parameters: dict[str, str]
    identity: dict[str, str]
    config: dict[str, Any]
    seed: int
    unsafe: bool = False
    imported: bool = False
    elapsed_s: float = 0.0
    budget: Budget = Budget()
    mixed: bool | None = msgspec.field(default=None, name=MIXED)
    replay: Recording | None = None
    origins: dict[str, dict[str, str]] = msgspec.field(default_factory=dict, name="from")

    @property
    def without_sandbox(self) -> bool:
        """Whether candidates run without one. An import does not ask for that here: it stays
        marked as unsafe, and what is judged from now on is judged in the sandbox."""
        return self.unsafe and not self.imported

    def task(self) -> Task:
        """Its problem as it is now.

        Raises:
            UsageError: it was imported without one.
        """
        if not self.folder:
            raise UsageError(
                "this run was imported without its problem; import it with --problem PROBLEM"
            )
        task = load(self.folder, self.parameters)
        return Task(problem=task.problem, parameters=task.parameters, reference=self.problem)

    def unchanged_task(self) -> Task:
        """Its problem, if it is still what it was.

        Raises:
            UsageError: it has changed.
        """
        task = self.task()
        check_identity(self.identity, identity(task))
        return task


def stored_run(folder: RunFolder) -> StoredRun:
    """What the run says of itself.

    Raises:
        StoreError: it lacks something, or what it says makes no sense.
    """
    with Reader(folder.database) as reader:
        meta = dict(reader.meta)
    try:
        return msgspec.convert(meta, StoredRun)
    except msgspec.ValidationError as error:
        raise StoreError(
            f"{folder.database}: not the values of a run that can go on: {error}; its programs can "
            "be read, and be started from with `evolve run PROBLEM --from RUN:ID`"
        ) from None
