"""What one program has over another: asked on as many fresh draws as that needs."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

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
from evolve.explain.pairing import Pairs, difference, paired
from evolve.program import Program, syntax_hash

_PATIENCE_S = 60.0
"""So long an account may take for looks beyond the usual draws, where none are asked for."""


class Looks:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """A difference in training.

    Attributes:
        gain: None where the two cannot be compared.
        climbed: The program came to a later stage there, and both have a score.
    """

    gain: float | None
    climbed: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Effects, measured on as many draws as each needs."""

    measure: Measure
    span: Span
    questions: int
    looks: Looks

    async def effect(self, program: Program, without: Program) -> Effect:
        """What `program` has over `without`."""
        if syntax_hash(program) == syntax_hash(without):
            return Effect(word=Word.NONE, training=0.0, mean=0.0, low=0.0, high=0.0, draws=0)
        training = await self._training(program, without)
        if training is None:
            return _word(Word.NEEDED, None, draws=0)
        found = None
        level = LEVEL / 2 / (self.questions * len(self.looks.counts))
        for index, draws in enumerate(self.looks.counts):
            if not self.looks.worth_it(index):
                break
            began, before = time.monotonic(), self.measure.evaluations
            ours = await self.measure.fresh(program, draws)
            theirs = await self.measure.fresh(without, draws)
            self.looks.took(index, time.monotonic() - began, self.measure.evaluations - before)
            found = judged(
                paired(ours, theirs, scale=self.span.most),
                training=training.gain,
                climbed=training.climbed,
                span=self.span,
                level=level,
                fewest=min(draws, FIRST) if self.measure.varies else 1,
                more=self.measure.varies and self.looks.worth_it(index + 1),
                noisy=self.measure.noisy,
            )
            if found.word is not Word.UNCLEAR or not self.measure.varies:
                break
        assert found is not None
        return found

    async def _training(self, program: Program, without: Program) -> _Training | None:
        """None where a time limit ends the one without the change alone: it is not asked again."""
        ours, theirs = [await self.measure.training(one) for one in (program, without)]
        if ours is not None and theirs is None and self.measure.timed_out(without):
            return None
        if ours is None or theirs is None:
            return _Training(gain=None, climbed=False)
        if ours[0] != theirs[0]:
            return _Training(gain=None, climbed=ours[0] > theirs[0])
        gain = difference(ours[1], theirs[1], scale=self.span.most)
        return _Training(gain=gain, climbed=False)


def judged(
    pairs: Pairs,
    *,
    training: float | None,
    climbed: bool,
    span: Span,
    level: float,
    fewest: int,
    more: bool,
    noisy: bool,
) -> Effect:
    """What a program has over another, which may come to different stages on some draws.

    Args:
        training: The difference on the training draw.
        climbed: It came further than the other on the training draw.
        fewest: Draws on which both came to the same stage that say anything about values.
        more: More draws can be had.
    """
    values = None
    if pairs.differences:
        values = effect(
            pairs.differences, training=training, span=span, level=level, more=more, noisy=noisy
        )
        if len(pairs.differences) < fewest:
            values = replace(values, word=Word.UNCLEAR)
        if climbed and pairs.further <= pairs.behind and values.word in (Word.NONE, Word.LOSS):
            values = replace(values, word=Word.OVERFIT)
    if not pairs.uneven:
        if values is not None:
            return values
        # neither has a score on any fresh draw
        word = Word.OVERFIT if climbed or (training or 0.0) > 0 else Word.NONE
        return _word(word, training, draws=0)
    draws = len(pairs.differences) + pairs.uneven
    further = pairs.further > pairs.behind
    if values is None and not (pairs.further and pairs.behind):
        word = Word.NEEDED if further else Word.LOSS
    elif pairs.chance <= level:
        word = Word.NEEDED if further else Word.LOSS
        if further and values is not None and values.word is Word.GAIN:
            word = Word.GAIN
    elif values is not None and values.word in (Word.GAIN, Word.LOSS, Word.OVERFIT):
        word = values.word
    else:
        word = Word.UNCLEAR
    found = _word(word, training, draws=draws) if values is None else replace(values, word=word)
    return replace(found, draws=draws, further=pairs.further, behind=pairs.behind)


def _word(word: Word, training: float | None, *, draws: int) -> Effect:
    return Effect(word=word, training=training, mean=None, low=None, high=None, draws=draws)
