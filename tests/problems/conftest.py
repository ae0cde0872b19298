"""Candidates for tests of stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType

import pytest

from evolve.loading import Task, load
from evolve.problem import CandidateHandle


class InThread:
    """Runs a candidate in a thread of this process: the stages' side of things, no isolation.

    A thread, so that the candidate's frames do not lead to the stage's.
    """

    def __init__(self, source: str, driver: str) -> None:
        self._texts = (source, driver)
        self._thread = ThreadPoolExecutor(1)
        self._module, self._driver = ModuleType("program"), ModuleType("driver")
        exec(compile(driver, "driver.py", "exec"), self._driver.__dict__)
        exec(compile(source, "program.py", "exec"), self._module.__dict__)

    def call(self, name: str, /, *args: object) -> object:
        return self._thread.submit(getattr(self._module, name), *args).result()

    def drive(self, name: str, /, *args: object) -> object:
        function = getattr(self._driver, name)
        return self._thread.submit(function, self._module, *args).result()

    @contextmanager
    def fresh(self) -> Iterator[CandidateHandle]:
        yield InThread(*self._texts)


@pytest.fixture(scope="session")
def bin_packing() -> Task:
    return load("bin_packing")


@pytest.fixture(scope="session")
def candidate(bin_packing: Task) -> Callable[[str], CandidateHandle]:
    """Opens a program, given as a file of the problem's folder or as text."""

    def open_program(program: str) -> CandidateHandle:
        source = bin_packing.problem.read(program) if program.endswith(".py") else program
        return InThread(source, bin_packing.problem.read("driver.py"))

    return open_program
