"""One worker's sandbox: a warm fork server for one set of preloads, replaced when it dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from sandbox.candidate import Candidate, check_files
from sandbox.fork_server import ForkServer, PreloadFailed, refuse_other_machines
from sandbox.records import CandidateFailure, Limits, SandboxError, Tier
from sandbox.view import plan

_TRIAL = {"trial.py": "def answer():\n    return 42\n"}


class Sandbox:
    """Isolated execution for one worker process; synchronous, a context manager.

    Args:
        requires: Distributions that candidates may import; their dependencies come with them.
        preload: Modules imported once, before candidates are forked.
        library: Trusted sources by module name, run once after that; candidates can import them.
        tier: None takes the best this machine gives, A or B.

    Raises:
        SandboxError: this machine gives less than asked, or less than B.
    """

    def __init__(
        self,
        *,
        requires: Sequence[str] = (),
        preload: Sequence[str] = (),
        library: Mapping[str, str] | None = None,
        tier: Tier | None = None,
    ) -> None:
        refuse_other_machines()
        self._view = plan(tuple(requires))
        self._preload = tuple(preload)
        self._library = dict(library or {})
        self._server: ForkServer | None = None
        if tier is not None:
            self._enter(tier)
            return
        try:
            self._enter(Tier.A)
        except PreloadFailed:
            raise
        except SandboxError as first:
            try:
                self._enter(Tier.B)
            except SandboxError as second:
                raise SandboxError(f"{second} (tier A: {first}); see `evolve doctor`") from None

    def _enter(self, tier: Tier) -> None:
        """Starts the server and sees one candidate through: some layers can only fail there."""
        self.tier = tier
        self._server = self._start()
        try:
            with self.open(_TRIAL, entry="trial.py") as candidate:
                candidate.call("answer")
        except (SandboxError, CandidateFailure) as error:
            self.close()
            raise SandboxError(str(error)) from None

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
        """
        check_files(files, entry)
        start = (
            dict(files),
            entry,
            driver,
            limits.memory_bytes,
            limits.cpu_s,
            limits.output_bytes,
        )
        return Candidate(start=start, limits=limits, server=self._current, replace=self._restart)

    def close(self) -> None:
        """Ends the server and everything in it."""
        if self._server is not None:
            self._server.close()
            self._server = None

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
        return ForkServer(self._view, tier=self.tier, preload=self._preload, library=self._library)

    def _current(self) -> ForkServer:
        if self._server is None:
            raise SandboxError("this sandbox is closed")
        return self._server

    def _restart(self) -> ForkServer:
        self.close()
        self._server = self._start()
        return self._server
