"""One proposal: an operator drawn by weight, tried until a sound and different child comes out."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evolve import program as programs
from evolve import syntax
from evolve.program import Program, syntax_hash
from evolve.tree import expressions, statements, transplant
from evolve.tree.grow import Grower
from evolve.tree.source import Source, TreeError, source
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
}
"""How often each operator is tried; `weights` of a call replace single values."""

MAX_LENGTH = 160
"""Syntax-tree nodes inside the blocks: a longer child must at least be shorter than its parent."""
_TRIES = 12
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
) -> Mutation:
    """A child of `parent` that parses and differs from it in its syntax tree.

    Pure: the same arguments and state of `rng` give the same child.

    Args:
        inspirations: Programs that crossover takes from; those that do not parse are passed over.
        primitives: Functions that may be called, e.g. "abs", "math.sqrt".
        weights: How often an operator is tried, by name; others keep their usual weight.

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
    longest = max(MAX_LENGTH, programs.length(parent) - 1)
    for _ in range(_TRIES):
        child, operator = _step(mine, others, rng, primitives, chances)
        if child is not None and rng.random() < _TWO_STEPS:
            further = _readable(child)
            if further is not None:
                second, name = _step(further, others, rng, primitives, chances)
                if second is not None:
                    child, operator = second, f"{operator}+{name}"
        if child is None or syntax_hash(child) == before or programs.length(child) > longest:
            continue
        return Mutation(program=child, operator=operator)
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
) -> tuple[Program | None, str]:
    constants = [value for found in (mine, *others) for value in found.constants]
    work = Work(mine, others, rng, Grower(rng, primitives, constants))
    names = [name for name in OPERATORS if chances[name] > 0]
    operator = rng.choices(names, [chances[name] for name in names])[0]
    splices = OPERATORS[operator](work)
    return (_made(mine.program, splices) if splices else None), operator


def _made(parent: Program, splices: Sequence[Splice]) -> Program | None:
    """The program with the splices made, unless they overlap or it does not parse."""
    ordered = sorted(splices, key=lambda splice: (splice.file, splice.start, splice.end))
    for one, other in pairwise(ordered):
        if one.file == other.file and other.start < one.end:
            return None
    files = dict(parent.files)
    for path in {splice.file for splice in splices}:
        text = spliced(files[path], [splice for splice in splices if splice.file == path])
        if syntax.parse(text) is None:
            return None
        files[path] = text
    return Program.of(files)
