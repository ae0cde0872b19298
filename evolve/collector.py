"""The garbage collector while a run searches: less often, and not through what is there already."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_EVERY = 20_000
"""Objects that may be made before the youngest are gone through; a call to a model makes some
thousands, hardly any of them garbage in a circle."""
_changing = Lock()
_runs = 0
_before: tuple[tuple[int, int, int], int] = (gc.get_threshold(), 0)
"""Thresholds and number of frozen objects before the first of the runs that are under way."""


@contextmanager
def kept_from_collector() -> Iterator[None]:
    """What is here now stays and is not gone through, which would block the loop for 20 ms.

    The settings are the process's own. Runs beside each other share them, and the last puts back
    what was there before the first.
    """
    global _runs, _before
    with _changing:
        if _runs == 0:
            _before = gc.get_threshold(), gc.get_freeze_count()
            gc.set_threshold(_EVERY, 20, 20)
        _runs += 1
        gc.collect()
        gc.freeze()
    try:
        yield
    finally:
        with _changing:
            _runs -= 1
            if _runs == 0:
                thresholds, frozen = _before
                gc.set_threshold(*thresholds)
                if not frozen:  # what the caller has frozen cannot be told apart
                    gc.unfreeze()
