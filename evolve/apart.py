"""Runs what calls a problem's own code in a child process: however that ends, there is an answer.

A verifier that calls os._exit, or native code that faults, would end the command without a line,
and with whatever exit code it likes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from evolve.errors import EvolveError, FaultError
from evolve.lifeline import attend

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What `work` returns or raises, which must be picklable; it runs in a forked child.

    Raises:
        FaultError: the child ended before it could say.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, os.getpid(), work))
    child.start()
    theirs.close()
    try:
        error, found = ours.recv()
    except EOFError:
        child.join()
        code = child.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise FaultError(
            f"the problem's own code ended its process ({how}) before there was a verdict; look "
            "for os._exit, and for native code that crashes, in problem.py and its verifier"
        ) from None
    if error is not None:
        raise error
    child.join()
    return found  # type: ignore[no-any-return]  # what the child sent


def _child(pipe: Connection, parent: int, work: Callable[[], object]) -> None:
    attend(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    error: Exception | None = None
    found: object = None
    try:
        found = work()
    except Exception as raised:  # noqa: BLE001  raised again by the parent
        error = raised
        if not isinstance(error, EvolveError):
            error.add_note(traceback.format_exc())
    pipe.send((error, found))
    os._exit(0)  # whatever threads a problem's module may have started
