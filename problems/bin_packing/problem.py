"""Online bin packing as in FunSearch: evolve the rule that says into which bin an item goes.

Two interfaces, `table` and `bins`, are judged by one verifier; see `interfaces.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from evaluators import Invalid
from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import Items, distributions, draw
from evolve import Feature, Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle

from .interfaces import audit, by_table, driven, step_by_step
from .published import read_published
from .scores import score_packings

# How many instances: the shorter they are the more they scatter (one standard deviation of the
# excess of best fit is 0.15 on weibull5k, 1.8 on or1). By table, all of training is about 3 ms of
# trusted time; a second, quicker stage before it would cost another process (3 ms) to save 2.
TRAINING = {"weibull5k": 8, "or1": 150, "or2": 100, "or3": 60, "or4": 32}
TRAINING_BINS = {"weibull5k": 2, "or1": 60, "or2": 32, "or3": 16, "or4": 8}
FRESH = {"weibull5k": 20, "or1": 400, "or2": 300, "or3": 150, "or4": 80}
"""Instances of validation and of test."""


def _seeds(parameters: Mapping[str, object]) -> Sequence[str]:
    return [f"seed_{parameters['interface']}.py"]


def _funsearch(distribution: str, value: str, measured_on: str) -> Record:
    return Record(
        value=Fraction(value),
        who="FunSearch",
        source="Romera-Paredes et al., Nature 625, 468-475, Table 1",
        date="2023-12-14",
        objective="excess_percent",
        when={"distribution": distribution},
        split=f"mean excess on {measured_on}; --set instances=published measures on those",
    )


_OR_LIBRARY = "the 20 instances of OR-Library's binpack{} (offline, {} bins on average are known)"

problem = Problem(
    name="bin_packing",
    statement="statement.md",
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
            who="openevolve-claude (its authors' figure, reviewed by nobody)",
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
    verifier="online_bin_packing",
)


@problem.stage(timeout_s=5.0, memory_mb=512)
def training(
    candidate: CandidateHandle, *, distribution: str, interface: str, seed: int
) -> Score | Invalid:
    """Packs the training instances."""
    if interface == "table":
        instances = draw(distribution, TRAINING[distribution], seed)
        return by_table(candidate, distribution, instances, seed)
    instances = draw(distribution, TRAINING_BINS[distribution], seed)
    packings = driven(candidate, distribution, instances)
    if isinstance(packings, Invalid):
        return packings
    fault = audit(candidate, distribution, instances, packings, seed)
    return fault or score_packings(distribution, instances, packings, seed=seed)


@problem.validation(timeout_s=60.0, memory_mb=512)
def validation(
    candidate: CandidateHandle, *, distribution: str, interface: str, seed: int
) -> Score | Invalid:
    """Packs instances that training never saw."""
    instances = draw(distribution, FRESH[distribution], seed)
    if interface == "table":
        return by_table(candidate, distribution, instances, seed)
    return step_by_step(candidate, distribution, instances, seed)


@problem.test(timeout_s=60.0, memory_mb=512)
def test(
    candidate: CandidateHandle, *, distribution: str, interface: str, instances: str, seed: int
) -> Score | Invalid:
    """Packs the instances behind the published figure and hands out what a certificate needs."""
    packed, drawn_from = _test_instances(distribution, instances, seed)
    if interface == "table":
        return by_table(candidate, distribution, packed, drawn_from, certify=True)
    return step_by_step(candidate, distribution, packed, drawn_from, certify=True)


def _test_instances(
    distribution: str, instances: str, seed: int
) -> tuple[Sequence[Items], int | None]:
    """The instances and the seed they were drawn from."""
    if instances == "published":
        return read_published(distribution), None
    return draw(distribution, FRESH[distribution], seed), seed


@problem.baseline("first fit")
def first_fit(
    *, seed: int, split: SplitKind, distribution: str, interface: str, instances: str
) -> Score | Invalid:
    capacity = distributions()[distribution].capacity
    packed = _instances_of(split, distribution, interface, instances, seed)
    packings = [packing.first_fit(items, capacity) for items in packed]
    return score_packings(distribution, packed, packings, seed=seed)


@problem.baseline("best fit")
def best_fit(
    *, seed: int, split: SplitKind, distribution: str, interface: str, instances: str
) -> Score | Invalid:
    capacity = distributions()[distribution].capacity
    packed = _instances_of(split, distribution, interface, instances, seed)
    packings = [packing.best_fit(items, capacity) for items in packed]
    return score_packings(distribution, packed, packings, seed=seed)


def _instances_of(
    split: SplitKind, distribution: str, interface: str, instances: str, seed: int
) -> Sequence[Items]:
    match split:
        case SplitKind.TRAINING:
            counts = TRAINING if interface == "table" else TRAINING_BINS
            return draw(distribution, counts[distribution], seed)
        case SplitKind.VALIDATION:
            return draw(distribution, FRESH[distribution], seed)
        case SplitKind.TEST:
            return _test_instances(distribution, instances, seed)[0]
