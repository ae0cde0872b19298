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

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from evolve.explain.effects import (
    FIRST,
    LEVEL,
    MOST,
    TIMES,
    USUAL,
    Effect,
    Span,
    Word,
    effect,
)
from evolve.explain.measuring import Measure
from evolve.explain.minimal import MOST_CUTS, smallest, tidied
from evolve.explain.parts import Without, hunks, reductions
from evolve.program import Program, length, syntax_hash
from evolve.randomness import derive
from evolve.tuning import Parameter, TuneError, parameters, set_values
from evolve.tuning.literals import same_structure
from evolve.tuning.search import WORST, Told, generation_of, open_search

_PATIENCE_S = 60.0
"""So long an account may take for looks beyond the usual draws, where none are asked for."""
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
    """One changed place of a step, or one part of the last program, and what it does."""

    what: str
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One step: what it brings as a whole, and its changed places where there are several.

    Attributes:
        position: Of its program on the line; the first step makes program 1.
    """

    position: int
    kind: Kind
    effect: Effect
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
        structure: How far steps that change more than numbers went beyond the best before them,
            in all; what only undoes a loss is no gain.
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
    if await measure.fresh(line[-1], FIRST) is None:
        raise ValueError("it has no score on fresh draws, so nothing can be compared with it")
    taken = [hunks(before, after) for before, after in pairwise(line)]
    questions = len(taken) + sum(len(places) for places in taken if len(places) > 1)
    tell(f"{len(line) - 1} steps, {sum(map(len, taken))} changed places")
    span = await _span(measure, line)
    looks = _Looks(draws)
    asked = _Asked(measure, span, questions + 1, looks)
    whole = await asked.effect(line[-1], line[0])
    steps = []
    for position, (before, after) in enumerate(pairwise(line), 1):
        places = taken[position - 1]
        steps.append(
            Explained(
                position=position,
                kind=_kind(before, after),
                effect=await asked.effect(after, before),
                hunks=tuple(
                    [await asked.hunk(after, without) for without in places]
                    if len(places) > 1
                    else []
                ),
            )
        )
    tell("the ancestor's numbers tuned")
    # on no more draws than the whole, of which these are parts
    leaps = await _leaps(measure, line, steps, min(whole.draws, USUAL))
    retuned = await _retuned(measure, line, leaps, tune_evals)
    tell("parts of the program taken out")
    parts, smaller = await _parts(measure, line[-1], span, looks)
    minimal = await tidied(measure, smaller)
    structure, constants = (
        sum(leap.gain for leap in leaps if leap.step.kind is kind)
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


class _Looks:
    """After how many draws an effect is looked at, as long as it is unclear."""

    def __init__(self, draws: int | None) -> None:
        most = draws or MOST
        powers = (FIRST * TIMES**step for step in range(10))
        self.counts: list[int] = [*(count for count in powers if count < most), most]
        self.asked_for = draws is not None
        self._spent_s = 0.0
        self._evaluation_s = 0.0

    def worth_it(self, index: int) -> bool:
        """Whether there is such a look, and time for it."""
        if index >= len(self.counts):
            return False
        if self.asked_for or self.counts[index] <= USUAL:
            return True
        return self._spent_s + 2 * self.counts[index] * self._evaluation_s < _PATIENCE_S

    def took(self, index: int, seconds: float, evaluations: int) -> None:
        """Notes what a look at two programs took."""
        if self.counts[index] > USUAL:
            self._spent_s += seconds
        if evaluations:
            self._evaluation_s = seconds / evaluations


@dataclass(frozen=True, slots=True)
class _Asked:
    """Effects, measured on as many draws as each needs."""

    measure: Measure
    span: Span
    questions: int
    looks: _Looks

    async def hunk(self, program: Program, without: Without) -> Hunked:
        return Hunked(what=without.what, effect=await self.effect(program, without.program))

    async def effect(self, program: Program, without: Program) -> Effect:
        """What `program` has over `without`."""
        ranks = await self.measure.training_of([program, without])
        training = None
        if ranks[0] is not None and ranks[1] is not None and ranks[0][0] == ranks[1][0]:
            training = ranks[0][1] - ranks[1][1]
        found = None
        level = LEVEL / 2 / (self.questions * len(self.looks.counts))
        for index, draws in enumerate(self.looks.counts):
            if not self.looks.worth_it(index):
                break
            began, before = time.monotonic(), self.measure.evaluations
            ours = await self.measure.fresh(program, draws)
            theirs = await self.measure.fresh(without, draws)
            self.looks.took(index, time.monotonic() - began, self.measure.evaluations - before)
            if ours is None or theirs is None or ours.rung != theirs.rung:
                word = Word.NONE
                if ours is not None or theirs is not None:
                    further = theirs is None or (ours is not None and ours.rung > theirs.rung)
                    word = Word.NEEDED if further else Word.LOSS
                return Effect(
                    word=word, training=training, mean=None, low=None, high=None, draws=draws
                )
            differences = [a - b for a, b in zip(ours.values, theirs.values, strict=True)]
            more = self.measure.varies and self.looks.worth_it(index + 1)
            found = effect(differences, training=training, span=self.span, level=level, more=more)
            if found.word is not Word.UNCLEAR or len(differences) < draws:
                break
        assert found is not None
        return found


async def _span(measure: Measure, line: Sequence[Program]) -> Span:
    """How far the best of a line came from its first; some on it may be far worse than both."""
    ranks = [rank for rank in await measure.training_of(line) if rank is not None]
    top = max((rung for rung, _ in ranks), default=0)
    trained = [fitness for rung, fitness in ranks if rung == top]
    drawn = [one for program in line if (one := await measure.fresh(program, FIRST)) is not None]
    top = max((one.rung for one in drawn), default=0)
    means = [one.mean for one in drawn if one.rung == top]
    training, fresh = (max(found) - found[0] if found else 0.0 for found in (trained, means))
    return Span(fresh=fresh, most=max(fresh, training))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leap:
    """A step that went beyond all programs before it, the best of which is at `best`."""

    step: Explained
    best: int
    gain: float


async def _leaps(
    measure: Measure, line: Sequence[Program], steps: Sequence[Explained], draws: int
) -> list[_Leap]:
    """The steps that went beyond the best before them, as far as that can be said in numbers.

    Not simply the gains: a line may fall first, and what only climbs back found nothing.
    """
    found = []
    best, top = 0, await measure.fresh(line[0], draws)
    for step in steps:
        drawn = await measure.fresh(line[step.position], draws)
        if drawn is None:
            continue
        if top is not None and top.rung == drawn.rung and drawn.mean > top.mean:
            found.append(_Leap(step=step, best=best, gain=drawn.mean - top.mean))
        if top is None or (drawn.rung, drawn.mean) >= (top.rung, top.mean):
            best, top = step.position, drawn
    return found


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
        values = [await measure.fresh(one, _SECOND) for one in (ancestor, tuned, line[-1])]
        start, numbers, end = values
        if start is None or numbers is None or end is None:
            continue
        if not start.rung == numbers.rung == end.rung:
            continue
        return Retuned(
            position=leap.best,
            gain=numbers.mean - start.mean,
            line_gain=end.mean - start.mean,
        )
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
    measure: Measure, program: Program, span: Span, looks: _Looks
) -> tuple[list[Hunked], Program]:
    """What each part does, and the program without those that do nothing."""
    cuts = list(reductions(program))[:MOST_CUTS]
    asked = _Asked(measure, span, len(cuts), looks)
    statements = [cut for cut in cuts if cut.what.startswith("- ")]
    parts = [await asked.hunk(program, cut) for cut in statements]
    return parts, await smallest(measure, program)


def _kept(parts: Sequence[Hunked], smaller: Program) -> int:
    there = {cut.what for cut in reductions(smaller)}
    return sum(
        part.effect.word in (Word.NONE, Word.OVERFIT)
        and any((part.effect.training, part.effect.mean, part.effect.high))
        and part.what in there
        for part in parts
    )
