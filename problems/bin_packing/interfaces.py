"""The two ways a candidate is asked, and what keeps each of them online.

`table`: the candidate is a function of item and space left only. It hands out its whole table,
trusted code packs, and the items never enter its process: there is nothing to look ahead at.

`bins`: the candidate sees the item and the open bins it fits into. Step by step, as in validation
and test, its process is asked once per item and holds no later item: nothing to look ahead at
either. That costs a message an item; in training driver code beside the candidate runs the whole
packing instead, and a candidate could find the items to come in the driver's frames. So an audit
asks a second, fresh process for some of the decisions again, in the order of arrival, and that
process has only ever seen the past. What the audit shows: those decisions are a function of item
and bins alone, whatever the way of cheating (frames, memory of earlier runs, clocks). What it does
not show: that the decisions not asked for are too; a candidate that looks ahead rarely can slip
through training, where it gains little, and gains nothing in validation and test.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluators import Invalid
from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import Items, distributions
from evolve import Score
from evolve.problem import CandidateHandle

from .asked import Pairs, occurring, ranked
from .scores import score_packings

AUDITED = 400
"""Decisions asked again in training; who cheats in 1 % of all decisions passes one time in 56."""


def by_table(
    candidate: CandidateHandle,
    distribution: str,
    instances: Sequence[Items],
    seed: int | None,
    *,
    certify: bool = False,
) -> Score | Invalid:
    """Asks for the table, packs by it, and scores."""
    capacity = distributions()[distribution].capacity
    ranks = ask_table(candidate, occurring(distribution, instances), order=_order_key(seed))
    if isinstance(ranks, Invalid):
        return ranks
    candidate.behaves_as(ranks.tobytes())
    packings = packing.pack_table(ranks, instances, capacity)
    return score_packings(
        distribution, instances, packings, seed=seed, ranks=ranks, certify=certify
    )


def ask_table(candidate: CandidateHandle, asked: Pairs, *, order: int) -> packing.Ranks | Invalid:
    """The candidate's table as ranks; asks in a mixed order, and a tenth of it twice."""
    questions = _questions(asked, order)
    answers = candidate.drive("answers", questions.items, questions.spaces)
    if (
        not isinstance(answers, np.ndarray)
        or answers.dtype != np.float64
        or answers.shape != questions.items.shape
    ):
        return Invalid("the driver did not hand out one number for each question")
    once = len(questions.order)
    first, again = answers[:once], answers[once:]
    before = first[len(again) - 1 :: -1]
    differs = (before != again) & ~(np.isnan(before) & np.isnan(again))
    if differs.any():
        at = int(differs.argmax())
        item, space = questions.items[once + at], questions.spaces[once + at]
        return Invalid(
            f"priority({item}, {space}) gave {before[at]} and later {again[at]}: "
            "it is not a function of item and remaining"
        )
    ordered = np.empty_like(first)
    ordered[questions.order] = first
    return ranked(asked, ordered)


class _Questions:
    """All pairs in a mixed order, then the first tenth of that again, backwards."""

    def __init__(self, asked: Pairs, order: int) -> None:
        mixed = list(range(len(asked.items)))
        random.Random(order).shuffle(mixed)
        self.order = np.array(mixed)
        all_of_them = np.array(mixed + mixed[len(mixed) // 10 :: -1])
        self.items = asked.items[all_of_them].astype(np.int16)
        self.spaces = asked.spaces[all_of_them].astype(np.int16)


_questions = lru_cache(maxsize=8)(_Questions)


def _order_key(seed: int | None) -> int:
    """What the order of the questions is drawn from: too little to draw the instances from."""
    return int.from_bytes(hashlib.sha256(f"order of questions/{seed}".encode()).digest()[:2])


def driven(
    candidate: CandidateHandle, distribution: str, instances: Sequence[Items]
) -> list[object] | Invalid:
    """The packings that the driver made beside the candidate; not checked in any way."""
    packings = candidate.drive("pack", list(instances), distributions()[distribution].capacity)
    if not isinstance(packings, list) or len(packings) != len(instances):
        return Invalid("the driver did not hand out one packing for each instance")
    return packings


def audit(
    candidate: CandidateHandle,
    distribution: str,
    instances: Sequence[Items],
    packings: Sequence[object],
    seed: int,
) -> Invalid | None:
    """Asks a fresh process for some decisions again; `Invalid` if one differs.

    The packings must have been verified. The process is asked in the order of arrival, so it never
    holds an item that comes later than the one it is asked about.
    """
    capacity = distributions()[distribution].capacity
    total = sum(map(len, instances))
    rng = random.Random(int.from_bytes(hashlib.sha256(f"audit/{seed}".encode()).digest()))
    asked = np.array(sorted(rng.sample(range(total), min(AUDITED, total))))
    with candidate.fresh() as other:
        first = 0
        for index, (items, bins) in enumerate(zip(instances, packings, strict=True)):
            here = asked[(asked >= first) & (asked < first + len(items))] - first
            first += len(items)
            fault = _ask_again(other, items, np.asarray(bins), capacity, here.tolist())
            if fault is not None:
                return Invalid(f"instance {index}, {fault}")
    return None


def _ask_again(
    candidate: CandidateHandle,
    items: Items,
    bins: packing.Bins,
    capacity: int,
    positions: Sequence[int],
) -> str | None:
    newest = np.maximum.accumulate(np.append(-1, bins))
    if (bins > newest[:-1] + 1).any():
        return "the bins are not numbered in the order of opening"
    state = OpenBins(capacity, len(items))
    done = 0
    for position in positions:
        state.put(bins[done:position], items[done:position])
        done = position
        item = int(items[position])
        fitting = state.fitting(item)
        answer = candidate.drive("choose", item, state.spaces[fitting])
        if type(answer) is not int or answer != np.searchsorted(fitting, bins[position]):
            return (
                f"item number {position}: asked again with the same item and bins, in a process "
                "that had not seen the items to come, priority chose another bin; it is not a "
                "function of item and bins"
            )
    return None


def step_by_step(
    candidate: CandidateHandle,
    distribution: str,
    instances: Sequence[Items],
    seed: int | None,
    *,
    certify: bool = False,
) -> Score | Invalid:
    """Packs by asking the candidate about one item after another, and scores."""
    capacity = distributions()[distribution].capacity
    packings: list[packing.Bins] = []
    for items in instances:
        state = OpenBins(capacity, len(items))
        bins = np.empty(len(items), dtype=np.int64)
        for position, item in enumerate(items.tolist()):
            fitting = state.fitting(item)
            answer = candidate.drive("choose", item, state.spaces[fitting])
            if type(answer) is not int or not 0 <= answer < len(fitting):
                return Invalid(f"the driver chose bin {answer!r:.40} of {len(fitting)}")
            bins[position] = fitting[answer]
            state.put(bins[position : position + 1], items[position : position + 1])
        packings.append(bins)
    return score_packings(distribution, instances, packings, seed=seed, certify=certify)


class OpenBins:
    """The space left in every bin, in the order of opening; behind the opened ones all are new."""

    def __init__(self, capacity: int, most: int) -> None:
        self.spaces: NDArray[np.int64] = np.full(most + 1, capacity, dtype=np.int64)
        self._opened = 0

    def fitting(self, item: int) -> NDArray[np.intp]:
        """The open bins that the item fits into, and one new bin as the last."""
        return np.flatnonzero(self.spaces[: self._opened + 1] >= item)

    def put(self, bins: packing.Bins, items: Items) -> None:
        """Puts items into bins, one each."""
        np.subtract.at(self.spaces, bins, items)
        if len(bins):
            self._opened = max(self._opened, int(bins.max()) + 1)
