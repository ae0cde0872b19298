"""Ties a helper process to the engine that started it: `kill -9` of the engine ends both."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


NICENESS = 10
"""Helpers yield to the engine, whose loop must stay responsive on a machine that is full."""


def attend(parent: int) -> None:
    """Yields to the parent, and has the kernel send SIGKILL when it dies (at once if it is gone).

    Ctrl-C in a terminal reaches the whole process group; the engine alone decides what it means.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(NICENESS)
    if sys.platform == "linux":
        # woken by the engine's message, a helper does not take the core from it
        with contextlib.suppress(OSError):  # a container may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
