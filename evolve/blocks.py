"""How long the event loop was ever blocked, seen where it waits; no timer wakes it for that."""

from __future__ import annotations

import asyncio
import selectors
import time


class Blocks(selectors.DefaultSelector):
    """A loop's selector, which sees every moment at which the loop comes back to wait.

    Attributes:
        noting: Whether blocks count now.
        longest_s: The longest time from one wait to the next while they counted; nothing else of
            the loop can run meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noting = False
        self.longest_s = 0.0
        self._woken = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.noting:
            if self._woken:
                self.longest_s = max(self.longest_s, time.monotonic() - self._woken)
            found = super().select(timeout)
            self._woken = time.monotonic()
            return found
        self._woken = 0.0
        return super().select(timeout)

    def loop(self) -> asyncio.AbstractEventLoop:
        """A new event loop that waits here."""
        return asyncio.SelectorEventLoop(self)
