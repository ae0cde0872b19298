"""Online bin packing as in FunSearch: evolve the rule that says into which bin an item goes.

Two interfaces, `table` and `bins`, are judged by one verifier; see `interfaces.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluators import Invalid
from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import Items, distributions, draw
from evolve import Feature, Probe, Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle

from .asked import pairs, ranked
from .drawing import draw_bins
from .interfaces import audit, by_table, driven, step_by_step
from .published import read_published
from .scores import score_packings

TRAINING = {"weibull5k": 6, "or1": 120, "or2": 75, "or3": 48, "or4": 24}
"""Training instances by table; the shorter they are the more they scatter (one standard deviation
of the excess of best fit is 0.15 on weibull5k, 1.8 on or1). That is about 2 ms of trusted time a
program; a second, quicker stage before it would cost another process (2.5 ms) to save 1.5."""

WEIGHED = {name: count // 2 for name, count in TRAINING.items()}
"""Instances on which the children of a program are weighed before one is proposed."""

SHARES = {
    ("table", SplitKind.TRAINING): Fraction(1),
    ("table", SplitKind.VALIDATION): Fraction(10, 3),
    ("table", SplitKind.TEST): Fraction(10, 3),
    ("bins", SplitKind.TRAINING): Fraction(1, 3),
    ("bins", SplitKind.VALIDATION): Fraction(2, 3),
    ("bins", SplitKind.TEST): Fraction(10, 3),
}
"""Instances of each split in multiples of `TRAINING`; over bins an instance takes much longer."""


def _seeds(parameters: Mapping[str, object]) -> Sequence[str]:
    if parameters["instances"] == "published":
        read_published(str(parameters["distribution"]))  # a missing file is said before the search
    return [f"seed_{parameters['interface']}.py"]


def _measurement(parameters: Mapping[str, object]) -> str:
    name, interface = str(parameters["distribution"]), str(parameters["interface"])
    drawn = distributions()[name]
    count = int(TRAINING[name] * SHARES[interface, SplitKind.TRAINING])
    return (
        f"An evaluation in training packs {count} sequences of {drawn.length:,} items into bins of "
        f"capacity {drawn.capacity}. They are the same for every program, so a program always gets "
        "the same score. `standard_error`, beside each score, says how far the score may be from "
        "the mean over all sequences of this kind. All programs are compared on the same "
        "sequences, so part of that error is common to them; still, a difference much smaller than "
        "it may not hold on other sequences."
    )


def _funsearch(distribution: str, value: str, measured_on: str) -> Record:
    return Record(
        value=Fraction(value),
        who="FunSearch",
        source="Romera-Paredes et al., Nature 625, 468-475, Table 1",
        date="2023-12-14",
        objective="excess_percent",
        when={"distribution": distribution},
        split=f"mean excess on {measured_on}",
    )


_OR_LIBRARY = "the 20 instances of OR-Library's binpack{} (offline, {} bins on average are known)"


def _probe(parameters: Mapping[str, object]) -> Probe | None:
    """The whole table, which is all that a candidate hands out with that interface."""
    if parameters["interface"] != "table":
        return None
    distribution = str(parameters["distribution"])
    asked = pairs(distribution)

    @lru_cache(maxsize=8)
    def ranks_of(answers: bytes) -> packing.Ranks | Invalid:
        return ranked(asked, np.frombuffer(answers))

    def behaviour(answers: NDArray[np.float64]) -> bytes | None:
        ranks = ranks_of(answers.tobytes())
        return None if isinstance(ranks, Invalid) else ranks.tobytes()

    def worth(answers: NDArray[np.float64], number: int) -> float | None:
        ranks = ranks_of(answers.tobytes())
        if isinstance(ranks, Invalid):
            return None
        instances = draw(distribution, WEIGHED[distribution], number)
        packings = packing.pack_table(ranks, instances, asked.capacity)
        return -float(sum(bins.max() for bins in packings))

    return Probe(
        stage="training",
        function="priority",
        columns=(asked.items.tolist(), asked.spaces.tolist()),
        behaviour=behaviour,
        worth=worth,
    )


problem = Problem(
    name="bin_packing",
    statement="statement.md",
    contract=lambda parameters: f"contract_{parameters['interface']}.md",
    measurement=_measurement,
    seeds=_seeds,
    objective="min excess_percent",
    parameters={
        "distribution": ("weibull5k", "or1", "or2", "or3", "or4"),
        "interface": ("table", "bins"),
        "instances": ("drawn", "published"),
    },
    shorthand="{distribution}",
    features=[
        Feature(name="early", low=0.0, high=0.8, cells=8),
        Feature(name="gap", low=0.05, high=0.25, cells=8),
    ],
    records=[
        _funsearch("weibull5k", "0.68", "five published instances"),
        _funsearch("or1", "5.30", _OR_LIBRARY.format(1, "49.15")),
        _funsearch("or2", "4.19", _OR_LIBRARY.format(2, "101.70")),
        _funsearch("or3", "3.11", _OR_LIBRARY.format(3, "201.20")),
        _funsearch("or4", "2.47", _OR_LIBRARY.format(4, "400.55")),
        Record(
            value=Fraction(100 * (10002 - 9939), 9939),
            who="openevolve-claude, unreviewed",
            source="github.com/ericksoa/openevolve-claude",
            date="2026",
            objective="excess_percent",
            when={"distribution": "weibull5k"},
            split="10,002 bins on FunSearch's five published instances",
        ),
    ],
    known_bad=["known_bad/*.py"],
    driver="driver.py",
    requires=["numpy"],
    preload=["numpy"],
    primitives=["abs", "min", "max", "math.sqrt", "math.exp", "math.log1p", "math.floor"],
    probe=_probe,
    verifier="online_bin_packing",
)


@problem.stage(timeout_s=5.0, memory_mb=512)
def training(
    candidate: CandidateHandle, *, distribution: str, interface: str, seed: int
) -> Score | Invalid:
    """Packs the training instances."""
    instances = _drawn(SplitKind.TRAINING, distribution, interface, seed)
    if interface == "table":
        return by_table(candidate, distribution, instances, seed)
    packings = driven(candidate, distribution, instances)
    if isinstance(packings, Invalid):
        return packings
    score = score_packings(distribution, instances, packings, seed=seed)
    if isinstance(score, Invalid):
        return score
    candidate.behaves_as(b"".join(np.asarray(bins, np.int64).tobytes() for bins in packings))
    return audit(candidate, distribution, instances, packings, seed) or score


@problem.validation(timeout_s=60.0, memory_mb=512)
def validation(
    candidate: CandidateHandle, *, distribution: str, interface: str, seed: int
) -> Score | Invalid:
    """Packs instances that training never saw."""
    instances = _drawn(SplitKind.VALIDATION, distribution, interface, seed)
    if interface == "table":
        return by_table(candidate, distribution, instances, seed)
    return step_by_step(candidate, distribution, instances, seed)


@problem.test(timeout_s=60.0, memory_mb=512)
def test(
    candidate: CandidateHandle, *, distribution: str, interface: str, instances: str, seed: int
) -> Score | Invalid:
    """Packs the instances behind the published figure and hands out what a certificate needs."""
    packed: Sequence[Items]
    drawn_from: int | None
    if instances == "published":
        packed, drawn_from = read_published(distribution), None
    else:
        packed, drawn_from = _drawn(SplitKind.TEST, distribution, interface, seed), seed
    ask = by_table if interface == "table" else step_by_step
    return ask(candidate, distribution, packed, drawn_from, certify=True)


def _drawn(split: SplitKind, distribution: str, interface: str, seed: int) -> Sequence[Items]:
    return draw(distribution, int(TRAINING[distribution] * SHARES[interface, split]), seed)


problem.draw(draw_bins)


@problem.baseline("first fit")
def first_fit(
    *, seed: int, split: SplitKind, distribution: str, interface: str, instances: str
) -> Score | Invalid:
    return _packed_by(packing.first_fit, split, distribution, interface, instances, seed)


@problem.baseline("best fit")
def best_fit(
    *, seed: int, split: SplitKind, distribution: str, interface: str, instances: str
) -> Score | Invalid:
    return _packed_by(packing.best_fit, split, distribution, interface, instances, seed)


def _packed_by(
    rule: Callable[[Items, int], packing.Bins],
    split: SplitKind,
    distribution: str,
    interface: str,
    instances: str,
    seed: int,
) -> Score | Invalid:
    if split is SplitKind.TEST and instances == "published":
        packed = read_published(distribution)
    else:
        packed = _drawn(split, distribution, interface, seed)
    capacity = distributions()[distribution].capacity
    packings = [rule(items, capacity) for items in packed]
    return score_packings(distribution, packed, packings, seed=seed)
