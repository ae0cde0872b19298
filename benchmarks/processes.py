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
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the name in parentheses may hold anything, so count from its end
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[19]), fields[0]
