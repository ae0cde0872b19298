"""Run folders: names, what lies in them, and the lock that keeps two processes apart.

runs/NAME/run.db            everything that happened
runs/NAME/run.toml          the resolved configuration, for reading
runs/NAME/certificate.json  what was found, re-checkable
runs/NAME/picture.svg       what was found as the problem draws it
runs/NAME/best.py           the champion's program
runs/NAME/worker.log        what the problem's own code printed
runs/NAME/run.sock          commands for a live run
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from evolve.errors import BusyError, MachineError, UsageError, nearest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADJECTIVES = """
    amber bold brisk calm clear crisp deft early fair fleet fresh gentle glad keen lively lucid
    merry mild neat noble plain proud quick quiet rapid ready sharp silent sleek smart solid
    spry still sunny sure swift tidy vivid warm wise
""".split()  # noqa: SIM905  a list of words reads better as words
_NOUNS = """
    aspen badger beech birch cedar crane dove elm falcon fern finch fox hare hawk hazel heron
    ibis jay kite larch lark linden lynx maple marten oak osprey otter owl pine plover quail
    raven robin rowan sparrow stork swan teal thrush walnut willow wren yew
""".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def database(self) -> Path:
        return self.path / "run.db"

    @property
    def config(self) -> Path:
        return self.path / "run.toml"

    @property
    def certificate(self) -> Path:
        return self.path / "certificate.json"

    @property
    def picture(self) -> Path:
        return self.path / "picture.svg"

    @property
    def log(self) -> Path:
        return self.path / "worker.log"

    @property
    def socket(self) -> Path:
        return self.path / "run.sock"

    @property
    def crash(self) -> Path:
        return self.path / "crash.txt"

    def lock(self) -> ExitStack:
        """Takes the run for this process; held until it is closed or the process ends.

        The folder is locked too: people delete lock files when a run is said to be in use.

        Raises:
            BusyError: another process has it.
        """
        with ExitStack() as held:
            try:
                file = held.enter_context((self.path / "run.lock").open("ab"))
                folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                raise MachineError(f"cannot write in {self.path}: {error.strerror}") from None
            held.callback(os.close, folder)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _lock_folder(folder)
            except BlockingIOError:
                raise BusyError(
                    f"run {self.name} is in use by another process; "
                    f"`evolve control {self.name} stop` ends it"
                ) from None
            return held.pop_all()

    def in_use(self) -> bool:
        """Whether a process works on the run now."""
        try:
            self.lock().close()
        except BusyError:
            return True
        except MachineError:
            return False
        return False


def _lock_folder(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # some network file systems lock files only


def create(root: Path, name: str | None, *, replace: bool = False) -> RunFolder:
    """A new run folder under `root`, with a nickname where no name is given.

    Raises:
        UsageError: the name is taken or no name for a folder.
        MachineError: it cannot be made.
    """
    if name is not None and (not sound(name) or name.isdigit()):
        raise UsageError(
            f"run name {name[:80]!r}: expected a plain folder name, letters first, then letters, "
            "digits, '.', '_' and '-', at most 64"
        )
    if name is None:
        name = _nickname(root)
    folder = RunFolder(root / name)
    if folder.database.exists():
        if not replace:
            raise UsageError(
                f"run {name} exists; `evolve resume {name}` goes on with it, --replace starts anew"
            )
        folder.lock().close()
        shutil.rmtree(folder.path)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        probe = folder.path / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise MachineError(
            f"cannot write in {folder.path}: {error.strerror}; name another place with --runs"
        ) from None
    return folder


def sound(name: str) -> bool:
    """Whether a run may have that name."""
    return _NAME.fullmatch(name) is not None


def find(root: Path, name: str | None) -> RunFolder:
    """The run of that name or path; without one, the latest.

    Raises:
        UsageError: there is none.
    """
    known = existing(root)
    if name is None:
        if not known:
            raise UsageError(f"no run in {root}/ yet; `evolve run PROBLEM` starts one")
        return known[-1]
    direct = Path(name)
    for candidate in (direct, direct.parent, root / name):
        if (candidate / "run.db").is_file():
            return RunFolder(candidate.resolve())
    raise UsageError(f"no run {name!r} in {root}/; {nearest(name, [r.name for r in known])}")


def existing(root: Path) -> list[RunFolder]:
    """Runs under `root`, the latest last."""
    if not root.is_dir():
        return []
    databases = [folder / "run.db" for folder in root.iterdir() if (folder / "run.db").is_file()]
    return [RunFolder(file.parent.resolve()) for file in sorted(databases, key=_modified)]


def _modified(database: Path) -> float:
    wal = database.with_name(database.name + "-wal")
    times = [os.stat(file).st_mtime for file in (database, wal) if file.exists()]
    return max(times, default=0.0)


def _nickname(root: Path) -> str:
    chance = random.SystemRandom()
    for _ in range(100):
        name = f"{chance.choice(_ADJECTIVES)}-{chance.choice(_NOUNS)}"
        if not (root / name).exists():
            return name
    return f"run-{chance.getrandbits(40):x}"
