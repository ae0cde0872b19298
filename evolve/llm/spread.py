"""Calls spread over several clients of one SDK, each with a few connections of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import httpx2

_TOGETHER = 8
"""Calls at once through one client. With every call the transport goes through all connections of
its client: among 64 that took a fifth of a call's CPU."""


class Closable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class Spread(Generic[C]):
    """As many clients of an SDK as the calls under way take.

    Args:
        options: Of the `httpx2.AsyncClient` that each of them sends through.
        make: Makes one with such options.

    Raises:
        OSError: the certificates that the environment names are not there.
    """

    def __init__(self, options: Mapping[str, Any], make: Callable[[dict[str, Any]], C]) -> None:
        self._make = make
        # one for all: to read the certificates takes longer than everything else of a client
        self._options = {**options, "verify": httpx2.create_ssl_context()}
        self.first = make(self._options)
        self._clients, self._busy = [self.first], [0]

    @contextmanager
    def one(self) -> Iterator[C]:
        """The first client with room: connections that are open are used before there are more."""
        place = next((n for n, busy in enumerate(self._busy) if busy < _TOGETHER), None)
        if place is None:
            place = len(self._clients)
            self._clients.append(self._make(self._options))
            self._busy.append(0)
        self._busy[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._busy[place] -= 1

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
