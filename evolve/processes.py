"""Helper processes of the engine: started, asked, watched, replaced.

Pool ── Helper ── python -P -m MODULE FD PARENT
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from evolve import messages
from evolve.errors import EvolveError, MachineError, first_leaf

KEPT_ENVIRONMENT = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE",
    "NUMBA_CACHE_DIR", "EVOLVE_PUBLISHED", "XDG_CACHE_HOME",
)  # fmt: skip
"""What helper processes inherit: a list of what is needed, so that no key is ever among it."""

START_LIMIT_S = 120.0
_SILENT = f"no answer within {START_LIMIT_S:g} s; this machine is busy, or problem.py hangs"
_KILL_WAIT_S = 5.0
_LEAVE_WAIT_S = 2.0
T = TypeVar("T", bound=msgspec.Struct)
Reply = Callable[[messages.Behaves], messages.Known]


class HelperDied(Exception):
    """A helper process ended while it was asked; the message says how."""


class NotStarted(HelperDied):
    """There is no room for another process."""


class Helper:
    """One helper process and its socket; requests are answered in order."""

    def __init__(self, module: str, setup: msgspec.Struct | None, log: IO[bytes] | None) -> None:
        self._module = module
        self._setup = setup
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._lock = asyncio.Lock()
        self.tier = ""

    async def start(self) -> None:
        """Starts the process and waits until it is ready.

        Raises:
            EvolveError: it says in one line why it cannot work.
            OSError: this machine has no room for another process.
        """
        ours, theirs = socket.socketpair()
        environment = {k: v for k, v in os.environ.items() if k in KEPT_ENVIRONMENT}
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", self._module, str(theirs.fileno()),
                    str(os.getpid()), pass_fds=[theirs.fileno()], env=environment, cwd="/",
                    stdin=asyncio.subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                    process_group=0,  # Ctrl-C is for the engine, which decides what becomes of it
                )  # fmt: skip
            except BaseException:
                ours.close()
                raise
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        if self._setup is None:
            return
        try:
            async with asyncio.timeout(START_LIMIT_S):
                ready = await self._exchange(self._setup, messages.Ready)
        except (HelperDied, TimeoutError) as error:
            await self.kill()
            raise MachineError(f"{self._module} did not start: {str(error) or _SILENT}") from None
        if ready.fault:
            await self.stop()
            fault = EvolveError(ready.fault)
            fault.exit_code = ready.exit_code
            raise fault
        self.tier = ready.tier

    async def ask(
        self,
        request: msgspec.Struct,
        kind: type[T],
        *,
        limit_s: float,
        reply: Reply | None = None,
    ) -> T:
        """Sends a request and waits for its answer.

        A helper that dies, hangs or is cut off is replaced before the next request.

        Args:
            reply: Answers what the helper asks before it answers.

        Raises:
            HelperDied: no answer; nothing is known about the request.
        """
        async with self._lock:
            if self._process is None:
                try:
                    await self.start()
                except OSError as error:
                    reason = f"it could not be started: {error.strerror or error}"
                    raise NotStarted(reason) from None
            answered = False
            try:
                async with asyncio.timeout(limit_s):
                    answer = await self._exchange(request, kind, reply)
                answered = True
                return answer
            except TimeoutError:
                raise HelperDied(f"no answer within {limit_s:.0f} s; it was ended") from None
            finally:
                if not answered:
                    await self.kill()

    async def _exchange(
        self, request: msgspec.Struct, kind: type[T], reply: Reply | None = None
    ) -> T:
        try:
            body = await self._sent(request)
            while reply is not None:
                said: T | messages.Behaves = msgspec.msgpack.decode(
                    body, type=kind | messages.Behaves
                )
                if not isinstance(said, messages.Behaves):
                    return said
                body = await self._sent(reply(said))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise HelperDied(await self._cause()) from None
        return msgspec.msgpack.decode(body, type=kind)

    async def _sent(self, message: msgspec.Struct) -> bytes:
        """Sends one frame; the body of the frame that comes back."""
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(messages.pack(message))
        await self._writer.drain()
        header = await self._reader.readexactly(messages.HEADER.size)
        return await self._reader.readexactly(messages.HEADER.unpack(header)[0])

    async def _cause(self) -> str:
        assert self._process is not None
        try:
            async with asyncio.timeout(_KILL_WAIT_S):
                code = await self._process.wait()
        except TimeoutError:
            return "it closed its socket"
        return f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"

    async def stop(self) -> None:
        """Lets the process leave by itself, which it does when its socket closes; else kills it."""
        if self._process is not None and self._writer is not None:
            self._writer.close()
            try:
                async with asyncio.timeout(_LEAVE_WAIT_S):
                    await self._process.wait()
            except TimeoutError:
                pass
        await self.kill()

    async def kill(self) -> None:
        """Kills the process, with a bounded wait; the kernel takes its children along."""
        process, self._process = self._process, None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        try:
            async with asyncio.timeout(_KILL_WAIT_S):
                await process.wait()
        except TimeoutError:
            raise MachineError(f"process {process.pid} did not end after SIGKILL") from None


class Pool:
    """Several helpers of one kind; a request goes to the one that was last busy, of the free ones.

    Args:
        at_once: So many start with the pool, the others when all that run are busy.
    """

    def __init__(
        self,
        module: str,
        size: int,
        *,
        setup: msgspec.Struct | None = None,
        log: Path | None = None,
        at_once: int | None = None,
    ) -> None:
        self._log = log.open("ab") if log is not None else None
        self._helpers = [Helper(module, setup, self._log) for _ in range(size)]
        self._at_once = size if at_once is None else at_once
        self._free: deque[Helper] = deque(self._helpers)
        self._available = asyncio.Semaphore(size)

    @property
    def size(self) -> int:
        return len(self._helpers)

    @property
    def tier(self) -> str:
        return self._helpers[0].tier

    async def start(self) -> None:
        """Starts helpers side by side; the first one's fault is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for helper in self._helpers[: self._at_once]:
                    group.create_task(helper.start())
        except BaseExceptionGroup as errors:
            await self.stop()
            first = first_leaf(errors)
            if isinstance(first, OSError):
                reason = f"no process could be started: {first.strerror or first}"
                raise MachineError(reason) from None
            raise first from None

    async def ask(
        self,
        request: msgspec.Struct,
        kind: type[T],
        *,
        limit_s: float,
        reply: Reply | None = None,
    ) -> T:
        """Asks a free helper, waiting for one if need be.

        One that there is no room for is done without, as long as another is there.

        Raises:
            HelperDied: see `Helper.ask`.
        """
        await self._available.acquire()
        helper = self._free.popleft()
        try:
            answer = await helper.ask(request, kind, limit_s=limit_s, reply=reply)
        except BaseException as error:
            if isinstance(error, NotStarted) and self.pids():
                return await self.ask(request, kind, limit_s=limit_s, reply=reply)
            self._free.append(helper)  # it has to be started first
            self._available.release()
            raise
        self._free.appendleft(helper)
        self._available.release()
        return answer

    async def stop(self) -> None:
        async with asyncio.TaskGroup() as group:
            for helper in self._helpers:
                group.create_task(helper.stop())
        if self._log is not None:
            self._log.close()

    def pids(self) -> Sequence[int]:
        return [h._process.pid for h in self._helpers if h._process is not None]
