"""The worker's end of what it says to one candidate, and of what that prints. All of it is hostile.

Covered: an answer that is too long, to another call, doubled or early; output without end; a
process that does not read, does not answer, or closes its end; memory that was lent and is not
given back as agreed. The clock is the worker's.

ProtocolBroken    the candidate sent what no candidate sends
NoAnswer          the deadline passed
ChannelClosed     the candidate's ends are closed: it died, or did that
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import termios
import time
from collections.abc import Sequence

from sandbox import shared
from sandbox.fork_server import Process
from sandbox.inside import wire

_FIRST_PIECE = 1 << 12
_PIECE = 1 << 16
"""What a pipe holds."""
_READY_S = 30.0
_STATUS_BYTES = 4096
_LONGEST_WAIT_S = 3600.0
_PRECISE_S = 0.5
"""A longer wait is not for the whole of it: the kernel may end a wait late by a thousandth of it,
and for a nice process by a two-hundredth."""

Parts = Sequence[bytes | memoryview]


class ProtocolBroken(Exception):
    """The message is one line."""


class NoAnswer(Exception):
    """Nothing came before the deadline."""


class ChannelClosed(Exception):
    """There is nobody at the other end."""


class Channel:
    """One round trip at a time.

    Args:
        answer_bytes: The longest answer.
        lent_bytes: Memory that may be lent in all: a candidate can keep what it was lent.
        output_bytes: What is kept of what it prints, from the end.

    Attributes:
        deadline: By the monotonic clock.
        printed: The end of what it printed so far.
    """

    def __init__(
        self, process: Process, *, answer_bytes: int, lent_bytes: int, output_bytes: int
    ) -> None:
        self.deadline = 0.0
        self.printed = b""
        self._process = process
        self._requests, self._answers = process.requests, process.answers
        self._output = process.output
        self._answer_bytes = answer_bytes
        self._lendable = lent_bytes
        self._output_bytes = output_bytes
        self._sent = 0
        self._waiter = select.poll()
        self._waiter.register(self._answers, select.POLLIN)
        self._waiter.register(self._output, select.POLLIN)

    def ready(self) -> bytes:
        """What the server's own code says before there is a candidate; b"" where it ended.

        Raises:
            NoAnswer: nothing in time.
        """
        waiter = select.poll()
        waiter.register(self._answers, select.POLLIN)
        if not waiter.poll(_READY_S * 1000):
            raise NoAnswer
        return os.read(self._answers, _STATUS_BYTES)

    def taken(self) -> int:
        """How many bytes the candidate took so far of what it was sent."""
        waiting = fcntl.ioctl(self._requests, termios.FIONREAD, bytes(4))
        return self._sent - int.from_bytes(waiting, "little")

    def exchange(self, request: Parts, nonce: int) -> bytes | bytearray:
        """Sends a request and reads one answer to it, its kind first.

        Raises:
            ProtocolBroken, NoAnswer, ChannelClosed
        """
        unsent = self._send(request)
        if unsent:
            self._waiter.register(self._requests, select.POLLOUT)
        answer: bytes | bytearray = b""
        missing = _FIRST_PIECE
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer
            wait = left if left < _PRECISE_S else min(left * 0.9, _LONGEST_WAIT_S)
            for descriptor, happened in self._waiter.poll(wait * 1000):
                if descriptor == self._answers:
                    # one more than there should be
                    piece = os.read(descriptor, missing + 1 if missing < _PIECE else _PIECE)
                    if not piece:
                        raise ChannelClosed
                    if not answer:
                        answer = piece
                    elif type(answer) is bytearray:
                        answer += piece  # in place
                    else:
                        answer = bytearray(answer + piece)
                    missing = self._missing(answer, nonce)
                    if missing == 0 and not unsent:
                        return answer
                    if missing <= 0:
                        raise ProtocolBroken("answered more than was asked")
                elif descriptor == self._output:
                    self._drain(happened)
                elif unsent:
                    unsent = self._send(unsent)
                    if not unsent:
                        self._waiter.unregister(self._requests)

    def lend(self, size: int) -> int | None:
        """Memory of a size for the other side, to be sealed here; None where there is none.

        The descriptor is the caller's to close; the candidate has been sent another one.
        """
        if size > self._lendable:
            return None
        try:
            memory = shared.make(size)
        except OSError:
            return None
        self._lendable -= size
        return memory

    def hand_over(self, memory: int) -> bool:
        """Sends a descriptor, where it can be sent; never a second to who did not take the first.

        Raises:
            ProtocolBroken: one is on its way already.
        """
        if self.untaken():
            raise ProtocolBroken("did not take the memory it was lent")
        try:
            self._process.lending.sendmsg(
                [b"m"],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, wire.DESCRIPTOR.pack(memory))],
                socket.MSG_DONTWAIT,
            )
        except OSError:  # nobody at the other end, or too many on their way in the whole machine
            return False
        return True

    def untaken(self) -> bool:
        """Whether a descriptor is still on its way."""
        return any(fcntl.ioctl(self._process.lending, termios.TIOCOUTQ, bytes(4)))

    def collect_output(self) -> None:
        """What is in the pipe now, and not what a living candidate goes on to print."""
        waiter = select.poll()
        waiter.register(self._output, select.POLLIN)
        for _ in range(4):
            if not any(happened & select.POLLIN for _, happened in waiter.poll(0)):
                return
            self._keep(os.read(self._output, _PIECE))

    def _send(self, parts: Parts) -> list[bytes | memoryview]:
        """Sends what the pipe takes now and gives back the rest."""
        for number, part in enumerate(parts):
            try:
                sent = os.write(self._requests, part)
            except BlockingIOError:
                return list(parts[number:])
            except BrokenPipeError:
                raise ChannelClosed from None
            self._sent += sent
            if sent < len(part):
                return [memoryview(part)[sent:], *parts[number + 1 :]]
        return []

    def _missing(self, answer: bytes | bytearray, nonce: int) -> int:
        """How many bytes are still to come; less than none where there are too many."""
        if len(answer) < wire.HEAD.size:
            return _FIRST_PIECE
        theirs, length = wire.HEAD.unpack_from(answer)
        if theirs != nonce:
            raise ProtocolBroken("answered another call than the one asked")
        if not 1 <= length <= self._answer_bytes + 1:
            raise ProtocolBroken(
                f"an answer of {length} bytes, at most {self._answer_bytes} may cross"
            )
        return wire.HEAD.size + int(length) - len(answer)

    def _drain(self, happened: int) -> None:
        piece = os.read(self._output, _PIECE) if happened & select.POLLIN else b""
        if piece:
            self._keep(piece)
        else:
            self._waiter.unregister(self._output)

    def _keep(self, piece: bytes) -> None:
        kept = self.printed + piece
        self.printed = kept[max(0, len(kept) - self._output_bytes) :]
