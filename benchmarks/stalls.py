"""A control for lateness: how long the machine itself stood still while something was measured.

On a virtual machine the host takes cores away for tens of milliseconds, and only part of that is
counted as steal. A process that the kernel prefers to all others, one on each core, asks for short
sleeps and notes how late it came back: no other process of this machine can have made it wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_PROBE = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
os.set_blocking(0, False)
print(flush=True)
longest, asked = 0.0, 0.002
while os.getppid() == int(sys.argv[2]):
    began = time.monotonic()
    time.sleep(asked)
    longest = max(longest, time.monotonic() - began - asked)
    if sys.stdin.buffer.raw.read(1) == b"":
        break
print(longest * 1000)
"""


@dataclass(slots=True)
class Stood:
    """The longest time a core stood still, in milliseconds; None where nobody could tell."""

    longest_ms: float | None = None


@contextmanager
def watched() -> Iterator[Stood]:
    """Watches every core of this process while the body runs; the figure is there after it."""
    stood = Stood()
    probes = []
    for core in sorted(os.sched_getaffinity(0)):
        probe = subprocess.Popen(
            [sys.executable, "-c", _PROBE, str(core), str(os.getpid())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        probes.append(probe)
    try:
        # real-time scheduling is not for everybody; a probe that may not have it has ended
        running = [probe for probe in probes if probe.stdout and probe.stdout.readline()]
        yield stood
        found = [float(probe.communicate()[0]) for probe in running]
        stood.longest_ms = max(found) if len(found) == len(probes) else None
    finally:
        for probe in probes:
            probe.kill()
            probe.communicate()
