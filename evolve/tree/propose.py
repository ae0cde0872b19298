"""One proposal: an operator drawn by weight, tried until a sound and different child comes out."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evolve import program as programs
from evolve.program import Program, syntax_hash
from evolve.tree import expressions, kernel, statements, transplant
from evolve.tree.grow import Grower
from evolve.tree.places import Source, TreeError
from evolve.tree.source import source
from evolve.tree.text import Splice, spliced
from evolve.tree.work import Operator, Work

OPERATORS: Mapping[str, Operator] = {
    "constant": expressions.constant,
    "point": expressions.point,
    "subtree": expressions.subtree,
    "extend": expressions.extend,
    "condition": expressions.condition,
    "wrap": expressions.wrap,
    "shrink": expressions.shrink,
    "exchange": expressions.exchange,
    "guard": statements.guard,
    "insert": statements.insert,
    "hoist": statements.hoist,
    "delete": statements.delete,
    "unwrap": statements.unwrap,
    "swap": statements.swap,
    "crossover": transplant.crossover,
    "graft": transplant.graft,
    "recombine": transplant.recombine,
    "kernel": kernel.kernel,
}
WEIGHTS: Mapping[str, float] = {
    "constant": 6,
    "point": 3,
    "subtree": 2,
    "extend": 2,
    "condition": 2,
    "wrap": 0.7,
    "shrink": 1,
    "exchange": 1,
    "guard": 2,
    "insert": 1,
    "hoist": 0.2,
    "delete": 1,
    "unwrap": 0.3,
    "swap": 0.5,
    "crossover": 4,
    "graft": 2,
    "recombine": 2,
    "kernel": 30,
}
"""How often each operator is tried; `weights` of a call replace single values."""

MAX_LENGTH = 120
"""Nodes inside the blocks that a child may have where the caller says nothing else."""
_TRIES = 50
_ERROR_OF_GROWTH = 10
_NODE = re.compile(r"\w+|[-+*/%<>=]+")
_CHANGES_NOTHING = frozenset({"hoist"})
"""What the child does stays the same: always followed by a second mutation."""
_TWO_STEPS = 0.2
"""Share of children that get a second mutation on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A child, and the operator that made it ("constant", or "guard+constant" for two steps)."""

    program: Program
    operator: str


def propose(
    parent: Program,
    inspirations: Sequence[Program],
    rng: random.Random,
    *,
    primitives: Sequence[str] = (),
    weights: Mapping[str, float] | None = None,
    max_length: int = MAX_LENGTH,
) -> Mutation:
    """A child of `parent` that parses and differs from it in its syntax tree.

    Pure: the same arguments and state of `rng` give the same child.

    Args:
        inspirations: Programs that crossover takes from; those that do not parse are passed over.
        primitives: Functions that may be called, e.g. "abs", "math.sqrt".
        weights: How often an operator is tried, by name; others keep their usual weight.
        max_length: Nodes inside the blocks that a child may have, or as many as its parent. A
            search that starts from a large seed passes more, e.g. twice the seed's length.

    Raises:
        TreeError: The blocks do not parse as Python or hold nothing that could be changed.
    """
    chances = {**WEIGHTS, **(weights or {})}
    unknown = chances.keys() - OPERATORS.keys()
    if unknown:
        raise TreeError(f"no operator {sorted(unknown)[0]!r}; there are: {', '.join(OPERATORS)}")
    others = [found for program in inspirations if (found := _readable(program)) is not None]
    mine = source(parent)
    before = syntax_hash(parent)
    size = programs.length(parent)
    longest = max(max_length, size)
    room = longest - size + _ERROR_OF_GROWTH
    for _ in range(_TRIES):
        child, operator = _step(mine, others, rng, primitives, chances, room)
        if child is not None and (operator in _CHANGES_NOTHING or rng.random() < _TWO_STEPS):
            second, name = _step(child, others, rng, primitives, chances, room)
            if second is not None:
                child, operator = second, f"{operator}+{name}"
        if child is None or programs.length(child.program) > longest:
            continue
        if syntax_hash(child.program) != before:
            return Mutation(program=child.program, operator=operator)
    raise TreeError(f"no operator found anything to change in {_TRIES} tries")


def _readable(program: Program) -> Source | None:
    try:
        return source(program)
    except TreeError:
        return None


def _step(
    mine: Source,
    others: Sequence[Source],
    rng: random.Random,
    primitives: Sequence[str],
    chances: Mapping[str, float],
    room: int,
) -> tuple[Source | None, str]:
    """What one operator makes of a program, and its name."""
    constants = [value for found in (mine, *others) for value in found.constants]
    work = Work(mine, others, rng, Grower(rng, primitives, constants))
    names = [name for name in OPERATORS if chances[name] > 0]
    if not kernel.applies(mine):
        # programs without one draw as if there were no such operator
        names = [name for name in names if name != "kernel"]
    if not names:
        return None, ""
    operator = rng.choices(names, [chances[name] for name in names])[0]
    try:
        splices = OPERATORS[operator](work)
    except RecursionError:  # an expression too deep to be written out
        return None, operator
    if not splices or _growth(mine, splices) > room:
        return None, operator
    return _made(mine, splices), operator


def _growth(parent: Source, splices: Sequence[Splice]) -> int:
    """About how many nodes splices add; it costs much less than to parse the child."""
    return sum(
        len(_NODE.findall(splice.text))
        - len(_NODE.findall(parent.lines[splice.file].text, splice.start, splice.end))
        for splice in splices
    )


def _made(parent: Source, splices: Sequence[Splice]) -> Source | None:
    """The program with the splices made, unless they overlap, it does not parse, or it reads a
    name that has no value."""
    ordered = sorted(splices, key=lambda splice: (splice.file, splice.start, splice.end))
    for one, other in pairwise(ordered):
        if one.file == other.file and other.start < one.end:
            return None
    files = dict(parent.program.files)
    for path in {splice.file for splice in splices}:
        files[path] = spliced(files[path], [s for s in splices if s.file == path])
    child = _readable(Program.of(files))
    return child if child is not None and child.doubtful <= parent.doubtful else None
