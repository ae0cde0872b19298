"""The process behind the tree proposer: parses programs, never runs them.

Started by the engine as `python -P -m evolve.proposers.mutator FD PARENT`.
"""

from __future__ import annotations

import random
import socket
import sys

import msgspec

from evolve import diff, messages, tree
from evolve.lifeline import attend
from evolve.program import Program
from evolve.proposers.base import describe


def main(fd: int, parent: int) -> None:
    attend(parent)
    sock = socket.socket(fileno=fd)
    requests = msgspec.msgpack.Decoder(messages.Mutate)
    while (body := messages.receive(sock)) is not None:
        messages.send(sock, _mutate(requests.decode(body)))


def _mutate(request: messages.Mutate) -> messages.Mutated:
    parent = Program.of(request.parent)
    try:
        child = tree.propose(
            parent,
            [Program.of(files) for files in request.inspirations],
            random.Random(request.seed),
            operators=request.operators,
            primitives=request.primitives,
            max_length=max(tree.MAX_LENGTH, request.max_length),
        )
    except tree.TreeError as error:
        return messages.Mutated(reason=str(error))
    return messages.Mutated(
        answer=diff.between(parent, child.program),
        program=describe(child.program),
        operator=child.operator,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
