"""Finds a problem by name or path, imports its module, and checks its definition.

Names are folders beside this package (`problems/`), entry points of the group `evolve.problems`,
or paths. Nothing here imports `problems` as a package, so a folder of that name in the current
directory changes nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import NoReturn

from evolve import definition
from evolve.certificate import read_bytes
from evolve.errors import FaultError, ProblemError, UsageError, nearest
from evolve.overheard import overheard
from evolve.problem import Problem
from evolve.program import MAX_PROGRAM_BYTES, Program, ProgramError, check_seed
from evolve.terminal import duration

ENTRY = "program.py"
"""The file of a program whose functions stages call."""

LONG_IMPORT_S = 5.0

BUILT_IN = Path(__file__).resolve().parent.parent / "problems"
_EVALUATORS = Path(__file__).resolve().parent.parent / "evaluators"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A loaded problem with its parameters settled: everything a worker needs to judge programs."""

    problem: Problem
    parameters: Mapping[str, object]
    reference: str
    """What names it on a command line, e.g. "bin_packing:or3" or a path."""

    @property
    def driver(self) -> str | None:
        name = self.problem.driver
        return None if name is None else self.problem.read(name)

    def seeds(self) -> dict[str, Program]:
        """The seed programs by file name.

        Raises:
            FaultError: a seed cannot be read or has no EVOLVE-BLOCK.
        """
        found = {}
        names = self.problem.seed_files(self.parameters)
        if not names:
            raise FaultError(
                f"{self.problem.name}: no seeds; name at least one file in seeds=[...]"
            )
        for name in names:
            try:
                program = self.program(name)
                check_seed(program)
            except (ProgramError, ProblemError) as error:
                raise FaultError(f"seed {name} of {self.problem.name}: {error}") from None
            found[name] = program
        return found

    def program(self, name: str) -> Program:
        """A program of the problem's folder: one file, or a folder of files with a program.py.

        A single file is called program.py whatever its name was, so that programs from different
        seeds can be crossed.
        """
        path = self.problem.folder / name
        if not path.is_dir():
            return Program.of({ENTRY: self.problem.read(name)})
        files = {
            str(file.relative_to(path)): self.problem.read(str(Path(name) / file.relative_to(path)))
            for file in sorted(path.rglob("*.py"))
        }
        if ENTRY not in files:
            raise ProgramError(f"the folder has no {ENTRY}")
        return Program.of(files)


def program_in(file: Path) -> Program:
    """A program of one file that a person names.

    Raises:
        UsageError: it cannot be read, is something else than a file, or is no program.
    """
    try:
        return Program.of({ENTRY: read_bytes(file, MAX_PROGRAM_BYTES).decode("utf-8-sig")})
    except (UnicodeDecodeError, ProgramError) as error:
        raise UsageError(f"{file} is no program: {error}") from None


def available() -> dict[str, Path]:
    """Every problem that has a name here, with its folder."""
    found = {}
    for point in entry_points(group="evolve.problems"):
        spec = importlib.util.find_spec(point.value.partition(":")[0])
        if spec is not None and spec.origin:
            found[point.name] = Path(spec.origin).parent
    if BUILT_IN.is_dir():
        for folder in sorted(BUILT_IN.iterdir()):
            if (folder / "problem.py").is_file():
                found[folder.name] = folder
    return found


def load(reference: str, settings: Mapping[str, str] | None = None) -> Task:
    """Loads "NAME", "NAME:SHORTHAND" or a path (of a folder or of its problem.py).

    Raises:
        UsageError: no such problem, or parameters it does not take.
        FaultError: its module does not import, or does not define a sound `problem`.
    """
    folder, shorthand = _locate(reference)
    problem = _import(folder)
    try:
        definition.check(problem)
    except ProblemError as error:
        raise ProblemError(f"{folder / 'problem.py'}: {error}") from None
    try:
        parameters = problem.resolve(shorthand, settings)
        problem.settle(parameters)
    except ProblemError as error:
        raise UsageError(str(error)) from None
    return Task(problem=problem, parameters=parameters, reference=reference)


def _locate(reference: str) -> tuple[Path, str]:
    looks_like_path = "/" in reference or reference.startswith(".")
    path = Path(os.path.expanduser(reference))
    shorthand = ""
    if looks_like_path and not path.exists() and ":" in reference:
        text, _, shorthand = reference.rpartition(":")
        path = Path(os.path.expanduser(text))
    if looks_like_path:
        folder = path.parent if path.name == "problem.py" else path
        if not (folder / "problem.py").is_file():
            raise UsageError(
                f"{folder}: no problem.py there; `evolve new NAME` writes a folder that runs"
            )
        return folder.resolve(), shorthand
    name, _, shorthand = reference.partition(":")
    known = available()
    if name not in known:
        hint = nearest(name, list(known))
        beside = f"; for the folder here write ./{name}" if (path / "problem.py").is_file() else ""
        raise UsageError(f"no problem named {name!r}; {hint}{beside}")
    return known[name], shorthand


def _import(folder: Path) -> Problem:
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    name = f"evolve_problem_{folder.name}_{digest}"
    file = folder / "problem.py"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # relative imports in the folder need it
    try:
        with overheard(), _staying(), _told_when_long(file):
            spec.loader.exec_module(module)
    except ProblemError as error:
        raise FaultError(f"{file}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a user's module may raise anything
        why = located(error, folder).replace(f"{name}.", ".")
        raise FaultError(f"{file} does not import: {why}{_beside(error, folder)}") from None
    problem = getattr(module, "problem", None)
    if not isinstance(problem, Problem):
        raise FaultError(f"{file}: expected a module-level `problem = Problem(...)`")
    problem.folder = folder
    return problem


@contextmanager
def _staying() -> Iterator[None]:
    """While a module is imported os._exit raises as sys.exit does: else a run ends without a line,
    and with the code of success if the module likes."""
    leave, here = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != here:
            leave(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


@contextmanager
def _told_when_long(file: Path) -> Iterator[None]:
    """Who waits for a module that takes long, or never ends, reads which one it is."""
    began = time.monotonic()

    def tell() -> None:
        if sys.__stderr__ is not None:
            taken = duration(time.monotonic() - began)
            sys.__stderr__.write(f"evolve: {file} has been importing for {taken}; Ctrl-C ends it\n")
            sys.__stderr__.flush()

    timer = threading.Timer(LONG_IMPORT_S, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _beside(error: BaseException, folder: Path) -> str:
    """What to write where a file of the folder was imported as if it were installed."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        stem = error.name.partition(".")[0]
        if (folder / f"{stem}.py").is_file() or (folder / stem).is_dir():
            return f"; for the file beside it write `from .{stem} import ...`"
    return ""


def located(error: BaseException, folder: Path) -> str:
    """An exception in a user's code in one line: type, message, deepest line in `folder`."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(folder):
            where = f" ({Path(frame.filename).name}:{frame.lineno} in {frame.name})"
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({Path(error.filename).name}:{error.lineno})"
    text = str(error.msg if isinstance(error, SyntaxError) else error)
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}{where}"


def identity(task: Task) -> dict[str, str]:
    """Hashes of everything a verdict depends on: the problem's files, parameters and the verifiers.

    A run stores it and does not go on with a changed one.
    """
    hashes = {}
    folder = task.problem.folder
    statement = folder / task.problem.statement
    fixtures = set(task.problem.known_bad_files())
    contract = task.problem.contract_file(task.parameters)
    texts = {statement, *([folder / contract] if contract else [])}
    for path in sorted(p for p in {*folder.rglob("*.py"), *texts} - fixtures if p.is_file()):
        hashes[f"{folder.name}/{path.relative_to(folder)}"] = _digest(path)
    for path in sorted(_EVALUATORS.glob("*.py")):
        hashes[f"evaluators/{path.name}"] = _digest(path)
    stages = [*task.problem.stages, task.problem.validation_stage, task.problem.test_stage]
    limits = repr(
        [
            s and (s.name, s.timeout_s, s.memory_mb, s.pass_mark, s.cores, s.exclusive)
            for s in stages
        ]
    )
    text = repr(sorted(task.parameters.items())) + limits
    hashes["parameters and limits"] = hashlib.sha256(text.encode()).hexdigest()
    return hashes


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
