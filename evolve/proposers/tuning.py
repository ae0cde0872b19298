"""The process behind the tuner: sets numbers in programs, never runs them.

Started by the engine as `python -P -m evolve.proposers.tuning FD PARENT`.
"""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from evolve import diff, messages
from evolve.lifeline import attend
from evolve.probes import ProbeError
from evolve.program import Program
from evolve.proposers.base import describe
from evolve.proposers.foretelling import foretelling
from evolve.tuning import Parameter, TuneError, parameters, set_values
from evolve.tuning.search import Search, Told, open_search

Foretell = Callable[[str], "int | None"]
"""From the text of a program of one file to what it will do; None where that is unknown."""

_KEPT = 64
"""Searches that are remembered; one that was forgotten is told everything again."""
_TRIES = 20
"""Values drawn until they are none that were tried: integers soon repeat."""
_TRIES_TO_DIFFER = 4
"""Of them, to find values that do not do what others did. Then the last are taken: they are not
run, and the search learns that it stands on level ground."""


@dataclass(slots=True)
class Tuning:
    """One search: how much it was told, and what the values it knows of do."""

    base: Program
    chosen: Sequence[Parameter]
    search: Search
    foretell: Foretell | None
    told: int = 0
    seen: set[int] = field(default_factory=set)

    @classmethod
    def opened(
        cls, base: Program, chosen: Sequence[Parameter], foretell: Foretell | None
    ) -> Tuning:
        """Knows what its base does.

        Raises:
            TuneError: a package is missing.
        """
        if len(base.files) > 1:
            foretell = None  # a probe looks at one file
        tuning = cls(base, chosen, open_search(chosen), foretell)
        tuning._see(base)
        return tuning

    def tell(self, told: Told) -> None:
        self.search.tell(told)
        self.told += 1
        if self.foretell is not None:
            self._see(set_values(self.base, self.chosen, told.values))

    def behaviour(self, program: Program) -> int | None:
        return None if self.foretell is None else self.foretell(*program.files.values())

    def _see(self, program: Program) -> None:
        found = self.behaviour(program)
        self.seen |= set() if found is None else {found}


class Tunings:
    """Searches by session, each told as much as it was told before, and then the rest."""

    def __init__(self) -> None:
        self._open: dict[int, Tuning] = {}

    def of(
        self,
        session: int,
        base: Program,
        chosen: Sequence[Parameter],
        told: Sequence[Told],
        foretell: Foretell | None,
    ) -> Tuning:
        tuning = self._open.pop(session, None)
        if tuning is None or tuning.told > len(told):
            tuning = Tuning.opened(base, chosen, foretell)
        for one in told[tuning.told :]:
            tuning.tell(one)
        self._open[session] = tuning
        while len(self._open) > _KEPT:
            del self._open[next(iter(self._open))]
        return tuning


def main(fd: int, parent: int) -> None:
    attend(parent)
    sock = socket.socket(fileno=fd)
    tunings = Tunings()
    requests = msgspec.msgpack.Decoder(messages.Tune)
    while (body := messages.receive(sock)) is not None:
        try:
            answer = tuned(requests.decode(body), tunings)
        except ProbeError as error:
            answer = messages.Mutated(reason=str(error))
        messages.send(sock, answer)


def tuned(request: messages.Tune, tunings: Tunings) -> messages.Mutated:
    """The answer to a request; `tunings` saves work and decides nothing."""
    base = Program.of(request.base)
    every = parameters(base)
    chosen = [parameter for parameter in every if parameter.index in request.literals]
    told = [Told(tuple(values), tuple(rank)) for values, rank in request.told]  # type: ignore[arg-type]
    foretell = None if request.problem is None else foretelling(request.problem).behaviour
    try:
        tuning = tunings.of(request.session, base, chosen, told, foretell)
    except TuneError as error:
        return messages.Mutated(reason=str(error))
    tried = {one.values for one in told} | {tuple(p.value for p in chosen)}
    seeds = random.Random(request.seed)
    child: Program | None = None
    behaviour: int | None = None
    echoes = 0
    for _ in range(_TRIES):
        asked = tuning.search.ask(seeds.getrandbits(32))
        values = [float(p.nearest(value)) for p, value in zip(chosen, asked, strict=True)]
        if tuple(values) in tried:
            continue
        child = set_values(base, chosen, values)
        behaviour = tuning.behaviour(child)
        if behaviour is None or behaviour not in tuning.seen:
            break
        echoes += 1
        if echoes == _TRIES_TO_DIFFER:
            break
    if child is None:
        return messages.Mutated(reason="every value near by has been tried")
    return messages.Mutated(
        answer=diff.between(base, child),
        program=describe(child),
        behaviour=behaviour,
        operator=request.operator,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
