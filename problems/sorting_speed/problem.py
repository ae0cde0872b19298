"""Sorting kernels in C, timed: evolve one that takes fewer nanoseconds than the compiler's best."""

from __future__ import annotations

from evaluators import Invalid
from evaluators.kernel_c import parse
from evaluators.kernel_c_run import sorting, verify_sorting
from evolve import Problem, Score
from evolve.problem import CandidateHandle, Parameters
from evolve.timing import race

from . import calling


def _seeds(parameters: Parameters) -> list[str]:
    return [f"seed_{parameters['values']}.py"]


problem = Problem(
    name="sorting_speed",
    statement="statement.md",
    contract="contract.md",
    seeds=_seeds,
    objective="min ratio",
    measurement=(
        "In stage `proof` who passes gets 1, which says nothing of the speed. In stage `speed`, "
        "1,024 random inputs, an eighth of them with ties, one call each from a loop, so that "
        "calls may overlap, beside plain minimum and maximum over an optimal network as "
        "gcc -O3 -march=native makes it, interleaved on one core in about 2 seconds. `ratio` is "
        "the upper end of the interval of the ratio of times: most often half a percent above its "
        "middle, and less than that between two programs is noise."
    ),
    parameters={"values": (3, 4, 5, 6, 8)},
    shorthand="{values}",
    known_bad=["known_bad/*.py"],
)


def _proved(candidate: CandidateHandle, values: int) -> str | Invalid:
    source = candidate.call("kernel")
    result = verify_sorting(source, values)
    return result if isinstance(result, Invalid) else str(source)


@problem.stage(timeout_s=5.0, memory_mb=256)
def proof(candidate: CandidateHandle, *, values: int) -> Score | Invalid:
    """The C must be of the subset, and sort one input of every weak order."""
    source = _proved(candidate, values)
    if isinstance(source, Invalid):
        return source
    # nothing is timed yet: everything that is right goes on
    return Score(ratio=1.0, feedback="it sorts")


def _timed(candidate: CandidateHandle, values: int, *, seconds: float) -> Score | Invalid:
    source = _proved(candidate, values)
    if isinstance(source, Invalid):
        return source
    kernel = parse(source, sorting(values), moved=True)
    if isinstance(kernel, Invalid):
        return kernel
    found = race(
        kernel.source,
        calling.baseline(values),
        calling.loop(values),
        draw=lambda rng: calling.draw(rng, values),
        verify=lambda inputs, outputs: calling.fault(inputs, outputs, values),
        seconds=seconds,
    )
    if isinstance(found, Invalid):
        return found
    return Score(
        ratio=found.comparison.high,
        metrics=found.metrics,
        feedback=str(found),
        artifact={"values": values, "text": kernel.text, "machine": found.machine},
    )


@problem.stage(timeout_s=40.0, memory_mb=256, exclusive=True)
def speed(candidate: CandidateHandle, *, values: int) -> Score | Invalid:
    """Raced against the baseline for about 2 s."""
    return _timed(candidate, values, seconds=2.0)


@problem.validation(timeout_s=60.0, memory_mb=256, exclusive=True)
def validation(candidate: CandidateHandle, *, values: int) -> Score | Invalid:
    """Measured again in fresh processes: who was lucky once is not picked for it."""
    return _timed(candidate, values, seconds=4.0)


@problem.test(timeout_s=60.0, memory_mb=256, exclusive=True)
def test(candidate: CandidateHandle, *, values: int) -> Score | Invalid:
    """And once more for the figure that is published."""
    return _timed(candidate, values, seconds=6.0)
