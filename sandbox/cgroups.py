"""Control groups: bounds on the memory and the tasks of one sandbox, which nothing in it can lift.

A group holds a launcher, its server and all its candidates. Limits of a process (address space,
threads of a user) bound each alone; a group bounds them together, and counts what those do not:
scratch folders, pipes and page tables. Version 2 is used where its controllers are, version 1 where
they are bound to that. A group is made beside or below the one this process is in, and only where
that needs no change to a group of somebody else.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "pids")
WITHOUT = (
    "memory is bounded for each process by its address space only, and threads by the user's number"
)
REMEDY = (
    "start it where control groups may be made: `systemd-run --user --scope evolve ...`, as root, "
    "or in a container with /sys/fs/cgroup writable"
)
_TASKS = 128
_SLACK_BYTES = 32 << 20
_REMOVED_S = 70.0
_OURS = re.compile(r"evolve-([0-9]+)-[0-9a-f]{8}")
_LEFT_FOR_S = 60.0
_FIRST = {
    ("pids", 1): ("pids.max", str(_TASKS)),
    ("pids", 2): ("pids.max", str(_TASKS)),
    ("memory", 1): ("memory.limit_in_bytes", "-1"),
    ("memory", 2): ("memory.max", "max"),
}
"""What is written when a group is made; where there is no such file, there is no controller."""
_NO_SWAP = {1: "memory.swappiness", 2: "memory.swap.max"}
# Removes the groups when standard input ends, also because this process was killed. Those in a
# group are dying then, and it can be removed as soon as the last is gone: in milliseconds, on a
# machine with too much to do in seconds. Who has not died after one is killed by its number.
_CLEANER = """
while read -r _; do :; done
tries=0
while [ "$tries" -lt 350 ]; do
    left=
    for group; do
        [ -d "$group" ] && { rmdir "$group" 2>/dev/null || left="$left $group/cgroup.procs"; }
    done
    [ "$left" ] || exit 0
    tries=$((tries + 1))
    if [ "$tries" -lt 50 ]; then
        sleep 0.02
    else
        kill -9 $(cat $left 2>/dev/null) 2>/dev/null
        sleep 0.2
    fi
done
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in which a group may be made, and its version of control groups."""

    folder: str
    version: int


def places(membership: str, mounts: str) -> dict[str, list[Place]]:
    """Where groups for each controller might be made, best first.

    Args:
        membership: What /proc/self/cgroup holds.
        mounts: What /proc/self/mountinfo holds.
    """
    own = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    found: dict[str, list[Place]] = {name: [] for name in CONTROLLERS}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split(" ")[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            inside = _below(root, own.get(""))
            if inside is None:
                continue
            here = os.path.normpath(point + inside)
            # a group that holds processes cannot divide its controllers: beside it comes first
            folders = [os.path.dirname(here), here] if inside != "/" else [here]
            for name in CONTROLLERS:
                found[name] += [Place(folder, 2) for folder in folders]
        elif kind == "cgroup":
            for name in set(options.split(",")) & set(CONTROLLERS):
                inside = _below(root, own.get(name))
                if inside is not None:
                    found[name].insert(0, Place(os.path.normpath(point + inside), 1))
    return found


def _below(root: str, path: str | None) -> str | None:
    """A group's path as seen from the root of a mount; None where it lies outside of it."""
    if path is None or path.startswith("/.."):
        return None
    inside = "/" + os.path.relpath(path, root)
    return None if inside.startswith("/..") else os.path.normpath(inside)


class Group:
    """The control group of one sandbox, with fewer controllers or none where there are no more.

    Attributes:
        lacking: Why a controller is missing, in one line; empty where none is.
    """

    def __init__(self) -> None:
        self._name = f"evolve-{os.getpid()}-{secrets.token_hex(4)}"
        self._folders: dict[str, Place] = {}
        self._base_bytes: int | None = None
        self._allowed_bytes = 0
        self._cleaner: subprocess.Popen[bytes] | None = None
        reasons = []
        try:
            options = places(_read("/proc/self/cgroup"), _read("/proc/self/mountinfo"))
            for name in CONTROLLERS:
                reasons += [f"{name}: {reason}" for reason in self._make(name, options[name])]
            if self._folders:
                self._cleaner = _start_cleaner({place.folder for place in self._folders.values()})
        except (OSError, ValueError) as error:
            self._remove()
            reasons.append(str(error))
        self.lacking = "; ".join(reasons)

    def __str__(self) -> str:
        return ", ".join(f"{name} (v{place.version})" for name, place in self._folders.items())

    def add(self, pid: int) -> None:
        """Moves a process in; those it starts from then on are born there."""
        try:
            for folder in {place.folder for place in self._folders.values()}:
                _write(f"{folder}/cgroup.procs", str(pid))
        except OSError as error:
            # version 2 also wants the right to write in what both groups lie in
            self.lacking = f"{error.strerror}: {error.filename}"
            self.close()

    def measure(self) -> None:
        """Takes what is used now for what the warm server needs; nothing is bounded before."""
        place = self._folders.get("memory")
        if place is not None:
            name = "memory.current" if place.version == 2 else "memory.usage_in_bytes"
            self._base_bytes = int(_read(f"{place.folder}/{name}"))
            with contextlib.suppress(OSError):  # not there where the kernel knows no swap
                _write(f"{place.folder}/{_NO_SWAP[place.version]}", "0")

    def allow(self, candidates_bytes: int, candidates: int) -> None:
        """Bounds the memory of server and candidates; a bound is raised, but never lowered.

        Args:
            candidates_bytes: What living candidates may take beyond the warm interpreter, together.
            candidates: How many they are; each may copy all that the server has loaded.
        """
        place, base = self._folders.get("memory"), self._base_bytes
        if place is None or base is None:
            return
        wanted = base + candidates_bytes + candidates * (base + _SLACK_BYTES)
        if wanted > self._allowed_bytes:
            self._allowed_bytes = wanted
            _write(f"{place.folder}/{_FIRST['memory', place.version][0]}", str(wanted))

    def close(self) -> None:
        """Removes it; what lived in it must be dead or dying."""
        self._folders = {}
        cleaner, self._cleaner = self._cleaner, None
        if cleaner is not None:
            assert cleaner.stdin is not None
            cleaner.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on trying without us
                cleaner.wait(_REMOVED_S)

    def _make(self, controller: str, options: list[Place]) -> list[str]:
        """Makes the group for one controller in the first place that allows it, or says why not."""
        reasons = []
        for option in options:
            made = Place(f"{option.folder}/{self._name}", option.version)
            try:
                with contextlib.suppress(FileExistsError):  # made for another controller
                    os.mkdir(made.folder)
                    _remove_left(option.folder)
                self._folders[controller] = made
                name, value = _FIRST[controller, made.version]
                _write(f"{made.folder}/{name}", value)
            except OSError as error:
                reasons.append(f"{error.strerror}: {error.filename}")
                failed = self._folders.pop(controller, None)
                if failed is not None and failed not in self._folders.values():
                    os.rmdir(failed.folder)
            else:
                return []
        return reasons[:1] or ["this kernel has no such controller, or it is not mounted here"]

    def _remove(self) -> None:
        for folder in {place.folder for place in self._folders.values()}:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        self._folders = {}


def _remove_left(folder: str) -> None:
    """Removes groups whose owner is gone and whose cleaner was killed as well, or gave up."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            owner = _OURS.fullmatch(entry.name)
            if owner is None or os.path.exists(f"/proc/{owner[1]}"):
                continue
            # owners in other pid namespaces are not seen here: theirs is in use or new
            if time.time() - entry.stat().st_mtime > _LEFT_FOR_S:
                with contextlib.suppress(OSError):
                    os.rmdir(entry.path)


def _start_cleaner(folders: set[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _CLEANER, "sh", *sorted(folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        start_new_session=True,  # Ctrl-C is not for it
    )


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _write(path: str, value: str) -> None:
    # never O_CREAT: a file that is not there is a controller that is not there
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
