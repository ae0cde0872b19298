"""One proposal: operators, tried until a sound and different child comes out."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from evolve import program as programs
from evolve.program import Program, syntax_hash
from evolve.tree import expressions, kernel, loops, orders, statements, transplant
from evolve.tree.grow import Grower
from evolve.tree.kinds import Given
from evolve.tree.places import Source, TreeError
from evolve.tree.simplify import simplify
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
    "order": orders.order,
    "index": orders.index,
    "leave": loops.leave,
    "enclose": loops.enclose,
    "repeat": loops.repeat,
    "simplify": simplify,
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
    "order": 1,
    "index": 1,
    "leave": 0.5,
    "enclose": 0.5,
    "repeat": 0.3,
    "simplify": 1,
    "crossover": 4,
    "graft": 2,
    "recombine": 2,
    "kernel": 30,
}
"""How often each operator is tried where nothing is known of what they win; `weights` of a call
replace single values."""

MAX_LENGTH = 120
"""Nodes inside the blocks that a child may have where the caller says nothing else."""
_TRIES = 50
_TRIES_TO_DIFFER = 4
"""Of them, to find a child that does not say what its parent says."""
_TRIES_AS_PLANNED = 10
"""Of them; a program may have no place for the operators that were planned."""
CHOICES = 8
"""Children of one parent among which the best is proposed, where they can be weighed."""
_NAMED = 2
"""Children that a proposal names; the second does something else than the first."""
_ERROR_OF_GROWTH = 10
_NODE = re.compile(r"\w+|[-+*/%<>=]+")
_CHANGES_NOTHING = frozenset({"hoist"})
"""What the child does stays the same: always followed by a second mutation."""
_NEEDED: Mapping[tuple[str, ...], Callable[[Source], bool]] = {
    ("order",): orders.has_orders,
    ("index",): orders.has_indices,
    ("leave", "enclose", "repeat"): loops.has_loops,
}
"""What some operators cannot do without."""
_ONE_PART = 0.5
"""Share of steps for which a function is drawn first, then a place in it."""
_TWO_STEPS = 0.2
"""Share of children that get a second mutation on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A child, and the operator that made it ("constant", or "guard+constant" for two steps).

    Attributes:
        instead: The next best, where children were weighed: should this one be known already.
    """

    program: Program
    operator: str
    instead: Mutation | None = None


def fitting(
    weights: Mapping[str, float], among: Iterable[Program], given: Given = ()
) -> dict[str, float]:
    """Weights of the operators that have something to work on in some of the programs."""
    among = list(among)
    sources = [read for program in among if (read := _readable(program, given))]
    found = dict(weights)
    if not any(map(kernel.applies, among)):
        found.pop("kernel", None)
    for names, has in _NEEDED.items():
        if not any(map(has, sources)):
            for name in names:
                found.pop(name, None)
    return found


def plan(ask: Callable[[], str], rng: random.Random) -> list[str]:
    """Operators for one child, most often one; `ask` draws an operator."""
    first = ask()
    twice = first in _CHANGES_NOTHING or rng.random() < _TWO_STEPS
    return [first, ask()] if twice else [first]


def propose(
    parent: Program,
    inspirations: Sequence[Program],
    rng: random.Random,
    *,
    operators: Sequence[str] = (),
    primitives: Sequence[str] = (),
    weights: Mapping[str, float] | None = None,
    max_length: int = MAX_LENGTH,
    given: Given = (),
    behaviour: Callable[[str], int | None] | None = None,
    worth: Callable[[str], float | None] | None = None,
    choices: int = CHOICES,
) -> Mutation:
    """A child of `parent` that parses and differs from it in its syntax tree.

    Pure: the same arguments and state of `rng` give the same child.

    Args:
        inspirations: Programs that crossover takes from; those that do not parse are passed over.
        operators: To be tried first, each on what the one before made. Where they find nothing to
            change, others are drawn by weight.
        primitives: Functions that may be called, e.g. "abs", "math.sqrt".
        weights: How often an operator is tried, by name; others keep their usual weight.
        max_length: Nodes inside the blocks that a child may have, or as many as its parent. A
            search that starts from a large seed passes more, e.g. twice the seed's length.
        given: What has been learnt of names without annotation, by `learn`.
        behaviour: Foretells what programs of one file do, None where it cannot. A child that does
            what its parent does must be shorter; where no try of a few gives another, the last is
            taken.
        worth: Weighs programs of one file, the more the better, None where it cannot. The best of
            `choices` children is taken, none that does what an inspiration does, and the next best
            that does something else is named; where the first cannot be weighed, that one is taken.
            Preselection, as in surrogate-assisted evolution (Jin, Swarm and Evolutionary
            Computation 1, 2011).

    Raises:
        TreeError: The blocks do not parse as Python or hold nothing that could be changed.
    """
    chances = {**WEIGHTS, **(weights or {})}
    unknown = (chances.keys() | set(operators)) - OPERATORS.keys()
    if unknown:
        raise TreeError(f"no operator {sorted(unknown)[0]!r}; there are: {', '.join(OPERATORS)}")
    others = [found for program in inspirations if (found := _readable(program, given))]
    mine = source(parent, given)
    size = programs.length(parent)
    longest = max(max_length, size)
    room = longest - size + _ERROR_OF_GROWTH
    drawn = _drawing(parent, rng, chances, given)
    shown = _foretold(inspirations, behaviour) if worth is not None else frozenset[int]()
    echo, heard = None, 0
    weighed: list[tuple[float, _Made]] = []
    for count in range(_TRIES):
        planned = operators if count < _TRIES_AS_PLANNED else ()
        made = _steps(mine, others, rng, primitives, planned or plan(drawn, rng), room, given)
        if made is None or made.program == parent:
            continue
        # what costs least comes first: where programs can be foretold, many end there
        echoes = behaviour is not None and _says_the_same(parent, made.program, behaviour)
        if echoes and made.growth >= 0:
            echo, heard = made, heard + 1
            if heard == _TRIES_TO_DIFFER:
                break
            continue
        if shown and not echoes and _foretold([made.program], behaviour) & shown:
            continue
        value = None if worth is None or echoes else _weighed(made.program, worth)
        if value is not None:
            weighed.append((value, made))
            if len(weighed) == choices:
                break
        elif (
            not weighed
            and _is_sound(made.program, mine, longest, given)
            and not (echoes and programs.length(made.program) >= size)
        ):
            return made.mutation
    weighed.sort(key=lambda one: -one[0])
    best, done = list[_Made](), frozenset[int]()
    for made in (*(made for _, made in weighed), *([echo] if echo else [])):
        does = _foretold([made.program], behaviour)
        if not (best and (made is echo or does & done)) and _is_sound(
            made.program, mine, longest, given
        ):
            best, done = [*best, made], does
        if len(best) == _NAMED:
            break
    if not best:
        raise TreeError(f"no operator found anything to change in {_TRIES} tries")
    second = best[1].mutation if best[1:] else None
    return replace(best[0].mutation, instead=second)


def _foretold(
    programs: Iterable[Program], behaviour: Callable[[str], int | None] | None
) -> frozenset[int]:
    """What programs of one file do, where that can be foretold."""
    if behaviour is None:
        return frozenset()
    alone = (program for program in programs if len(program.files) == 1)
    told = (behaviour(*program.files.values()) for program in alone)
    return frozenset(does for does in told if does is not None)


def _says_the_same(parent: Program, child: Program, behaviour: Callable[[str], int | None]) -> bool:
    if len(parent.files) > 1 or len(child.files) > 1:
        return False
    does, did = (behaviour(*program.files.values()) for program in (child, parent))
    return does is not None and does == did


def _weighed(child: Program, worth: Callable[[str], float | None]) -> float | None:
    return None if len(child.files) > 1 else worth(*child.files.values())


def _is_sound(child: Program, mine: Source, longest: int, given: Given) -> bool:
    """Whether it is another program, not too long, and reads no more names without a value."""
    if syntax_hash(child) == syntax_hash(mine.program) or programs.length(child) > longest:
        return False
    read = _readable(child, given)
    return read is not None and read.doubtful <= mine.doubtful


def doubt(program: Program, primitives: Sequence[str] = (), given: Given = ()) -> str:
    """Why nothing is made of a program without inspirations; "" where something is."""
    try:
        propose(program, [], random.Random(0), primitives=primitives, given=given)
    except TreeError as error:
        hint = "say what parameters are, as in `def f(x: float, y: np.ndarray)`, or ask a model"
        return f"{error}; {hint}"
    return ""


def _readable(program: Program, given: Given) -> Source | None:
    try:
        return source(program, given)
    except TreeError:
        return None


def _drawing(
    parent: Program, rng: random.Random, chances: Mapping[str, float], given: Given
) -> Callable[[], str]:
    """Draws operators by weight."""
    known = {
        name: weight for name, weight in fitting(chances, [parent], given).items() if weight > 0
    }
    if not known:
        raise TreeError("there is no operator that may be tried")
    return lambda: rng.choices(list(known), list(known.values()))[0]


@dataclass(frozen=True, slots=True)
class _Made:
    """What operators made, not read yet; `growth` is about how many nodes they added."""

    program: Program
    operators: tuple[str, ...]
    growth: int

    @property
    def mutation(self) -> Mutation:
        return Mutation(program=self.program, operator="+".join(self.operators))


def _steps(
    mine: Source,
    others: Sequence[Source],
    rng: random.Random,
    primitives: Sequence[str],
    operators: Sequence[str],
    room: int,
    given: Given,
) -> _Made | None:
    """What operators make of a program one after the other, and which of them did something."""
    source, made = mine, None
    for operator in operators:
        if made is not None:
            read = _readable(made.program, given)
            if read is None:
                return None
            source = read
        constants = [value for found in (source, *others) for value in found.constants]
        grow = Grower(rng, primitives, constants, source.indices, source.letters)
        work = Work(_drawn_part(source, rng), others, rng, grow)
        try:
            splices = OPERATORS[operator](work)
        except RecursionError:  # an expression too deep to be written out
            splices = None
        if not splices or (growth := _growth(source, splices)) > room:
            continue
        child = _spliced(source.program, splices)
        if child is not None:
            before = made or _Made(child, (), 0)
            made = _Made(child, (*before.operators, operator), before.growth + growth)
    return made


def _drawn_part(source: Source, rng: random.Random) -> Source:
    """Often one function alone, whichever: where places are drawn from all, the long function that
    drives the others gets most changes, and the short one that decides hardly any."""
    parts = [part for part in source.above if part.sites]
    if len(parts) < 2 or rng.random() >= _ONE_PART:
        return source
    part = rng.choice(parts)
    return replace(source, parts=(part,), sites=part.sites, slots=part.slots)


def _growth(parent: Source, splices: Sequence[Splice]) -> int:
    """About how many nodes splices add; it costs much less than to parse the child."""
    return sum(
        len(_NODE.findall(splice.text))
        - len(_NODE.findall(parent.program.files[splice.file], splice.start, splice.end))
        for splice in splices
    )


def _spliced(parent: Program, splices: Sequence[Splice]) -> Program | None:
    """The program with the splices made, unless they overlap."""
    ordered = sorted(splices, key=lambda splice: (splice.file, splice.start, splice.end))
    for one, other in pairwise(ordered):
        if one.file == other.file and other.start < one.end:
            return None
    files = dict(parent.files)
    for path in {splice.file for splice in splices}:
        files[path] = spliced(files[path], [s for s in splices if s.file == path])
    return Program.of(files)
