"""Which cores a run may use."""

from __future__ import annotations

import os
import sys


def usable_cores() -> list[int]:
    """The cores this process may use, which can be fewer than the machine has."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
