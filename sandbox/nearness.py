"""Keeps a worker and the candidate it drives on one core while they take turns.

Only one of the two runs at a time, and to wake a process on another core costs more than the rest
of a call: a round trip over two pipes takes 8 microseconds on one core of a virtual machine, and
40 to 70 across two that were idle.
"""

from __future__ import annotations

import contextlib
import os
import threading


class Nearness:
    """Holds the calling thread and a process on the core that the thread is on, until it ends.

    A process that somebody has placed already stays where it is, and so does the thread then.
    """

    def __init__(self, pid: int) -> None:
        self._thread = threading.get_native_id()
        self._before: set[int] = set()
        with contextlib.suppress(OSError):
            cores = os.sched_getaffinity(0)
            if len(cores) > 1 and os.sched_getaffinity(pid) == cores:
                core = {_core_of(self._thread)}
                os.sched_setaffinity(pid, core)
                os.sched_setaffinity(0, core)
                self._before = cores

    def end(self) -> None:
        """Lets the thread go anywhere that it could before."""
        if self._before:
            with contextlib.suppress(OSError):  # the thread may be gone
                os.sched_setaffinity(self._thread, self._before)
            self._before = set()


def _core_of(thread: int) -> int:
    with open(f"/proc/self/task/{thread}/stat", encoding="ascii") as stat:
        return int(stat.read().rpartition(")")[2].split()[36])  # "processor", proc(5)
