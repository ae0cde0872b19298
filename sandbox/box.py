"""One worker's sandbox: a warm fork server for one set of preloads, replaced when it dies."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Mapping, Sequence
from threading import RLock
from types import TracebackType
from weakref import WeakKeyDictionary

from sandbox.candidate import Candidate, check_files
from sandbox.cgroups import Group
from sandbox.fork_server import ForkServer, PreloadFailed, TooSlow
from sandbox.machine import refuse_other_machines
from sandbox.records import CandidateFailure, FailureKind, Limits, SandboxError, Tier, explained
from sandbox.view import plan

_TRIAL = {"trial.py": "def answer():\n    return 42\n"}
_CORES = os.cpu_count() or 1  # asking costs as much as twenty other system calls
_TRIAL_LIMITS = Limits(memory_bytes=32 << 20)


class Sandbox:
    """Isolated execution for one worker process; synchronous, a context manager.

    Several threads may use one, each with candidates of its own; another process may not.

    Args:
        requires: Distributions that candidates may import; their dependencies come with them.
        preload: Modules imported once, before candidates are forked.
        library: Trusted sources by module name, run once after that; candidates can import them.
        tier: None takes the best this machine gives, A or B.

    Attributes:
        tier: The one it has.
        not_a: Why it is not tier A, where that was tried.

    Raises:
        SandboxError: this machine gives less than asked, or less than B.
        ValueError, TypeError: an argument is not what is described above.
    """

    def __init__(
        self,
        *,
        requires: Sequence[str] = (),
        preload: Sequence[str] = (),
        library: Mapping[str, str] | None = None,
        tier: Tier | None = None,
    ) -> None:
        tier = None if tier is None else Tier(tier)
        requires, preload = _names("requires", requires), _names("preload", preload)
        refuse_other_machines()
        self._preload = preload
        self._library = dict(library or {})
        self._turn = RLock()
        self.not_a = ""
        self._server: ForkServer | None = None
        self._group = Group()
        self._opened: WeakKeyDictionary[Candidate, int] = WeakKeyDictionary()
        try:
            self._view = plan(requires)
            self._choose(tier)
            self._group.measure()
        except OSError as error:
            self.close()
            raise SandboxError(f"the sandbox does not start: {explained(error)}") from None
        except BaseException:
            self.close()
            raise

    def _choose(self, tier: Tier | None) -> None:
        if tier is not None:
            self._enter(tier)
            return
        try:
            self._enter(Tier.A)
        except (PreloadFailed, TooSlow):
            raise
        except SandboxError as first:
            try:
                self._enter(Tier.B)
            except SandboxError as second:
                other = "" if str(first) == str(second) else f" (tier A: {first})"
                raise SandboxError(f"{second}{other}; see `evolve doctor`") from None
            self.not_a = str(first)

    def _enter(self, tier: Tier) -> None:
        """Starts the server and sees one candidate through: some layers can only fail there."""
        self.tier = tier
        self._server = self._start()
        try:
            with self.open(_TRIAL, entry="trial.py", limits=_TRIAL_LIMITS) as candidate:
                candidate.call("answer")
        except CandidateFailure as failure:
            self._end_server()
            raised = TooSlow if failure.kind is FailureKind.TIMEOUT else SandboxError
            raise raised(f"a trial of the sandbox failed: {failure}") from None
        except SandboxError:
            self._end_server()
            raise

    def open(
        self,
        files: Mapping[str, str],
        *,
        entry: str,
        driver: str | None = None,
        limits: Limits = Limits(),  # noqa: B008  frozen
    ) -> Candidate:
        """A handle on a program; it runs from its first call on.

        Args:
            files: Path to text; other .py files of it can be imported by the entry.
            entry: The path that is run as a module.
            driver: Source of trusted code that runs beside the candidate, for `drive`.

        Raises:
            SandboxError: this process may not give a candidate what its limits promise.
        """
        check_files(files, entry, driver)
        self._check_promise(limits)
        start = (
            dict(files),
            entry,
            driver,
            limits.memory_bytes,
            self._cpu_bound(limits),
            limits.output_bytes,
        )
        made = Candidate(start=start, limits=limits, server=self._current, replace=self._restart)
        with self._turn:
            self._opened[made] = limits.memory_bytes + limits.tmp_bytes
            for other in [other for other in self._opened if other.finished]:
                del self._opened[other]
            held = [*self._opened.values(), *self._current().dying_bytes]
            self._group.allow(sum(held), len(held))
        return made

    def _check_promise(self, limits: Limits) -> None:
        """A candidate that got less than it was promised would fail by no fault of its own."""
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = self._current().base_memory_bytes + limits.memory_bytes
        if 0 <= most < wanted:
            raise SandboxError(
                f"a candidate is to have {limits.memory_bytes >> 20} MiB beside the interpreter, "
                f"{wanted >> 20} MiB together, and `ulimit -v` allows {most >> 20} MiB"
            )
        most = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if limits.cpu_s is not None and 0 <= most < limits.cpu_s:
            raise SandboxError(
                f"a candidate is to have {limits.cpu_s} s of CPU, and `ulimit -t` allows {most} s"
            )

    def _cpu_bound(self, limits: Limits) -> int:
        """Seconds of CPU; without a limit of its own, what all cores give in the wall limit.

        Nobody watches the clock while a stage works on an answer: threads that a candidate left
        running end by this.
        """
        if limits.cpu_s is not None:
            return limits.cpu_s
        bound = min(math.ceil(limits.wall_s * _CORES) + 1, 1 << 31)
        most = resource.getrlimit(resource.RLIMIT_CPU)[1]
        return min(bound, most) if most >= 0 else bound

    @property
    def lacking(self) -> str:
        """Why it has not every control group it should have, in one line; empty where it has."""
        return self._group.lacking

    def close(self) -> None:
        """Ends the server and everything in it."""
        with self._turn:
            try:
                self._end_server()
            finally:
                self._group.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> ForkServer:
        return ForkServer(
            self._view,
            tier=self.tier,
            preload=self._preload,
            library=self._library,
            group=self._group,
        )

    def _end_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _current(self) -> ForkServer:
        if self._server is None:
            raise SandboxError("this sandbox is closed")
        return self._server

    def _restart(self, lost: ForkServer | None) -> ForkServer:
        """A new server in the place of one that was lost, made by the first who finds that out."""
        with self._turn:
            if self._server is None or self._server is lost:
                self._end_server()
                self._server = self._start()
            return self._server


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{what} is a list of names, not {names!r}")
    return tuple(names)
