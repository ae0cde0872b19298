"""Sorting networks: evolve a program that constructs one with few comparators."""

from __future__ import annotations

from evaluators import Invalid, sorting_networks
from evolve import Feature, Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle, Parameters

from .drawing import draw

SIZES = [
    0, 1, 3, 5, 9, 12, 16, 19, 25, 29, 35, 39, 45, 51, 56, 60, 71, 77, 85, 91, 99, 106, 114, 120,
    130, 138, 147, 155, 164, 172, 180, 185,
]  # fmt: skip
"""Best known numbers of comparators for 1 to 32 wires; up to 12 wires there are no smaller."""
DEPTHS = [
    0, 1, 3, 3, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 9, 9, 10, 11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13,
    14, 14, 14, 14,
]  # fmt: skip
"""Best known depths, often of other networks than the smallest; up to 17 wires optimal."""
SOURCE = "bertdobbelaere.github.io, list of sorting networks"
DATE = "2026-02-22"

_MOST = 16
"""Wires up to which the greedy seed works: it takes 2^wires bits a wire, and time like that."""


def _records() -> list[Record]:
    found = []
    for name, values, proven in (("size", SIZES, 12), ("depth", DEPTHS, 17)):
        for wires, value in enumerate(values, start=1):
            found.append(
                Record(
                    value=value, who="proven optimal" if wires <= proven else "best known",
                    source=SOURCE, date=DATE, objective=name, when={"wires": wires},
                )
            )  # fmt: skip
    return found


def _seeds(parameters: Parameters) -> list[str]:
    wires = parameters["wires"]
    assert isinstance(wires, int)
    return ["seed.py", "seed_greedy.py"] if wires <= _MOST else ["seed.py"]


problem = Problem(
    name="sorting_network",
    statement="statement.md",
    contract="contract.md",
    measurement=(
        "One instance. Nothing is drawn and nothing is timed: a program always gets the same "
        "score, and a difference of 1 is real."
    ),
    seeds=_seeds,
    objective=["min size", "min depth"],
    parameters={"wires": 9},
    shorthand="{wires}",
    features=[Feature(name="depth_per_wire", low=0.5, high=2.0, cells=8)],
    records=_records(),
    known_bad=["known_bad/*.py"],
    primitives=["abs", "min", "max", "range", "len"],
    verifier="sorting_network",
    certify="best",
)


def judge(candidate: CandidateHandle, wires: int) -> Score | Invalid:
    """Asks for comparators, verifies the network, and counts those that do something."""
    comparators = candidate.call("network", wires)
    if not isinstance(comparators, list):
        return Invalid(f"network gave {type(comparators).__name__}, expected a list of pairs")
    layers = [[pair] for pair in comparators]
    result = sorting_networks.verify(wires, layers)
    if isinstance(result, Invalid):
        return result
    kept = sorting_networks.without_idle(wires, [(a, b) for ((a, b),) in layers])
    drawn = sorting_networks.in_layers(wires, kept)
    return Score(
        size=len(kept),
        depth=len(drawn),
        features={"depth_per_wire": len(drawn) / wires},
        feedback=(
            f"{len(comparators)} comparators, {len(comparators) - len(kept)} of them never "
            f"exchange anything and were left out; depth {len(drawn)}"
        ),
        artifact={"wires": wires, "layers": [[list(pair) for pair in x] for x in drawn]},
    )


@problem.stage(timeout_s=2.0, memory_mb=256)
def sorts(candidate: CandidateHandle, *, wires: int) -> Score | Invalid:
    """Four wires: what does not sort them goes no further."""
    score = judge(candidate, min(4, wires))
    if isinstance(score, Invalid):
        return score
    return Score(size=score.values["size"], depth=score.values["depth"], features=score.features)


@problem.stage(timeout_s=5.0, memory_mb=256)
def full(candidate: CandidateHandle, *, wires: int) -> Score | Invalid:
    """The number of wires asked for."""
    return judge(candidate, wires)


@problem.test(timeout_s=5.0, memory_mb=256)
def test(candidate: CandidateHandle, *, wires: int) -> Score | Invalid:
    """The same again: nothing is drawn here, the network is what is published."""
    return judge(candidate, wires)


@problem.baseline("bubble sort")
def bubble(*, seed: int, split: SplitKind, wires: int) -> Score | Invalid:
    pairs = [[(i, i + 1)] for end in range(wires - 1, 0, -1) for i in range(end)]
    result = sorting_networks.verify(wires, pairs)
    if isinstance(result, Invalid):
        return result
    return Score(size=int(result.value), depth=result.metrics["depth"])


problem.draw(draw)
