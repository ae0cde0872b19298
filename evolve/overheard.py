"""What a problem's own code prints: on standard error, inert, away from what a command answers.

A stage that prints what a candidate handed over would hand it to the terminal.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

from evolve.terminal import inert


class _Overheard(io.TextIOBase):
    """Stands for standard output and error; closing it closes nothing."""

    def write(self, text: str) -> int:
        if sys.__stderr__ is not None:
            sys.__stderr__.write(inert(text, lines=True))
        return len(text)

    def flush(self) -> None:
        if sys.__stderr__ is not None:
            sys.__stderr__.flush()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        return


@contextlib.contextmanager
def overheard() -> Iterator[None]:
    """While a problem's code runs, its prints go where they do no harm."""
    apart = _Overheard()
    with contextlib.redirect_stdout(apart), contextlib.redirect_stderr(apart):
        yield
