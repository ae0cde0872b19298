"""The plain records of the package's border, and its two exceptions.

SandboxError        the sandbox itself does not work; never the candidate's fault
CandidateFailure    the candidate failed; `kind` says how
"""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass
from enum import StrEnum

_MOST = 1 << 62


class Tier(StrEnum):
    """How well candidates are isolated.

    A: namespaces, read-only root, Landlock, seccomp, limits. B: Landlock, seccomp, limits.
    NONE: limits only, by explicit request.
    """

    A = "A"
    B = "B"
    NONE = "none"


class FailureKind(StrEnum):
    """How a candidate failed.

    CRASH: it raised or died. VIOLATION: hostile bytes, a type that may not cross, too much output,
    a broken protocol, or a system call that no honest program makes.
    """

    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    VIOLATION = "violation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one candidate may use.

    Attributes:
        wall_s: Its whole life, import included, from the moment its source is handed over.
        memory_bytes: Address space beyond what the warm interpreter already has.
        cpu_s: CPU seconds; with None as many as all cores give within the wall limit, and one.
        output_bytes: One answer.
        tmp_bytes: Its private scratch directory, in memory; tier B has none.
        stderr_bytes: What is kept of its output, from the end.

    Raises:
        ValueError: one of them is no limit.
    """

    wall_s: float = 10.0
    memory_bytes: int = 1 << 30
    cpu_s: int | None = None
    output_bytes: int = 16 << 20
    tmp_bytes: int = 16 << 20
    stderr_bytes: int = 8192

    def __post_init__(self) -> None:
        check_seconds("wall_s", self.wall_s)
        if self.cpu_s is not None:
            _check_whole("cpu_s", self.cpu_s, least=1)
        for name in ("memory_bytes", "output_bytes"):
            _check_whole(name, getattr(self, name), least=1)
        for name in ("tmp_bytes", "stderr_bytes"):
            _check_whole(name, getattr(self, name), least=0)


def check_seconds(name: str, value: object) -> None:
    """Raises ValueError where this is no time that can pass; not-a-number never would."""
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}, expected seconds: a number above 0")


def _check_whole(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or not least <= value <= _MOST:
        raise ValueError(f"{name} is {value!r}, expected a whole number from {least} to 2^62")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a candidate used, measured outside it."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0
    """Peak resident memory, the warm interpreter's included."""


class SandboxError(Exception):
    """The sandbox itself does not work; the message is one line and says what to do."""


class CandidateFailure(Exception):
    """The candidate failed; nothing it returned is used.

    Attributes:
        kind: How it failed.
        reason: One line, limited in length, control characters escaped.
        stderr: The end of what it printed.
    """

    def __init__(self, kind: FailureKind, reason: str, stderr: str = "") -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason
        self.stderr = stderr


_SCARCE = {
    errno.EAGAIN: "no more processes may be started: see `ulimit -u` and the group's pids limit",
    errno.ENOMEM: "memory is short: see `ulimit -v` and the group's memory limit",
    errno.EMFILE: "no more files may be open: see `ulimit -n`",
    errno.ENOSPC: "namespaces are used up, or forbidden: see `sysctl user.max_user_namespaces`",
}


def explained(error: OSError) -> str:
    """The kernel's answer, and what is scarce where it says that something is."""
    hint = _SCARCE.get(error.errno or 0)
    return f"{error} ({hint})" if hint else str(error)


def one_line(text: str, length: int = 500) -> str:
    """Untrusted text as one printable line, cut in the middle."""
    if len(text) > length:
        text = f"{text[: length - 160]} ... {text[-150:]}"
    return printable(text.replace("\n", " "))


def printable(text: str) -> str:
    """Untrusted text whose control characters, but for line ends and tabs, are escaped."""
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode()
        for character in text
    )
