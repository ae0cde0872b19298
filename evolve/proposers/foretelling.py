"""What programs will do, foretold by a problem's probe in the processes of proposers."""

from __future__ import annotations

import gc
from functools import lru_cache
from typing import TYPE_CHECKING

from evolve import messages
from evolve.probes import Probe

if TYPE_CHECKING:
    from evolve.tree.echo import Echo


def foretelling(problem: messages.Listen) -> Echo:
    """The probe of a problem that has one, loaded once."""
    return _foretelling(problem.reference, tuple(sorted(problem.parameters.items())))


@lru_cache(maxsize=1)
def _foretelling(reference: str, parameters: tuple[tuple[str, str], ...]) -> Echo:
    from evolve import loading  # a problem may bring numpy and more; one without a probe needs none
    from evolve.tree.echo import Echo

    probe = loading.load(reference, dict(parameters)).problem.probe
    assert isinstance(probe, Probe)
    gc.collect()
    gc.freeze()  # what a problem imports stays; it need not be gone through again and again
    return Echo(probe)
