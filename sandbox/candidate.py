"""The worker's handle on one candidate. Every byte that comes from the candidate is hostile.

Covered: an answer that is too long, to another call, doubled, early or none at all; output without
end; a process that dies, hangs, stops itself or closes its channel. The clock that counts is the
worker's; what ends the candidate is SIGKILL through a pidfd.

Not covered: whether an answer is right. Code of the candidate runs in the same process as the
driver, so what a driver returns is as untrusted as everything else.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import struct
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NoReturn

from sandbox.codec import CodecError, CodecLimits, decode, encode
from sandbox.fork_server import Exit, ForkServer, Process, ServerLost
from sandbox.records import (
    CandidateFailure,
    FailureKind,
    Limits,
    SandboxError,
    Usage,
    one_line,
    printable,
)

_HEAD = struct.Struct("<QI")
_NONCES = struct.Struct("<16Q")
_READY = b"+"
_MARSHALLED, _ENCODED = b"M", b"C"
_SCALARS = frozenset((type(None), bool, int, float, str, bytes))
_RETURNED, _RAISED, _OUT_OF_MEMORY, _FORBIDDEN = b"REMF"
_READY_S = 10.0
_PIECE = 1 << 18
_ENDING_MS = 100
_REQUEST_LIMITS = CodecLimits(total_bytes=1 << 30)
_STATUS_LIMITS = 4096


Start = tuple[dict[str, str], str, str | None, int, int | None, int]
"""Files, entry, driver, memory and CPU limits, bytes of an answer."""


class _ServerGone(Exception):
    """The candidate went because its server went."""


class Candidate:
    """A program in the sandbox; made by `Sandbox.open`. Leaving it kills and reaps.

    The program is handed over, and its clock starts, with the first call. After a failure other
    than an exception of its own it is dead, and every further call fails the same way.
    """

    def __init__(
        self,
        *,
        start: Start,
        limits: Limits,
        server: Callable[[], ForkServer],
        replace: Callable[[], ForkServer],
    ) -> None:
        self._start = start
        self._limits = limits
        self._server_of = server
        self._replace = replace
        self._answer_limits = CodecLimits(total_bytes=limits.output_bytes)
        self._server: ForkServer | None = None
        self._process: Process | None = None
        self._failure: CandidateFailure | None = None
        self._closed = False
        self._answers = 0
        self._nonces: list[int] = []
        self._started = 0.0
        self._deadline = 0.0
        self._tail = b""
        self.usage = Usage()
        """What it used; complete once it is closed."""

    @property
    def stderr(self) -> str:
        """The end of what it printed, on either stream; control characters are escaped."""
        return printable(self._tail.decode(errors="replace"))

    @property
    def cpu_ns(self) -> int:
        """Nanoseconds of CPU of its process so far, by the kernel's own account.

        Raises:
            SandboxError: it has no process now.
        """
        if self._process is None:
            raise SandboxError("this candidate has no process")
        with open(f"/proc/self/fdinfo/{self._process.pidfd}", encoding="ascii") as info:
            pid = next(int(line.split()[1]) for line in info if line.startswith("Pid:"))
        # the clock of another process: clock_getcpuclockid(3)
        return time.clock_gettime_ns((~pid << 3) | 2)

    @property
    def finished(self) -> bool:
        """Whether it has no process, and will have none."""
        return self._closed or self._failure is not None

    def call(self, name: str, /, *args: object) -> object:
        """Calls function `name` of the entry module with plain data and gives back plain data.

        Raises:
            CandidateFailure: it raised, died, hung, or sent what may not cross.
            SandboxError: the sandbox does not work.
            CodecError: the arguments are not plain data.
        """
        return self._request(False, name, args)

    def drive(self, name: str, /, *args: object) -> object:
        """Calls function `name` of the driver, inside, as name(candidate_module, *args)."""
        return self._request(True, name, args)

    def close(self) -> None:
        """Kills the candidate and waits until it is gone."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(_ServerGone):
                self._finish()

    def __enter__(self) -> Candidate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _request(self, driven: bool, name: str, args: tuple[object, ...]) -> object:
        # towards the candidate marshal is safe, and much cheaper where it says the same
        if all(type(arg) in _SCALARS or _is_flat(arg) for arg in args):
            # version 2 knows no references, so that equal parts stay apart as in the codec
            request = _MARSHALLED, marshal.dumps((driven, name, args), 2)  # type: ignore[arg-type]
        else:
            request = _ENCODED, encode((driven, name, args), _REQUEST_LIMITS)
        if self._closed:
            raise SandboxError("this candidate is closed")
        if self._failure is not None:
            raise CandidateFailure(self._failure.kind, self._failure.reason, self._failure.stderr)
        try:
            return self._attempt(request)
        except _ServerGone as gone:
            if self._answers:
                raise SandboxError(
                    f"the fork server was lost between two calls of a candidate: {gone}"
                ) from None
        # nothing of this candidate was seen yet: once more, with a new server
        try:
            self._replace()
            return self._attempt(request)
        except _ServerGone as gone:
            raise SandboxError(f"the fork server was lost twice: {gone}") from None

    def _attempt(self, request: tuple[bytes, bytes]) -> object:
        if self._process is None:
            self._take_process()
            start = marshal.dumps(self._start)
            opening = _HEAD.pack(0, len(start)) + start
            self._started = time.monotonic()
            self._deadline = self._started + self._limits.wall_s
        else:
            opening = b""
        if not self._nonces:
            self._nonces = list(_NONCES.unpack(os.urandom(_NONCES.size)))
        nonce = self._nonces.pop()
        kind, content = request
        opening += _HEAD.pack(nonce, 1 + len(content)) + kind
        # what is long is not copied once more
        parts = [opening, content] if len(content) > _PIECE else [opening + content]
        answer = self._exchange(parts, nonce)
        self._answers += 1
        return self._judge(answer)

    def _take_process(self) -> None:
        try:
            self._server = self._server_of()
            self._process = process = self._server.spawn(self._limits.tmp_bytes)
        except ServerLost as lost:
            raise _ServerGone(str(lost)) from None
        process.channel.settimeout(_READY_S)
        # before the source is handed over, so these bytes are the server's own
        try:
            said = process.channel.recv(_STATUS_LIMITS)
        except OSError as error:
            said = str(error).encode()
        if said != _READY:
            with contextlib.suppress(_ServerGone):
                self._finish()
            if not said:
                raise _ServerGone("it ended before it was ready")
            raise SandboxError(f"cannot isolate a candidate: {one_line(said.decode())}")
        process.channel.setblocking(False)
        self._waiter = select.poll()
        self._waiter.register(process.channel, select.POLLIN)
        self._waiter.register(process.output, select.POLLIN)

    def _exchange(self, request: list[bytes], nonce: int) -> bytearray:
        """Sends one request and reads one answer, draining what is printed meanwhile."""
        assert self._process is not None
        channel, output = self._process.channel, self._process.output
        unsent = [memoryview(part) for part in request]
        answer = bytearray()
        expected = -1
        waiting = False
        while True:
            if unsent:
                self._send(unsent)
                if unsent or waiting:
                    waiting = bool(unsent)
                    events = select.POLLIN | (select.POLLOUT if waiting else 0)
                    self._waiter.modify(channel, events)
            left = self._deadline - time.monotonic()
            ready = self._waiter.poll(max(left, 0.0) * 1000) if left > 0 else []
            if not ready:
                self._fail(FailureKind.TIMEOUT, f"no answer within {self._limits.wall_s:g} s")
            for descriptor, happened in ready:
                if descriptor == output:
                    self._drain(happened)
                elif happened & ~select.POLLOUT:
                    answer += self._receive()
                    if expected < 0 and len(answer) >= _HEAD.size:
                        expected = self._expect(answer, nonce)
                    if 0 <= expected <= len(answer):
                        if len(answer) > expected or unsent:
                            self._fail(FailureKind.VIOLATION, "answered more than was asked")
                        return answer

    def _expect(self, answer: bytearray, nonce: int) -> int:
        theirs, length = _HEAD.unpack_from(answer)
        if theirs != nonce:
            self._fail(FailureKind.VIOLATION, "answered another call than the one asked")
        if not 1 <= length <= self._limits.output_bytes + 1:
            self._fail(
                FailureKind.VIOLATION,
                f"an answer of {length} bytes, at most {self._limits.output_bytes} may cross",
            )
        return _HEAD.size + int(length)

    def _send(self, parts: list[memoryview]) -> None:
        """Sends what the channel takes now and leaves the rest in the list."""
        assert self._process is not None
        try:
            while parts:
                parts[0] = parts[0][self._process.channel.send(parts[0]) :]
                if parts[0]:
                    return
                del parts[0]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._died()

    def _receive(self) -> bytes:
        assert self._process is not None
        try:
            piece = self._process.channel.recv(_PIECE)
        except BlockingIOError:
            return b""
        except ConnectionResetError:
            piece = b""
        if not piece:
            self._died()
        return piece

    def _drain(self, happened: int) -> None:
        assert self._process is not None
        piece = os.read(self._process.output, _PIECE) if happened & select.POLLIN else b""
        if piece:
            self._tail = (self._tail + piece)[-self._limits.stderr_bytes :]
        else:
            self._waiter.unregister(self._process.output)

    def _judge(self, answer: bytearray) -> object:
        status, payload = answer[_HEAD.size], memoryview(answer)[_HEAD.size + 1 :]
        if status == _RETURNED:
            try:
                return decode(payload, self._answer_limits)
            except CodecError as error:
                self._fail(FailureKind.VIOLATION, f"its answer does not decode: {error}")
        if status == _OUT_OF_MEMORY:
            self._fail(
                FailureKind.MEMORY, f"more than {self._limits.memory_bytes >> 20} MiB of memory"
            )
        text = one_line(bytes(payload[:_STATUS_LIMITS]).decode(errors="replace"))
        if status == _FORBIDDEN:
            self._fail(FailureKind.VIOLATION, f"its answer may not cross: {text}")
        if status == _RAISED:
            self._collect_output()
            raise CandidateFailure(FailureKind.CRASH, text, self.stderr)
        self._fail(FailureKind.VIOLATION, "an answer with an unknown status")

    def _fail(self, kind: FailureKind, reason: str) -> NoReturn:
        with contextlib.suppress(_ServerGone):
            self._finish()
        self._failure = CandidateFailure(kind, reason, self.stderr)
        raise self._failure

    def _died(self) -> NoReturn:
        """The channel closed before an answer: by whose doing?"""
        assert self._process is not None
        ending = select.poll()
        ending.register(self._process.pidfd, select.POLLIN)
        by_itself = bool(ending.poll(_ENDING_MS))
        end = self._finish()
        if not by_itself:
            self._fail(FailureKind.VIOLATION, "closed its channel")
        cpu_s = self._limits.cpu_s
        match -end.status:
            # the kernel counts by its own ticks
            case signal.SIGKILL if cpu_s is not None and end.cpu_s >= cpu_s / 2:
                self._fail(FailureKind.TIMEOUT, f"more than {cpu_s} s of CPU")
            case signal.SIGKILL:
                self._fail(FailureKind.MEMORY, "killed by the kernel, for want of memory")
            case signal.SIGSYS:
                self._fail(FailureKind.VIOLATION, "a system call that no program here may make")
            case number if number > 0:
                self._fail(FailureKind.CRASH, f"killed by {signal.Signals(number).name}")
        self._fail(FailureKind.CRASH, f"ended by itself with exit code {end.status}")

    def _finish(self) -> Exit:
        """Kills, has the server reap, and closes every end; the second time nothing happens.

        Raises:
            _ServerGone: the server is lost, and with it the process.
        """
        process, self._process = self._process, None
        if process is None or self._server is None:
            return Exit(0, 0.0, 0)
        self._collect_from(process)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        try:
            end = self._server.reap(process.pid)
        except ServerLost as lost:
            raise _ServerGone(str(lost)) from None
        finally:
            process.close()
        self.usage = Usage(
            wall_s=time.monotonic() - self._started if self._started else 0.0,
            cpu_s=end.cpu_s,
            memory_bytes=end.memory_bytes,
        )
        return end

    def _collect_output(self) -> None:
        assert self._process is not None
        self._collect_from(self._process)

    def _collect_from(self, process: Process) -> None:
        """What is in the pipe now, and not what a living candidate goes on to write."""
        waiter = select.poll()
        waiter.register(process.output, select.POLLIN)
        for _ in range(2):
            if not any(happened & select.POLLIN for _, happened in waiter.poll(0)):
                return
            piece = os.read(process.output, _PIECE)
            self._tail = (self._tail + piece)[-self._limits.stderr_bytes :]


def _is_flat(value: object) -> bool:
    """Whether this is a list or tuple of scalars."""
    return type(value) in (list, tuple) and _SCALARS.issuperset(map(type, value))  # type: ignore[call-overload]


def check_files(files: Mapping[str, str], entry: str) -> None:
    """Raises ValueError where a program is not a set of relative paths with a Python entry."""
    for path in files:
        if path.startswith("/") or ".." in path.split("/") or not path.isprintable():
            raise ValueError(f"{path!r} is not a relative path")
    if entry not in files or not entry.endswith(".py"):
        raise ValueError(f"entry {entry!r} is not a .py file of the program")
