"""A toy problem in a folder of its own, and the command line as a user runs it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from .warm import warm

PROBLEM = """
from evaluators import Invalid
from evolve import Problem, Record, Score

problem = Problem(
    name="toy",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min distance",
    parameters={"goal": 1000},
    shorthand="{goal}",
    records=[Record(value=0, who="arithmetic", source="by definition")],
    known_bad=["bad.py"],
)


@problem.stage(timeout_s=2.0, memory_mb=256)
def close(candidate, *, goal):
    found = candidate.call("answer")
    if type(found) not in (int, float) or found != found or abs(found) > 1e12:
        return Invalid(f"answer() gave {found!r:.40}, expected a number below 1e12")
    return Score(distance=abs(found - goal))


@problem.validation(timeout_s=2.0, memory_mb=256)
def fresh(candidate, *, goal):
    return close(candidate, goal=goal)


@problem.test(timeout_s=2.0, memory_mb=256)
def final(candidate, *, goal):
    return close(candidate, goal=goal)


@problem.baseline("zero")
def zero(*, goal, seed, split):
    return Score(distance=abs(goal))
"""

SEED = """
# EVOLVE-BLOCK-START
def answer():
    return 3 * 7
# EVOLVE-BLOCK-END
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.out)
        return found

    @property
    def one_line(self) -> str:
        """Standard error, which must be one line without a traceback."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("evolve: "), self.err
        assert "Traceback" not in self.err
        return lines[0]


class Evolve:
    """The command line, in a folder of its own.

    A run has one worker where its test says nothing else: each takes half a second to start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *arguments: object) -> list[str]:
        if arguments[:1] == ("run",) and "--workers" not in arguments:
            arguments += ("--workers", 1)
        return [str(Path(sys.executable).with_name("evolve")), *map(str, arguments)]

    def __call__(self, *arguments: object, environment: dict[str, str] | None = None) -> Ended:
        inherited = {**os.environ, **(environment or {})}
        return Ended(*warm().run(self.command(*arguments), self.folder, inherited, timeout_s=400))

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def evolve(tmp_path: Path) -> Evolve:
    return Evolve(tmp_path)


@pytest.fixture(scope="session")
def make_evolve() -> Callable[[Path], tuple[Evolve, Path]]:
    """The command line in a folder, with the toy problem in it; for fixtures of wider scope."""
    return lambda folder: (Evolve(folder), write_toy(folder / "toy", {}))


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A folder with a sound problem: find the number that is the goal."""
    return write_toy(tmp_path / "toy", {})


@pytest.fixture
def variant(tmp_path: Path) -> Callable[..., Path]:
    """Writes the toy problem with other files, or with texts in problem.py replaced."""

    def write(name: str = "toy", *replacements: tuple[str, str], **files: str) -> Path:
        problem = PROBLEM
        for before, after in replacements:
            assert before in problem
            problem = problem.replace(before, after)
        return write_toy(tmp_path / name, {"problem": problem, **files})

    return write


@pytest.fixture(scope="session")
def terminal() -> Callable[..., str]:
    """Runs a command in a pseudo-terminal so wide and gives back what it wrote."""

    def run(
        evolve: Evolve,
        columns: int,
        *arguments: object,
        environment: dict[str, str] | None = None,
        codes: tuple[int, ...] = (0,),
    ) -> str:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # these two would count for more than the terminal itself, and some test runners set them
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        process = subprocess.Popen(
            evolve.command(*arguments), cwd=evolve.folder, stdout=theirs, stderr=theirs,
            env={**inherited, "TERM": "xterm", **(environment or {})},
        )  # fmt: skip
        os.close(theirs)
        written = bytearray()
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed: that is how Linux says so
                break
            if not part:
                break
            written += part
        os.close(ours)
        assert process.wait(60) in codes
        return written.decode().replace("\r\n", "\n")

    return run


def write_toy(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    texts = {"problem": PROBLEM, "seed": SEED, "bad": SEED.replace("3 * 7", "'forged'"), **files}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(dedent(text))
    (folder / "statement.md").write_text("Return the goal.")
    return folder
