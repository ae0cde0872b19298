"""The account of a line of programs: what each edit brings, what the last one could do without.

Four experiments, all on fresh draws:

1. every step, and every changed place of a step taken back alone;
2. the numbers of the best program before the step of structure that went furthest beyond it, tuned
   anew;
3. every part of the last program, taken out alone;
4. all parts without effect, taken out one after the other, and what is left tidied: the minimal
   program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from evolve.explain.asking import Asked, Looks
from evolve.explain.effects import FIRST, TIMES, USUAL, Effect, Span, Word
from evolve.explain.measuring import Measure
from evolve.explain.minimal import MOST_CUTS, smallest, tidied
from evolve.explain.pairing import Rank, paired, typical
from evolve.explain.parts import Without, hunks, reductions, reverted
from evolve.program import Program, length, syntax_hash
from evolve.randomness import derive
from evolve.tuning import Parameter, TuneError, parameters, set_values
from evolve.tuning.literals import same_structure
from evolve.tuning.search import WORST, Told, generation_of, open_search

_SECOND = FIRST * TIMES
"""Draws on which programs as wholes are compared."""
_SHARE = 0.8
"""From this share of a gain on, tuned constants explain it."""


class Kind(StrEnum):
    """What a step changes."""

    STRUCTURE = "structure"
    CONSTANTS = "constants"
    TEXT = "text"
    """Nothing that runs: comments, layout, names of locals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunked:
    """One changed place of a step, or one part of the last program, and what it does.

    Attributes:
        together: The effect is that of all places of its step that nothing is valid without one of.
    """

    what: str
    effect: Effect
    together: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One step: what it brings as a whole, and its changed places where there are several.

    Attributes:
        position: Of its program on the line; the first step makes program 1.
        edits: The text of each changed place, in one line.
    """

    position: int
    kind: Kind
    effect: Effect
    edits: tuple[str, ...]
    hunks: tuple[Hunked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retuned:
    """The best program before a leap with its numbers tuned: what that brings, beside what the
    line made of it.

    Attributes:
        share: How much of the line's gain from there on the numbers alone reach.
    """

    position: int
    gain: float
    line_gain: float

    @property
    def share(self) -> float:
        return self.gain / self.line_gain if self.line_gain > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What made the last program of a line good.

    Attributes:
        whole: The last program beside the first.
        structure: How far gains by steps that change more than numbers went beyond the best before
            them, in all; what only undoes a loss is no gain.
        constants: The same of steps that change numbers only.
        minimal: The last program without what has no effect, written as a person would; None where
            that is the program itself.
        removed: Nodes that had no effect.
        kept: So many statements without effect on fresh draws are in the minimal program all the
            same: they change the score in training, or on fresh draws by less than counts.
    """

    verdict: str
    whole: Effect
    steps: tuple[Explained, ...]
    structure: float
    constants: float
    retuned: Retuned | None
    parts: tuple[Hunked, ...]
    minimal: Program | None
    removed: int
    kept: int
    evaluations: int


async def account(
    measure: Measure,
    line: Sequence[Program],
    *,
    tune_evals: int,
    draws: int | None = None,
    tell: Callable[[str], None],
) -> Account:
    """Measures a line of programs from first to last; the last must be valid on fresh draws.

    Args:
        tune_evals: Evaluations for the experiment with the ancestor's numbers.
        draws: Fresh draws at most, where fewer leave an effect unclear; None: as many as are made
            in about a minute, 128 in any case and 2,048 at most.
        tell: Told what is being measured.

    Raises:
        ValueError: the last program has no score on fresh draws.
    """
    if typical(await measure.fresh(line[-1], FIRST)) is None:
        raise ValueError("it has no score on fresh draws, so nothing can be compared with it")
    taken = [hunks(before, after) for before, after in pairwise(line)]
    questions = len(taken) + sum(len(places) for places in taken if len(places) > 1)
    tell(f"{len(line) - 1} steps, {sum(map(len, taken))} changed places")
    await measure.look_for_noise([line[0], line[-1]])
    if measure.noisy:
        tell("judged again, a program has another score: each figure is of several measurements")
    span = await _span(measure, line)
    looks = Looks(draws)
    asked = Asked(measure, span, questions + 1, looks)
    whole = await asked.effect(line[-1], line[0])
    steps = []
    for position, (before, after) in enumerate(pairwise(line), 1):
        places = taken[position - 1]
        steps.append(
            Explained(
                position=position,
                kind=_kind(before, after),
                effect=await asked.effect(after, before),
                edits=tuple(place.what for place in places),
                hunks=tuple(await _hunks(asked, before, after, places)),
            )
        )
    tell("the ancestor's numbers tuned")
    # on no more draws than the whole, of which these are parts
    leaps = await _leaps(measure, line, steps, span, max(FIRST, min(whole.draws, USUAL)))
    retuned = await _retuned(measure, line, leaps, tune_evals)
    tell("parts of the program taken out")
    parts, smaller = await _parts(measure, line[-1], span, looks)
    minimal = await tidied(measure, smaller)
    counted = _counted(leaps, whole)
    structure, constants = (
        sum(leap.gain for leap in counted if leap.step.kind is kind)
        for kind in (Kind.STRUCTURE, Kind.CONSTANTS)
    )
    return Account(
        verdict=_verdict(whole, structure, constants, retuned),
        whole=whole,
        steps=tuple(steps),
        structure=structure,
        constants=constants,
        retuned=retuned,
        parts=tuple(parts),
        minimal=None if minimal == line[-1] else minimal,
        removed=length(line[-1]) - length(smaller),
        kept=_kept(parts, smaller),
        evaluations=measure.evaluations,
    )


def _kind(before: Program, after: Program) -> Kind:
    if syntax_hash(before) == syntax_hash(after):
        return Kind.TEXT
    return Kind.CONSTANTS if same_structure(before, after) else Kind.STRUCTURE


def _verdict(whole: Effect, structure: float, constants: float, retuned: Retuned | None) -> str:
    match whole.word:
        case Word.OVERFIT:
            return "overfit"
        case Word.NONE | Word.LOSS:
            return "no gain"
        case Word.UNCLEAR:
            return "unclear"
    if constants > structure or (retuned is not None and retuned.share >= _SHARE):
        return "tuned constants"
    return "new structure"


async def _hunks(
    asked: Asked, before: Program, after: Program, places: Sequence[Without]
) -> list[Hunked]:
    """What each changed place of a step does. Those that the program is not valid without one of,
    as when a name changes in two of them, are taken back together."""
    if len(places) < 2 or _kind(before, after) is Kind.TEXT:
        return []
    found = [
        Hunked(what=place.what, effect=await asked.effect(after, place.program)) for place in places
    ]
    broken = [
        index
        for index, one in enumerate(found)
        if one.effect.word is Word.NEEDED and one.effect.mean is None
    ]
    if len(broken) > 1:
        joint = await asked.effect(after, reverted(before, after, broken))
        for index in broken:
            found[index] = Hunked(what=found[index].what, effect=joint, together=True)
    return found


async def _span(measure: Measure, line: Sequence[Program]) -> Span:
    """How far the best of a line came from its first; some on it may be far worse than both."""
    trained = [await measure.training(program) for program in line]
    drawn = [typical(await measure.fresh(program, FIRST)) for program in line]
    training, fresh = (_reach(found) for found in (trained, drawn))
    return Span(fresh=fresh, most=max(fresh, training))


def _reach(ranks: Sequence[Rank | None]) -> float:
    found = [rank for rank in ranks if rank is not None]
    top = max((rung for rung, _ in found), default=0)
    values = [value for rung, value in found if rung == top]
    return max(values) - values[0] if values else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leap:
    """A step that went beyond all programs before it, the best of which is at `best`."""

    step: Explained
    best: int
    gain: float


async def _leaps(
    measure: Measure,
    line: Sequence[Program],
    steps: Sequence[Explained],
    span: Span,
    draws: int,
) -> list[_Leap]:
    """The steps that went beyond the best before them, as far as that can be said in numbers.

    Not simply the gains: a line may fall first, and what only climbs back found nothing.
    """
    found = []
    best, top = 0, await measure.fresh(line[0], draws)
    for step in steps:
        drawn = await measure.fresh(line[step.position], draws)
        if typical(drawn) is None:
            continue
        pairs = paired(drawn, top, scale=span.most)
        if pairs.mean is not None and pairs.mean > 0:
            found.append(_Leap(step=step, best=best, gain=pairs.mean))
        if pairs.lead >= 0:
            best, top = step.position, drawn
    return found


def _counted(leaps: Sequence[_Leap], whole: Effect) -> list[_Leap]:
    """The leaps that are more than luck; where none is by itself and all together are, all those
    of which it is not known that they are nothing."""
    gains = [leap for leap in leaps if leap.step.effect.word in (Word.GAIN, Word.NEEDED)]
    if gains or whole.word not in (Word.GAIN, Word.NEEDED):
        return gains
    return [leap for leap in leaps if leap.step.effect.word is Word.UNCLEAR]


async def _retuned(
    measure: Measure, line: Sequence[Program], leaps: Sequence[_Leap], evals: int
) -> Retuned | None:
    """The experiment on the best program before the furthest leap of structure, or before the next
    where that program has no numbers."""
    by_gain = sorted(
        (
            leap
            for leap in leaps
            if leap.step.kind is Kind.STRUCTURE and leap.step.effect.word is Word.GAIN
        ),
        key=lambda leap: -leap.gain,
    )
    for leap in by_gain:
        ancestor = line[leap.best]
        try:
            chosen = parameters(ancestor)
            tuned = await _tuned(measure, ancestor, chosen, evals)
        except TuneError:
            continue
        start, numbers, end = [
            await measure.fresh(one, _SECOND) for one in (ancestor, tuned, line[-1])
        ]
        gain, line_gain = paired(numbers, start).mean, paired(end, start).mean
        if gain is not None and line_gain is not None:
            return Retuned(position=leap.best, gain=gain, line_gain=line_gain)
    return None


async def _tuned(
    measure: Measure, base: Program, chosen: Sequence[Parameter], evals: int
) -> Program:
    """The best on the training draw of so many settings of a program's numbers."""
    search = open_search(chosen)
    generation = generation_of(len(chosen))
    best, best_rank = base, await measure.training(base) or WORST
    for start in range(0, evals, generation):
        tried = []
        for index in range(start, min(start + generation, evals)):
            asked = search.ask(derive(measure.seed, "explain tuning", index))
            values = tuple(float(p.nearest(v)) for p, v in zip(chosen, asked, strict=True))
            tried.append((values, set_values(base, chosen, values)))
        ranks = await measure.training_of([program for _, program in tried])
        for (values, program), rank in zip(tried, ranks, strict=True):
            search.tell(Told(values, rank or WORST))
            if rank is not None and rank > best_rank:
                best, best_rank = program, rank
    return best


async def _parts(
    measure: Measure, program: Program, span: Span, looks: Looks
) -> tuple[list[Hunked], Program]:
    """What each part does, and the program without those that do nothing."""
    cuts = list(reductions(program))[:MOST_CUTS]
    asked = Asked(measure, span, len(cuts), looks)
    parts = [
        Hunked(what=cut.what, effect=await asked.effect(program, cut.program))
        for cut in cuts
        if cut.what.startswith("- ")
    ]
    return parts, await smallest(measure, program)


def _kept(parts: Sequence[Hunked], smaller: Program) -> int:
    there = {cut.what for cut in reductions(smaller)}
    return sum(
        part.effect.word in (Word.NONE, Word.OVERFIT)
        and any((part.effect.training, part.effect.mean, part.effect.high))
        and part.what in there
        for part in parts
    )
