"""A figure to reach, what was measured for it, and the file that keeps full measurements."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
_PARTS = ("evolve", "islands_db", "sandbox", "evaluators", "problems", "requirements.lock")
_NO_README = ":(exclude,glob)**/README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to measure: all of it or a sample, and where chance comes from."""

    full: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value and what it was measured on."""

    value: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """Why there is no value."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One claim: `value` must be at most (or at least) the target; without one it is only shown."""

    name: str
    unit: str
    measure: Callable[[Plan], Measured | NotMeasured]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return f">= {self.at_least:g}" if self.at_least is not None else ""

    def reached(self, value: float) -> bool | None:
        if self.at_most is not None:
            return value <= self.at_most
        return value >= self.at_least if self.at_least is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A measured row, as it is printed and kept."""

    suite: str
    name: str
    value: float | None
    unit: str
    target: str
    verdict: str
    detail: str
    full: bool
    seed: int
    commit: str
    machine: str
    date: str


def measure(suite: str, row: Row, plan: Plan) -> Result:
    """Measures one row; what it meets does not keep the others from being measured."""
    found: Measured | NotMeasured
    try:
        found = row.measure(plan)
    except Exception as error:  # noqa: BLE001
        found = NotMeasured(why=" ".join(f"{type(error).__name__}: {error}".split())[:300])
    if isinstance(found, NotMeasured):
        value, verdict, detail = None, f"not measured ({found.why})", ""
    else:
        reached = row.reached(found.value)
        verdict = "shown" if reached is None else "met" if reached else "short"
        value, detail = found.value, found.detail
    return Result(
        suite=suite, name=row.name, value=value, unit=row.unit, target=row.target,
        verdict=verdict, detail=detail, full=plan.full, seed=plan.seed, commit=commit(),
        machine=machine(), date=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


def kept(suite: str, plan: Plan) -> Iterator[Result]:
    """Full results of this commit and seed that are on file already."""
    file = RESULTS / f"{suite}.jsonl"
    if not file.exists() or commit().endswith("+"):
        return  # one changed tree looks like another
    for line in file.read_text(encoding="utf-8").splitlines():
        result = Result(**json.loads(line))
        if result.commit == commit() and result.seed == plan.seed and result.full:
            yield result


def keep(result: Result) -> None:
    """Appends a full result to the suite's file."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{result.suite}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def commit() -> str:
    """The commit measured, with a mark when the tree differs from it."""
    root = Path(__file__).parent.parent
    try:
        name = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ":!benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.strip() + ("+" if changed.strip() else "")


def code(root: Path = Path(__file__).parent.parent) -> str:
    """What a run consists of, as a hash, with a mark when the tree differs from the commit.

    Documents (the problems' READMEs among them), tests, results and benchmarks do not count, so
    what was begun goes on beyond them.
    """
    try:
        files = _git(root, "ls-tree", "-r", "HEAD", "--", *_PARTS).splitlines()
        changed = _git(root, "status", "--porcelain", "--", *_PARTS, _NO_README)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    counted = "\n".join(file for file in files if not file.endswith("/README.md"))
    name = hashlib.sha256(counted.encode()).hexdigest()[:12]
    return name + ("+" if changed.strip() else "")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=root, text=True)


def machine() -> str:
    """Cores, memory, processor and kernel, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    versions = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory} GiB, {model}, {versions}"
