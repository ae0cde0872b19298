"""What a run has from other runs: programs it starts from, as seeds beside the problem's own."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from evolve.errors import UsageError
from evolve.loading import Task
from evolve.program import Program, outside_changed, syntax_hash
from islands_db import JSON

KEY = "from"
"""Meta key: the files of these programs, by the name "RUN:ID" that their attempts bear as note."""
MIXED = "mixed_draws"
"""Meta key: true where runs were merged whose programs had been scored on different draws."""

Origins = dict[str, dict[str, str]]


def checked(found: Mapping[str, Mapping[str, str]], task: Task) -> Origins:
    """The programs, fit to be seeds of this problem.

    Raises:
        UsageError: one differs from every seed outside the blocks, or is there already.
    """
    seeds = task.seeds()
    known = {syntax_hash(program): name for name, program in seeds.items()}
    for name, files in found.items():
        program = Program.of(files)
        changes = [outside_changed(seed, program) for seed in seeds.values()]
        if all(changes):
            raise UsageError(
                f"--from {name}: not a program of {task.reference}: against {next(iter(seeds))}, "
                f"{changes[0]}"
            )
        same = known.setdefault(syntax_hash(program), name)
        if same != name:
            raise UsageError(f"--from {name}: the same program as {same}, which is there anyway")
    return {name: dict(files) for name, files in found.items()}


def stored(meta: Mapping[str, JSON]) -> dict[str, Program]:
    """The programs a stored run started from."""
    found = msgspec.convert(meta.get(KEY) or {}, Origins)
    return {name: Program.of(files) for name, files in found.items()}
