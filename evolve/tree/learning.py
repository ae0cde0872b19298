"""Kinds of what has no annotation, learnt once from what a program is called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evolve.program import Program
from evolve.tree.kinds import Given, Kind
from evolve.tree.places import Source, TreeError
from evolve.tree.source import source

_ROUNDS = 6
"""How far kinds are followed from function to function; chains of calls are rarely as long."""
Learnt = dict[str, dict[str, Kind]]


def learn(programs: Sequence[Program], called: Mapping[str, Sequence[Kind]]) -> Given:
    """What parameters and locals without annotation are, and what functions return, in programs.

    From the arguments of the functions that stages call it follows the calls inside a program until
    nothing new is seen. Where programs or calls disagree, nothing is said.

    Args:
        called: Kinds of the arguments of functions, by position.
    """
    found: list[Learnt] = []
    for program in programs:
        try:
            found.append(_learnt(program, called))
        except TreeError:
            continue
    merged: dict[str, dict[str, list[Kind]]] = {}
    for learnt in found:
        for function, kinds in learnt.items():
            for name, kind in kinds.items():
                merged.setdefault(function, {}).setdefault(name, []).append(kind)
    return _given(
        {
            function: {name: kinds[0] for name, kinds in names.items() if len(set(kinds)) == 1}
            for function, names in merged.items()
        }
    )


def _learnt(program: Program, called: Mapping[str, Sequence[Kind]]) -> Learnt:
    read = source(program)
    known: Learnt = {}
    for function, kinds in called.items():
        names = read.parameters.get(function, [])
        heard = dict(zip(names, kinds, strict=False))
        known[function] = {name: kind for name, kind in heard.items() if kind is not Kind.OTHER}
    learnt = known
    for _ in range(_ROUNDS):
        before = learnt
        learnt = _joined(source(program, _given(learnt)), known)
        if learnt == before:
            break
    return learnt


def _joined(read: Source, known: Learnt) -> Learnt:
    """What was seen of names, over which stands what stages are known to pass."""
    joined: Learnt = {}
    seen: dict[str, dict[str, list[Kind]]] = {}
    for part in read.above:
        for function, kinds in part.seen.items():
            for name, its in kinds.items():
                seen.setdefault(function, {}).setdefault(name, []).extend(its)
    for function, names in seen.items():
        agreed: dict[str, Kind] = {
            name: kinds[0]
            for name, kinds in names.items()
            if len(set(kinds)) == 1 and kinds[0] is not Kind.OTHER
        }
        if agreed:
            joined[function] = agreed
    for function, heard in known.items():
        joined[function] = {**joined.get(function, {}), **heard}
    return joined


def _given(learnt: Learnt) -> Given:
    return tuple(
        (function, tuple(sorted(names.items()))) for function, names in sorted(learnt.items())
    )
