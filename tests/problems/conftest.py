"""Candidates for tests of stages: real sandboxes, one for each set of packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from evolve.loading import Task, load
from evolve.staging import StageCandidate
from evolve.worker import open_sandbox
from sandbox import Sandbox


@pytest.fixture(scope="session")
def bin_packing() -> Task:
    return load("bin_packing")


@pytest.fixture(scope="session")
def bin_packing_sandbox(bin_packing: Task) -> Iterator[Sandbox]:
    with open_sandbox(bin_packing) as sandbox:
        yield sandbox


@pytest.fixture
def candidate(
    bin_packing: Task, bin_packing_sandbox: Sandbox
) -> Iterator[Callable[[str], StageCandidate]]:
    """Opens a program, given as a file of the problem's folder or as text."""
    with ExitStack() as stack:

        def open_program(program: str) -> StageCandidate:
            source = bin_packing.problem.read(program) if program.endswith(".py") else program
            files = {"program.py": source}
            # the longest limit of all its stages: whichever of them a test calls gets this handle
            stage = replace(bin_packing.problem.stages[0], timeout_s=60.0)
            handle = StageCandidate(bin_packing_sandbox, files, bin_packing, stage)
            stack.callback(handle.close)
            return handle

        yield open_program
