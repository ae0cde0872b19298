"""What a stage holds of a program: opens its sandbox processes, and asks whose twin it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from evolve.loading import ENTRY, Task
from evolve.probes import behaviour_number
from evolve.problem import Stage
from sandbox import Candidate, CandidateFailure, Limits, Sandbox, Usage

Asks = Callable[[int], "int | None"]
"""Gives the program that has shown a behaviour before, or None."""


class Twin(BaseException):
    """Ends a stage whose program behaves as an earlier one; no stage swallows it either."""

    def __init__(self, program: int) -> None:
        super().__init__(program)
        self.program = program


class StageCandidate:
    """The handle a stage gets: opens its sandbox process at the first call."""

    def __init__(
        self,
        sandbox: Sandbox,
        files: dict[str, str],
        task: Task,
        stage: Stage,
        known: Asks | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._files = files
        self._task = task
        self._stage = stage
        self._known = known
        self.behaviour: int | None = None
        """What the stage said that the program did on its probe inputs."""
        self.failure: CandidateFailure | None = None
        """The first failure; it decides, whatever the stage made of it."""
        self._driver = task.driver
        self._limits = Limits(wall_s=stage.timeout_s, memory_bytes=stage.memory_mb << 20)
        self._stack = ExitStack()
        self._open: Candidate | None = None
        self._opened: list[Candidate] = []

    def call(self, name: str, /, *args: object) -> object:
        with self._noting():
            return self._candidate().call(name, *args)

    def drive(self, name: str, /, *args: object) -> object:
        with self._noting():
            return self._candidate().drive(name, *args)

    def behaves_as(self, behaviour: bytes) -> None:
        number = behaviour_number(self._stage.name, behaviour)
        if self.behaviour == number:
            return
        if self.behaviour is not None:
            raise ValueError(f"stage {self._stage.name!r} says two things of one program")
        self.behaviour = number
        twin = None if self._known is None else self._known(self.behaviour)
        if twin is not None:
            raise Twin(twin)

    @contextmanager
    def fresh(self) -> Iterator[StageCandidate]:
        other = StageCandidate(self._sandbox, self._files, self._task, self._stage)
        try:
            yield other
        finally:
            other.close()
            self.failure = self.failure or other.failure
            self._opened += other._opened

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except CandidateFailure as failure:
            self.failure = self.failure or failure
            raise

    def close(self) -> None:
        self._stack.close()

    @property
    def stderr(self) -> str:
        return "".join(candidate.stderr for candidate in self._opened)

    @property
    def usage(self) -> Usage:
        used = [candidate.usage for candidate in self._opened]
        return Usage(
            wall_s=sum(u.wall_s for u in used),
            cpu_s=sum(u.cpu_s for u in used),
            memory_bytes=max((u.memory_bytes for u in used), default=0),
        )

    def _candidate(self) -> Candidate:
        if self._open is None:
            self._open = self._stack.enter_context(self._new())
            self._opened.append(self._open)
        return self._open

    def _new(self) -> Candidate:
        return self._sandbox.open(
            self._files, entry=ENTRY, driver=self._driver, limits=self._limits
        )
