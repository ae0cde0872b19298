"""Sorting kernels: listings of few instructions that sort 3 to 8 values, proved for all inputs."""

from __future__ import annotations

from evaluators import Invalid, kernel_listings
from evolve import Problem, Record, Score, SplitKind
from evolve.problem import CandidateHandle, Parameters, ProblemError

LONGEST_S = 3600.0
_GRACE_S = 10.0
_ALPHADEV = "Mankowitz et al., Nature 618 (2023)"
_LISTINGS = "google-deepmind/alphadev, released listings, counted"


def lengths(values: str) -> list[int]:
    """The lengths meant: 5, or 3 to 5."""
    low, _, high = values.partition("-")
    return list(range(int(low), int(high or low) + 1))


def _limit(parameters: Parameters) -> float:
    seconds = parameters["seconds"]
    assert isinstance(seconds, float)
    if not 0.1 <= seconds <= LONGEST_S:
        raise ProblemError(f"seconds={seconds:g}: expected 0.1 to {LONGEST_S:g}")
    if parameters["values"] == "3-5" and parameters["interface"] == "registers":
        raise ProblemError("values=3-5: several lengths need --set interface=memory")
    return seconds + _GRACE_S


def _seeds(parameters: Parameters) -> list[str]:
    written = f"seed_listing_{parameters['values']}.py"
    literal = parameters["interface"] == "registers" and parameters["values"] in ("3", "4", "5")
    return ["seed_search.py", *([written] if literal else [])]


def _records() -> list[Record]:
    found = [
        Record(value=value, who=who, source=source, date=date,
               when={"values": values, "interface": interface})
        for values, interface, value, who, source, date in (
            ("3", "registers", 11, "proven optimal", "Ullrich and Hack, CGO 2025", "2025"),
            ("4", "registers", 20, "proven optimal", "Ullrich and Hack, CGO 2025", "2025"),
            ("5", "registers", 33, "AlphaDev without loads and stores", _LISTINGS, "2023"),
            ("6", "registers", 45, "AlphaDev without loads and stores", _LISTINGS, "2023"),
            ("8", "registers", 75, "AlphaDev without loads and stores", _LISTINGS, "2023"),
            ("3", "memory", 17, "AlphaDev", _ALPHADEV, "2023"),
            ("4", "memory", 28, "AlphaDev", _ALPHADEV, "2023"),
            ("5", "memory", 43, "AlphaDev, released listing", _LISTINGS, "2023"),
            ("6", "memory", 57, "AlphaDev", _LISTINGS, "2023"),
            ("8", "memory", 91, "AlphaDev", _LISTINGS, "2023"),
            ("3-5", "memory", 78, "AlphaDev VarSort5", _LISTINGS, "2023"),
        )
    ]  # fmt: skip
    # the paper's own figure; its listing was not released
    found.append(
        Record(value=42, who="AlphaDev, paper", source=_ALPHADEV, date="2023", claimed=True,
               when={"values": "5", "interface": "memory"})
    )  # fmt: skip
    return found


problem = Problem(
    name="sorting_kernels",
    statement="statement.md",
    contract="contract.md",
    measurement=(
        "One search with one seed, ended by the clock: on another seed, or a busier machine, the "
        "same program may come to another number, most often by 1 or 2. A listing that the "
        "program holds ready has no noise."
    ),
    seeds=_seeds,
    objective="min instructions",
    parameters={
        "values": ("3", "4", "5", "6", "8", "3-5"),
        "interface": ("registers", "memory"),
        "seconds": 8.0,
    },
    shorthand="{values}",
    records=_records(),
    known_bad=["known_bad/*.py"],
    requires=["numpy", "numba"],
    preload=["numpy", "numba", "annealing.py"],
    primitives=["abs", "min", "max", "len", "range"],
    verifier="sorting_kernel",
)


def _judge(
    candidate: CandidateHandle, values: str, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    sizes = lengths(values)
    answer = candidate.call("kernel", sizes, interface, seed, seconds)
    listing = kernel_listings.parse(answer)
    if isinstance(listing, Invalid):
        return listing
    result = kernel_listings.verify(listing, lengths=sizes, interface=interface)
    if isinstance(result, Invalid):
        return result
    text = [str(line) for line in listing]
    return Score(
        instructions=int(result.value),
        metrics={"scratch": result.metrics["scratch"]},
        feedback=f"{result.value} instructions, {result.metrics['scratch']} scratch registers",
        artifact={"lengths": sizes, "interface": interface, "listing": text},
    )


@problem.stage(timeout_s=_limit, memory_mb=1024)
def proof(
    candidate: CandidateHandle, *, values: str, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """The listing must sort one input of every weak order, which is a proof."""
    return _judge(candidate, values, interface, seconds, seed)


@problem.test(timeout_s=_limit, memory_mb=1024)
def test(
    candidate: CandidateHandle, *, values: str, interface: str, seconds: float, seed: int
) -> Score | Invalid:
    """The same from a seed that the search could not know."""
    return _judge(candidate, values, interface, seconds, seed)


@problem.baseline("bubble sort network")
def bubble(
    *, seed: int, split: SplitKind, values: str, interface: str, seconds: float
) -> Score | Invalid:
    """Four instructions for each of n (n - 1) / 2 comparators; with loads and stores."""
    total = 0
    sizes = lengths(values)
    for n in sizes:
        pairs = [(i, i + 1) for end in range(n - 1, 0, -1) for i in range(end)]
        total += len(kernel_listings.of_network(pairs, n)) + (2 * n if interface == "memory" else 0)
    return Score(instructions=total + (0 if len(sizes) == 1 else 3 * (len(sizes) - 1)))
