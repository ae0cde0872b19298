"""What the engine and its helper processes say to each other, over a trusted socket pair.

A frame is a 4-byte length and MessagePack. Candidates never see this channel; what came from one
has been through the sandbox's codec and a verifier before it gets here.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from islands_db.records import ProgramText, Verdict

HEADER = struct.Struct("<I")
MAX_FRAME = 256 << 20


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """First frame to a worker: which problem, and whether it must do without a sandbox."""

    reference: str
    parameters: dict[str, str]
    unsafe: bool = False


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A helper process is up, or says in one line why not."""

    tier: str = ""
    fault: str = ""
    exit_code: int = 0


class Evaluate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Judge a program on stages [first, last) of a split, drawn from `seed`."""

    files: dict[str, str]
    split: str
    seed: int
    first: int = 0
    last: int = 1 << 20
    artifact: bool = False
    probing: bool = False
    """The worker asks with `Behaves` when a stage says how the program behaves."""
    mark: float | None = None
    """The parent's fitness in stage `mark_at`, which a repeated measurement races against."""
    mark_at: int = 0


class Baselines(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Compute the problem's baselines on a split."""

    split: str
    seed: int


class Behaves(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A question on the way to an answer: has a program of this run behaved like this?"""

    behaviour: int


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to `Behaves`: the program that did, if any."""

    program: int | None = None


class Judged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answer to `Evaluate`; `artifact` is JSON text, `stopped` says a mark or stage failed.

    `twin_of` is a program that behaves the same; then nothing has been judged.
    `picture` is SVG text where the problem draws its artifact; `picture_fault` why there is none.
    """

    verdicts: tuple[Verdict, ...]
    rung: int = 0
    fitness: float | None = None
    features: dict[str, float] = {}
    cases: bytes = b""
    """As in `Outcome`, of the stage that gave the fitness."""
    artifact: str = ""
    picture: str = ""
    picture_fault: str = ""
    stopped: bool = False
    behaviour: int | None = None
    twin_of: int | None = None


class BaselineValue(msgspec.Struct, frozen=True, kw_only=True):
    """One computed baseline: its values, or why there are none."""

    name: str
    values: dict[str, float] = {}
    fault: str = ""


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    baselines: tuple[BaselineValue, ...]


class Listen(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ask the tree proposer's process what stages pass to a problem's programs."""

    reference: str
    parameters: dict[str, str]


Kinds = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""Kinds of names without annotation: functions by name, then names in them."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to `Listen`; `doubts` say of which seeds nothing can be made, `fault` what is wrong
    with the problem's probe."""

    given: Kinds
    doubts: tuple[str, ...]
    fault: str


class Mutate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ask the tree proposer for a child; `problem` is named where it has a probe."""

    parent: dict[str, str]
    inspirations: tuple[dict[str, str], ...]
    seed: int
    operators: tuple[str, ...] = ()
    primitives: tuple[str, ...] = ()
    given: Kinds = ()
    max_length: int = 0
    problem: Listen | None = None


class Tune(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the tuner for other values of a program's literals; `told` are pairs of values and rank.

    The answer follows from everything here but `session`, which names what may be remembered.
    `problem` is named where it has a probe.
    """

    session: int
    base: dict[str, str]
    literals: frozenset[int]
    told: tuple[tuple[tuple[float, ...], tuple[int, float]], ...]
    seed: int
    operator: str
    problem: Listen | None = None


class Mutated(msgspec.Struct, frozen=True, kw_only=True):
    """A child, also as SEARCH/REPLACE text, or the reason why there is none."""

    answer: str = ""
    program: ProgramText | None = None
    behaviour: int | None = None
    """What it will do, where that could be foretold."""
    operator: str = ""
    reason: str = ""
    instead: Mutated | None = None
    """The next best child, should this one be known already."""


T = TypeVar("T")


def pack(message: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return HEADER.pack(len(body)) + body


def send(sock: socket.socket, message: msgspec.Struct) -> None:
    """Sends the engine a helper's message; ends the helper where the engine has closed its end."""
    try:
        sock.sendall(pack(message))
    except (BrokenPipeError, ConnectionResetError):
        raise SystemExit(0) from None


def receive(sock: socket.socket) -> bytes | None:
    """The next frame's body, or None when the other side has gone."""
    header = _exactly(sock, HEADER.size)
    if header is None:
        return None
    return _exactly(sock, HEADER.unpack(header)[0])


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        count = sock.recv_into(view[got:])
        if count == 0:
            return None
        got += count
    return bytes(buffer)


def texts(parameters: Mapping[str, object]) -> dict[str, str]:
    """Parameters as the text that `Problem.resolve` reads back."""
    return {name: str(value) for name, value in parameters.items()}
