"""The minimal program: without all that does nothing, as a person would write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from evolve.explain.effects import FIRST, TIMES, USUAL
from evolve.explain.measuring import Measure
from evolve.explain.parts import Without, reductions
from evolve.program import Program
from evolve.tree.tidy import tidy

MOST_CUTS = 400
"""Cuts tried of one program."""
_LOOKS = (FIRST, FIRST * TIMES, USUAL)
"""Draws on which a smaller program must have the same figures."""
_AHEAD = 16
"""Cuts that are tried in training side by side."""


async def smallest(measure: Measure, program: Program) -> Program:
    """The program without all that can go and leave its figures as they are.

    What was needed before others went may be idle now: all is tried again, until a whole round
    takes nothing out.
    """
    smaller, left, again = program, MOST_CUTS, True
    endless = set[tuple[str, int]]()  # of which a round costs as much as the time limit
    while again:
        again, needed = False, set[tuple[str, int]]()
        while few := [(key, cut) for key, cut in _numbered(smaller) if key not in needed | endless]:
            few = few[: min(_AHEAD, left)]
            await measure.training_of([cut.program for _, cut in few])
            for key, cut in few:
                left -= 1
                if await measure.behaves_as(cut.program, program, _LOOKS):
                    smaller, again = cut.program, True
                    break
                (endless if measure.timed_out(cut.program) else needed).add(key)
            if left <= 0:
                return smaller
    return smaller


def _numbered(program: Program) -> Iterator[tuple[tuple[str, int], Without]]:
    """Cuts, each with its text and how many before it have the same."""
    seen = Counter[str]()
    for cut in reductions(program):
        yield (cut.what, seen[cut.what]), cut
        seen[cut.what] += 1


async def tidied(measure: Measure, program: Program) -> Program:
    """The program tidied, if that leaves its scores as they are."""
    neat = tidy(program)
    return neat if await measure.behaves_as(neat, program, _LOOKS) else program
