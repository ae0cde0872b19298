"""The suite any sandbox must pass: every attack held, honest programs unharmed.

for outcome in run(Sandbox): print(outcome.name, outcome.held, outcome.detail)
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.attacks import ATTACKS, KIT, Attack
from sandbox.box import Sandbox
from sandbox.records import CandidateFailure, SandboxError, one_line

_SHORT = (
    "a file by its path",
    "a key in the environment",
    "the list of processes",
    "inherited descriptors",
    "an answer to another call",
    "fork",
    "loopback TCP",
    "ptrace",
    "writing beside its scratch folder",
    "a loop that ignores every signal",
    "memory by a list",
    "threads",
    "a file in the scratch folder",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attack; `detail` says what it got, or how it was stopped."""

    name: str
    group: str
    held: bool
    detail: str


def short() -> tuple[Attack, ...]:
    """About a dozen attacks, one or two of each kind, that take a second together."""
    return tuple(attack for attack in ATTACKS if attack.name in _SHORT)


def run(
    make: Callable[[Sequence[str]], Sandbox],
    attacks: Iterable[Attack] = ATTACKS,
    *,
    folders: Sequence[str] = (),
    modules: Sequence[str] = ("sandbox",),
) -> Iterator[Outcome]:
    """Runs attacks, each in a fresh candidate; those that need no distribution share a sandbox.

    Args:
        make: Makes a sandbox whose candidates may import these distributions, all preloaded.
        folders: Folders that no candidate may see.
        modules: Modules that no candidate may import.
    """
    waiting = sorted(attacks, key=lambda attack: attack.needs)
    with world(folders, modules) as around:
        for needs in sorted({attack.needs for attack in waiting}):
            with make(needs) as sandbox:
                for attack in waiting:
                    if attack.needs == needs:
                        yield outcome(sandbox, attack, around)


@contextmanager
def world(folders: Sequence[str], modules: Sequence[str]) -> Iterator[dict[str, object]]:
    """Something to be stolen: a file, a key in the environment, listeners; their names."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        secret = Path(folder, "secret")
        secret.write_text(secrets.token_hex(16), encoding="ascii")
        abstract = secrets.token_hex(8)
        unix.bind(f"\0{abstract}")
        unix.listen()
        name = f"SECRET_{secrets.token_hex(4)}"
        os.environ[name] = secrets.token_hex(16)
        try:
            yield {
                "secret_file": str(secret),
                "secret_name": name,
                "folders": [folder, str(Path(__file__).parent), *folders],
                "modules": list(modules),
                "port": tcp.getsockname()[1],
                "abstract": abstract,
                "worker_pid": os.getpid(),
                "homes": [os.path.expanduser("~")],  # "~" where nobody knows it
                "hostname": socket.gethostname(),
            }
        finally:
            del os.environ[name]


def outcome(sandbox: Sandbox, attack: Attack, around: dict[str, object]) -> Outcome:
    """Runs one attack."""
    held, detail = True, ""
    try:
        if attack.before:
            _call(sandbox, attack.before, attack, around)
        value = _call(sandbox, attack.source, attack, around)
        detail = _shown(value)
        held = _is_held(attack, value)
    except CandidateFailure as failure:
        held, detail = failure.kind in attack.fails, str(failure)
    except SandboxError as error:
        held, detail = False, f"the sandbox broke: {error}"
    return Outcome(name=attack.name, group=attack.group, held=held, detail=detail)


def _shown(value: object) -> str:
    try:
        return one_line(repr(value), 200)
    except ValueError:  # an integer of more digits than are printed
        return f"a value of type {type(value).__name__} that cannot be printed"


def _is_held(attack: Attack, value: object) -> bool:
    try:
        return bool(attack.held(value))
    except ValueError:  # an array is neither true nor false: something came out
        return False


def _call(sandbox: Sandbox, source: str, attack: Attack, around: dict[str, object]) -> object:
    files = {"program.py": source, "kit.py": KIT}
    with sandbox.open(files, entry="program.py", limits=attack.limits) as candidate:
        value: object = None
        for call in range(attack.calls):
            value = candidate.call("attack", {**around, "call": call})
        return value
