"""The command socket of a live run: one JSON line in, one JSON line out.

What it is told is in `commands`. It lies in the run's folder with mode 0600, so
whoever may write there may command, and nobody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from evolve.errors import EvolveError, UsageError

MAX_LINE = 8 << 20
_ANSWER_S = 30.0
Handler = Callable[[str, Mapping[str, object]], Awaitable[dict[str, object]]]


class ControlServer:
    """Listens in a run's folder and hands commands to one handler."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX)
        with _short(self._path) as address:
            sock.bind(address)
        os.chmod(self._path, 0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=MAX_LINE)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await self._answer(await reader.readline())
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, TimeoutError, ValueError):
            pass  # whoever asked has gone, or sent a line without end
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, object]:
        try:
            message = msgspec.json.decode(line)  # unlike json, without NaN and lone surrogates
        except (msgspec.DecodeError, RecursionError):
            return {"error": "expected one line of JSON"}
        if not isinstance(message, dict) or not isinstance(message.get("command"), str):
            return {"error": 'expected {"command": ..., ...}'}
        try:
            return await self._handler(message["command"], message)
        except EvolveError as error:
            return {"error": str(error)}


def send(path: Path, command: str, **arguments: object) -> dict[str, object]:
    """Sends one command to a live run and gives its answer.

    Raises:
        UsageError: no run listens there, or it refuses the command.
    """
    return ask(path, {"command": command, **arguments})


def ask(
    path: Path, message: Mapping[str, object], *, within_s: float = _ANSWER_S
) -> dict[str, object]:
    """As `send`, with the whole message; the answer must come within that time.

    Raises:
        UsageError: no run listens there, or it refuses the command.
    """
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(within_s)
    try:
        with sock, _short(path) as address:
            sock.connect(address)
            sock.sendall(json.dumps(message).encode() + b"\n")
            with sock.makefile("rb") as answers:
                line = answers.readline(MAX_LINE)
        answer: dict[str, object] = json.loads(line)
    except (OSError, ValueError):
        raise UsageError(
            f"no live run at {path.parent}; `evolve ls` says which there are"
        ) from None
    if "error" in answer:
        raise UsageError(str(answer["error"]))
    return answer


@contextmanager
def _short(path: Path) -> Iterator[str]:
    # a socket's address has room for 107 bytes; a path through an open directory is short
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
