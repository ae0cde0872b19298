"""The processes a command has started, as /proc shows them; and whether any is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process and when it started, so that a number used again is not mistaken for it."""

    pid: int
    started: int

    def alive(self) -> bool:
        stat = _stat(self.pid)
        return stat is not None and stat[1] == self.started and stat[2] != "Z"


def tree(root: int) -> set[Process]:
    """The process `root` and all its descendants, namespaces and sessions notwithstanding."""
    children: dict[int, list[Process]] = {}
    found: dict[int, Process] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        stat = _stat(int(entry.name))
        if stat is None:
            continue
        parent, started, _ = stat
        process = Process(int(entry.name), started)
        found[process.pid] = process
        children.setdefault(parent, []).append(process)
    if root not in found:
        return set()
    seen, waiting = set(), [found[root]]
    while waiting:
        process = waiting.pop()
        seen.add(process)
        waiting += children.get(process.pid, [])
    return seen


def cpu_s(processes: Iterable[Process]) -> float:
    """CPU seconds that these have used, and those of their children that are gone."""
    total = 0
    for process in processes:
        fields = _fields(process.pid)
        if fields is not None and int(fields[19]) == process.started:
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def kill(processes: Iterable[Process]) -> None:
    """SIGKILL to each that is still there."""
    for process in processes:
        if process.alive():
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def left_after(processes: Iterable[Process], *, within_s: float) -> set[Process]:
    """Those that are still alive after waiting for them."""
    end = time.monotonic() + within_s
    left = set(processes)
    while left and time.monotonic() < end:
        left = {process for process in left if process.alive()}
        time.sleep(0.01)
    return left


def _stat(pid: int) -> tuple[int, int, str] | None:
    fields = _fields(pid)
    return None if fields is None else (int(fields[1]), int(fields[19]), fields[0])


def _fields(pid: int) -> list[str] | None:
    """What /proc says of a process, from its state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the name in parentheses may hold anything, so count from its end
    return text.rpartition(")")[2].split()
