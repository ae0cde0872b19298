"""The process behind the tree proposer: parses programs, never runs them. Before the search it runs
a problem's stages up to their first call, to hear what they pass.

Started by the engine as `python -P -m evolve.proposers.mutator FD PARENT`.
"""

from __future__ import annotations

import gc
import random
import socket
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from evolve import diff, messages, tree
from evolve.lifeline import attend
from evolve.probes import NUMBERS, ProbeError
from evolve.program import Program, ProgramError
from evolve.proposers.base import describe
from evolve.proposers.foretelling import foretelling

if TYPE_CHECKING:
    from evolve.tree.echo import Echo

COLLECTED_EVERY = 100_000
"""Objects; syntax trees are made of thousands, and hardly any of them is garbage in a circle."""


def main(fd: int, parent: int) -> None:
    attend(parent)
    gc.set_threshold(COLLECTED_EVERY, 20, 20)
    sock = socket.socket(fileno=fd)
    requests = msgspec.msgpack.Decoder(messages.Mutate | messages.Listen)
    while (body := messages.receive(sock)) is not None:
        match requests.decode(body):
            case messages.Listen() as request:
                messages.send(sock, _listen(request))
            case messages.Mutate() as request:
                messages.send(sock, _mutate(request))


def _listen(request: messages.Listen) -> messages.Heard:
    from evolve import hearing, loading  # a problem may bring numpy and more; mutation needs none

    task = loading.load(request.reference, request.parameters)
    given = hearing.listen(task)
    doubts = tuple(hearing.doubts(task, given))
    return messages.Heard(given=given, doubts=doubts, fault=hearing.probe_fault(task))


@lru_cache(maxsize=8)
def _kinds(given: messages.Kinds) -> tree.Given:
    return tuple(
        (function, tuple((name, tree.Kind(kind)) for name, kind in names))
        for function, names in given
    )


def _mutate(request: messages.Mutate) -> messages.Mutated:
    parent = Program.of(request.parent)
    echo = None if request.problem is None else foretelling(request.problem)
    try:
        child = tree.propose(
            parent,
            [Program.of(files) for files in request.inspirations],
            random.Random(request.seed),
            operators=request.operators,
            primitives=request.primitives,
            given=_kinds(request.given),
            max_length=max(tree.MAX_LENGTH, request.max_length),
            behaviour=echo.behaviour if echo else None,
            worth=_weighing(echo, request.seed) if echo and echo.weighs else None,
        )
        return _told(parent, child, echo)
    except (tree.TreeError, ProbeError, ProgramError) as error:
        return messages.Mutated(reason=str(error))


def _told(parent: Program, child: tree.Mutation, echo: Echo | None) -> messages.Mutated:
    files = list(child.program.files.values())
    return messages.Mutated(
        answer=diff.between(parent, child.program),
        program=describe(child.program),
        behaviour=echo.behaviour(*files) if echo and len(files) == 1 else None,
        operator=child.operator,
        instead=_told(parent, child.instead, echo) if child.instead else None,
    )


def _weighing(echo: Echo, seed: int) -> Callable[[str], float | None]:
    number = seed % NUMBERS
    return lambda text: echo.worth(text, number)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
