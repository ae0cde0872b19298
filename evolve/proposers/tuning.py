"""The process behind the tuner: sets numbers in programs, never runs them.

Started by the engine as `python -P -m evolve.proposers.tuning FD PARENT`.
"""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Sequence

import msgspec

from evolve import diff, messages
from evolve.lifeline import attend
from evolve.program import Program
from evolve.tuning import Parameter, TuneError, parameters, set_values
from evolve.tuning.search import Search, Told, open_search

_KEPT = 64
"""Searches that are remembered; one that was forgotten is told everything again."""
_TRIES = 20
"""Values drawn until they are none that were tried: integers soon repeat."""


class _Searches:
    """Searches by session, each told as much as it was told before, and then the rest."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Search, int]] = {}

    def told(self, session: int, chosen: Sequence[Parameter], told: Sequence[Told]) -> Search:
        search, known = self._open.pop(session, (None, 0))
        if search is None or known > len(told):
            search, known = open_search(chosen), 0
        for one in told[known:]:
            search.tell(one)
        self._open[session] = search, len(told)
        while len(self._open) > _KEPT:
            del self._open[next(iter(self._open))]
        return search


def main(fd: int, parent: int) -> None:
    attend(parent)
    sock = socket.socket(fileno=fd)
    searches = _Searches()
    requests = msgspec.msgpack.Decoder(messages.Tune)
    while (body := messages.receive(sock)) is not None:
        messages.send(sock, _tuned(requests.decode(body), searches))


def _tuned(request: messages.Tune, searches: _Searches) -> messages.Mutated:
    base = Program.of(request.base)
    every = parameters(base)
    chosen = [parameter for parameter in every if parameter.index in request.literals]
    told = [Told(tuple(values), tuple(rank)) for values, rank in request.told]  # type: ignore[arg-type]
    try:
        search = searches.told(request.session, chosen, told)
    except TuneError as error:
        return messages.Mutated(reason=str(error))
    tried = {one.values for one in told} | {tuple(p.value for p in chosen)}
    seeds = random.Random(request.seed)
    for _ in range(_TRIES):
        values = [
            float(p.nearest(value))
            for p, value in zip(chosen, search.ask(seeds.getrandbits(32)), strict=True)
        ]
        if tuple(values) not in tried:
            child = set_values(base, chosen, values)
            return messages.Mutated(answer=diff.between(base, child), operator=request.operator)
    return messages.Mutated(reason="every value near by has been tried")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
