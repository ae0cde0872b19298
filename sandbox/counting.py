"""Counts what another process does, by the kernel's own counters: perf_event_open(2).

The counter belongs to this process and is read here. The one that is counted has no hold on it: it
may not open or disable counters (seccomp), and a count that did not run all the time its process
used the processor is none. Only what it does in user mode counts, threads of it too.

Many machines have no counter to give: virtual ones without a performance unit, containers whose
filter refuses the call, a kernel.perf_event_paranoid of 3. That is said in one word, not raised.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from types import TracebackType

from sandbox.inside.kernel import syscall

INSTRUCTIONS = (0, 1)
"""Type and number of the event: PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS."""
TASK_CLOCK = (1, 1)
"""PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK: nanoseconds; every kernel has it."""
_SYS_PERF_EVENT_OPEN = 298
_ATTRIBUTES = struct.Struct("<IIQQQQQQQ")
"""perf_event_attr as of its first version: 64 bytes, of which the last two words are not used."""
_ENABLED, _RUNNING = 1, 2
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_CLOSE_ON_EXEC = 8
_READ = struct.Struct("<QQQ")
_WORDS = {
    **dict.fromkeys((errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EOPNOTSUPP), "absent"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "forbidden"),
    errno.ENOSYS: "unsupported",
    errno.EBUSY: "occupied",
}


@dataclass(frozen=True, slots=True)
class Count:
    """Events so far, and nanoseconds of CPU time in which they should have been, and were, counted.

    The difference of two is what happened in between.
    """

    events: int
    enabled_ns: int
    running_ns: int

    def __sub__(self, other: Count) -> Count:
        return Count(
            self.events - other.events,
            self.enabled_ns - other.enabled_ns,
            self.running_ns - other.running_ns,
        )

    def covers(self, cpu_ns: int, tolerance: float) -> bool:
        """Whether it ran in all of this CPU time: not shared with others, stopped or left out."""
        return self.running_ns == self.enabled_ns >= (1 - tolerance) * cpu_ns


class Counter:
    """Counts an event of a process from now on; made by `count`. A context manager."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> Count:
        """What was counted so far."""
        return Count(*_READ.unpack(os.read(self._descriptor, _READ.size)))

    def __enter__(self) -> Counter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def count(pid: int, event: tuple[int, int] = INSTRUCTIONS) -> Counter | str:
    """A counter of an event of a process, or the word why there is none.

    The words: absent (this machine has no such counter), forbidden (kernel.perf_event_paranoid, or
    a container's filter), unsupported (by this kernel), occupied (by others), refused.
    """
    kind, number = event
    attributes = ctypes.create_string_buffer(
        _ATTRIBUTES.pack(
            kind, _ATTRIBUTES.size, number, 0, 0, _ENABLED | _RUNNING,
            _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR, 0, 0,
        )
    )  # fmt: skip
    try:
        descriptor = syscall(
            _SYS_PERF_EVENT_OPEN, ctypes.addressof(attributes), pid, -1, -1, _CLOSE_ON_EXEC,
            what="perf_event_open",
        )  # fmt: skip
    except OSError as error:
        return word_for(error.errno or 0)
    return Counter(descriptor)


def word_for(number: int) -> str:
    """The word for an error of perf_event_open."""
    return _WORDS.get(number, "refused")
