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
import signal
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NoReturn

from sandbox import shared
from sandbox.channel import Channel, ChannelClosed, NoAnswer, Parts, ProtocolBroken
from sandbox.codec import CodecError, CodecLimits, decode, encode_parts
from sandbox.fork_server import Exit, ForkServer, Process, ServerLost, TooSlow
from sandbox.inside import wire
from sandbox.nearness import Nearness
from sandbox.records import (
    CandidateFailure,
    FailureKind,
    Limits,
    SandboxError,
    Usage,
    one_line,
    printable,
)

_NONCES = struct.Struct("<16Q")
_NUMBERS = frozenset((type(None), bool, int, float))
_TEXTS = frozenset((str, bytes))
_SHORT = 4096
_ENDING_S = 0.1
_CLOSING_S = 0.1
"""How long closing waits until a killed process is gone; a verdict does not."""
_REQUEST_LIMITS = CodecLimits(total_bytes=1 << 30)
_STATUS_LIMITS = 4096
_STILLBORN = 3
_DRIVEN = 32
"""Answers after which a candidate counts as driven, and moves to its caller's core."""
_SOURCE_CHARACTERS = 64 << 20


Start = tuple[dict[str, str], str, str | None, int, int, int]
"""Files, entry, driver, memory and CPU limits, bytes of an answer."""


class _ServerGone(Exception):
    """The candidate went because its server went."""


class _NeverBegan(Exception):
    """The process was ended from outside before it had taken its program."""


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
        replace: Callable[[ForkServer | None], ForkServer],
    ) -> None:
        self._start = start
        self._limits = limits
        self._server_of = server
        self._replace = replace
        self._answer_limits = CodecLimits(total_bytes=limits.output_bytes)
        self._server: ForkServer | None = None
        self._process: Process | None = None
        self._dying: int | None = None
        self._failure: CandidateFailure | None = None
        self._closed = False
        self._answers = 0
        self._nonces: list[int] = []
        self._started = 0.0
        self._deadline = 0.0
        self._channel: Channel | None = None
        self._nearness: Nearness | None = None
        self.usage = Usage()
        """What it used; complete once it is closed. Of one that failed and had so much memory that
        the kernel is still freeing it, what it had used when it was killed."""

    @property
    def stderr(self) -> str:
        """The end of what it printed, on either stream; control characters are escaped."""
        printed = self._channel.printed if self._channel else b""
        return printable(printed.decode(errors="replace"))

    @property
    def pid(self) -> int:
        """The number of its process, as it is seen from here.

        Raises:
            SandboxError: it has no process now.
        """
        if self._process is None:
            raise SandboxError("this candidate has no process")
        return _pid_of(self._process.pidfd)

    @property
    def cpu_ns(self) -> int:
        """Nanoseconds of CPU of its process so far, by the kernel's own account.

        Raises:
            SandboxError: it has no process now.
        """
        return _cpu_ns_of(self.pid)

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
            with contextlib.suppress(_ServerGone, ServerLost):
                self._finish()
                if self._dying is not None and self._server is not None:
                    end = self._server.ended(self._dying, _CLOSING_S)
                    if end is not None:
                        self._note_usage(self.usage.wall_s, end)

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
        if type(name) is not str:
            raise TypeError(f"the name of a function is text, not {type(name).__name__}")
        kind, content = _encoded(driven, name, args)
        if self._closed:
            raise SandboxError("this candidate is closed")
        if self._failure is not None:
            raise CandidateFailure(self._failure.kind, self._failure.reason, self._failure.stderr)
        if self._answers:
            try:
                return self._attempt(kind, content)
            except _ServerGone as gone:
                raise SandboxError(
                    f"the fork server was lost between two calls of a candidate: {gone}"
                ) from None
        # nothing of this candidate was seen yet: what is lost can be done again
        lost = False
        for _ in range(_STILLBORN):
            try:
                return self._attempt(kind, content)
            except _NeverBegan:
                continue
            except _ServerGone as gone:
                if lost:
                    raise SandboxError(f"the fork server was lost twice: {gone}") from None
                lost = True
                try:
                    self._replace(self._server)
                except _ServerGone as again:
                    raise SandboxError(f"the fork server was lost twice: {again}") from None
        raise SandboxError(
            f"{_STILLBORN} processes were killed before they had taken their program; "
            "is memory short?"
        )

    def _attempt(self, kind: int, content: Parts) -> object:
        channel = self._channel
        opening = b""
        if self._process is None or channel is None:
            channel = self._channel = self._take_process()
            start = marshal.dumps(self._start)
            opening = wire.HEAD.pack(0, len(start)) + start
            self._started = time.monotonic()
            channel.deadline = self._started + self._limits.wall_s
        if not self._nonces:
            self._nonces = list(_NONCES.unpack(os.urandom(_NONCES.size)))
        nonce = self._nonces.pop()
        try:
            if kind == wire.MARSHALLED:
                parts: Parts = [
                    opening + wire.FRAME.pack(nonce, 1 + len(content[0]), kind) + content[0]
                ]
            else:
                parts = [opening, *self._framed(channel, content, nonce)]
            answer = channel.exchange(parts, nonce)
            self._answers += 1
            if self._answers == _DRIVEN and self._process is not None:
                self._nearness = Nearness(_pid_of(self._process.pidfd))
            return self._judge(channel, answer, nonce)
        except NoAnswer:
            self._fail(FailureKind.TIMEOUT, f"no answer within {self._limits.wall_s:g} s")
        except ProtocolBroken as error:
            self._fail(FailureKind.VIOLATION, str(error))
        except ChannelClosed:
            self._died(began=bool(self._answers) or channel.taken() >= sum(map(len, parts)))

    def _framed(self, channel: Channel, content: Parts, nonce: int) -> Parts:
        """An encoded request, in memory that is lent where it is large and there is some."""
        size = sum(map(len, content))
        memory = channel.lend(size) if size >= wire.SHARED_BYTES else None
        if memory is not None:
            try:
                if _fill(memory, content) and channel.hand_over(memory):
                    return [
                        wire.FRAME.pack(nonce, 1 + wire.SIZE.size, wire.SHARED)
                        + wire.SIZE.pack(size)
                    ]
            finally:
                os.close(memory)
        return [wire.FRAME.pack(nonce, 1 + size, wire.ENCODED), *content]

    def _take_process(self) -> Channel:
        try:
            self._server = self._server_of()
            self._process = process = self._server.spawn(self._limits.tmp_bytes)
        except ServerLost as lost:
            raise _ServerGone(str(lost)) from None
        channel = Channel(
            process,
            answer_bytes=self._limits.output_bytes,
            lent_bytes=self._limits.memory_bytes,
            output_bytes=self._limits.stderr_bytes,
        )
        # before the source is handed over, so these bytes are the server's own
        try:
            said = channel.ready()
        except NoAnswer:
            with contextlib.suppress(_ServerGone):
                self._finish()
            raise TooSlow("a candidate was not ready in time; this machine is too busy") from None
        if said != wire.READY:
            with contextlib.suppress(_ServerGone):
                self._finish()
            if not said:
                raise _ServerGone("it ended before it was ready")
            raise SandboxError(f"cannot isolate a candidate: {one_line(said.decode())}")
        return channel

    def _judge(self, channel: Channel, answer: bytes | bytearray, nonce: int) -> object:
        kind = answer[wire.HEAD.size]
        if kind == wire.RETURNED and len(answer) < _SHORT:  # where a copy costs less than a view
            return self._decoded(answer[wire.FRAME.size :])
        payload = memoryview(answer)[wire.FRAME.size :]
        if kind == wire.RETURNED:
            return self._decoded(payload)
        if kind == wire.WANTED:
            return self._judge_large(channel, payload, nonce)
        if kind == wire.OUT_OF_MEMORY:
            self._fail(
                FailureKind.MEMORY, f"more than {self._limits.memory_bytes >> 20} MiB of memory"
            )
        text = one_line(bytes(payload[:_STATUS_LIMITS]).decode(errors="replace"))
        if kind == wire.FORBIDDEN:
            self._fail(FailureKind.VIOLATION, f"its answer may not cross: {text}")
        if kind == wire.RAISED:
            channel.collect_output()
            raise CandidateFailure(FailureKind.CRASH, text, self.stderr)
        raise ProtocolBroken("an answer with an unknown status")

    def _judge_large(self, channel: Channel, wish: memoryview, nonce: int) -> object:
        """An answer for which memory is wanted: lends it, and reads it when it is sealed."""
        size = wire.SIZE.unpack(wish)[0] if len(wish) == wire.SIZE.size else 0
        if not 1 <= size <= self._limits.output_bytes:
            raise ProtocolBroken(
                f"an answer of {size} bytes, at most {self._limits.output_bytes} may cross"
            )
        lent = channel.lend(size)
        try:
            granted = lent is not None and channel.hand_over(lent)
            reply = wire.FRAME.pack(nonce, 1, wire.LENT if granted else wire.REFUSED)
            answer = channel.exchange([reply], nonce)
            kind = answer[wire.HEAD.size]
            if kind == wire.WANTED:
                raise ProtocolBroken("wanted memory twice for one answer")
            if kind != wire.FILLED:
                return self._judge(channel, answer, nonce)
            if lent is None or not granted or len(answer) != wire.FRAME.size:
                raise ProtocolBroken("answered with memory that it was not lent")
            if channel.untaken():
                raise ProtocolBroken("did not take the memory it was lent")
            try:
                shared.seal(lent)
            except OSError:
                raise ProtocolBroken("kept a way to write to the memory of its answer") from None
            try:
                message = shared.mapped(lent, size)
            except OSError as error:
                raise SandboxError(f"no room for an answer of {size} bytes: {error}") from None
            return self._decoded(message, in_place=True)
        finally:
            if lent is not None:
                os.close(lent)

    def _decoded(
        self, message: bytes | bytearray | memoryview, *, in_place: bool = False
    ) -> object:
        try:
            return decode(message, self._answer_limits, in_place=in_place)
        except CodecError as error:
            raise ProtocolBroken(f"its answer does not decode: {error}") from None

    def _fail(self, kind: FailureKind, reason: str) -> NoReturn:
        with contextlib.suppress(_ServerGone):
            self._finish(wait=False)
        self._failure = CandidateFailure(kind, reason, self.stderr)
        raise self._failure

    def _died(self, *, began: bool) -> NoReturn:
        """The channel closed before an answer: by whose doing?

        Args:
            began: It took the whole of its first request; before that, none of its code runs.
        """
        assert self._process is not None
        ended = self._process.ended(_ENDING_S)
        end = self._finish()
        # who was still dying, on a busy machine, keeps its own status when it is killed
        assert end is not None
        by_itself = ended or end.status != -signal.SIGKILL
        if by_itself and not began:
            raise _NeverBegan
        if not by_itself:
            self._fail(FailureKind.VIOLATION, "closed its channel")
        cpu_s = self._start[4]
        match -end.status:
            # the kernel counts by its own ticks
            case signal.SIGKILL if end.cpu_s >= cpu_s / 2:
                self._fail(FailureKind.TIMEOUT, f"more than {cpu_s} s of CPU")
            case signal.SIGKILL:
                self._fail(FailureKind.MEMORY, "killed by the kernel, for want of memory")
            case signal.SIGSYS:
                self._fail(FailureKind.VIOLATION, "a system call that no program here may make")
            case number if number > 0:
                self._fail(FailureKind.CRASH, f"killed by {_name_of(number)}")
        self._fail(FailureKind.CRASH, f"ended by itself with exit code {end.status}")

    def _finish(self, *, wait: bool = True) -> Exit | None:
        """Kills, has the server reap, and closes every end; the second time nothing happens.

        Args:
            wait: Otherwise it is reaped later, and None given back. What it used is then what it
                had used when it was killed.

        Raises:
            _ServerGone: the server is lost, and with it the process.
        """
        process, self._process = self._process, None
        if self._nearness is not None:
            self._nearness.end()
        if process is None or self._server is None:
            return None
        if self._channel is not None:
            self._channel.collect_output()
        so_far = None if wait else _used_by(process.pidfd)
        try:
            end = self._server.end(
                process,
                within_s=None if wait else 0.0,
                held_bytes=self._limits.memory_bytes + self._limits.tmp_bytes,
            )
        except ServerLost as lost:
            raise _ServerGone(str(lost)) from None
        wall_s = time.monotonic() - self._started if self._started else 0.0
        self._note_usage(wall_s, end or so_far or Exit(0, 0.0, 0))
        self._dying = process.pid if end is None else None
        return end

    def _note_usage(self, wall_s: float, end: Exit) -> None:
        self.usage = Usage(wall_s=wall_s, cpu_s=end.cpu_s, memory_bytes=end.memory_bytes)


def _encoded(driven: bool, name: str, args: tuple[object, ...]) -> tuple[int, Parts]:
    """A request's kind and content; towards the candidate marshal is safe, and much cheaper."""
    for arg in args:
        if type(arg) not in _NUMBERS and not _is_small(arg):
            break
    else:
        # version 2 knows no references, so that equal parts stay apart as in the codec
        content = marshal.dumps((driven, name, args), 2)  # type: ignore[arg-type]
        if len(content) <= _REQUEST_LIMITS.integer_bytes:  # so that no integer in it is longer
            return wire.MARSHALLED, [content]
    return wire.ENCODED, encode_parts((driven, name, args), _REQUEST_LIMITS)


def _is_small(value: object) -> bool:
    """Whether this is a number, a short text, or a short list or tuple of such."""
    kind = type(value)
    if kind is bytes:
        return len(value) < _SHORT  # type: ignore[arg-type]
    if kind is str:
        # others may have a lone surrogate, which the codec refuses
        return len(value) < _SHORT and value.isascii()  # type: ignore[arg-type,attr-defined]
    if kind is list or kind is tuple:
        items: Sequence[object] = value  # type: ignore[assignment]
        if len(items) < _SHORT:
            kinds = set(map(type, items)) - _NUMBERS
            return not kinds or (kinds <= _TEXTS and all(map(_is_small, items)))
    return kind in _NUMBERS


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals but the first and the last have none
        return f"signal {number}"


def _pid_of(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("Pid:"))


def _cpu_ns_of(pid: int) -> int:
    # the clock of another process: clock_getcpuclockid(3)
    return time.clock_gettime_ns((~pid << 3) | 2)


def _used_by(pidfd: int) -> Exit | None:
    """What a living process has used so far; None where it has just died."""
    try:
        pid = _pid_of(pidfd)
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            peak = next((line.split()[1] for line in status if line.startswith("VmHWM:")), "0")
        return Exit(0, _cpu_ns_of(pid) / 1e9, int(peak) << 10)
    except OSError:
        return None


def _fill(memory: int, content: Parts) -> bool:
    """Puts a request into memory; False where a file may not be as large."""
    try:
        shared.fill(memory, content)
        shared.seal(memory)
    except OSError:
        return False
    return True


def check_files(files: Mapping[str, str], entry: str, driver: str | None = None) -> None:
    """Raises ValueError where a program is not a set of relative paths with a Python entry."""
    if not isinstance(files, Mapping):
        raise ValueError(f"a program is a mapping of paths to text, not {type(files).__name__}")
    for path, text in files.items():
        if not isinstance(path, str) or not isinstance(text, str):
            raise ValueError(f"file {path!r}: path and content are text, nothing else")
        if path.startswith("/") or ".." in path.split("/") or not path.isprintable():
            raise ValueError(f"{path!r} is not a relative path")
    size = sum(map(len, files.values()))
    if size > _SOURCE_CHARACTERS:
        raise ValueError(f"a program of {size} characters, at most {_SOURCE_CHARACTERS} are taken")
    if entry not in files or not entry.endswith(".py"):
        raise ValueError(f"entry {entry!r} is not a .py file of the program")
    if driver is not None and not isinstance(driver, str):
        raise ValueError(f"a driver is the text of a module, not {type(driver).__name__}")
