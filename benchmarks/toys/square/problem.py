"""Symbolic regression of x^2 + x + 1, in the manner of Koza 1992, section 7.3."""

from evaluators import Invalid
from evolve import Problem, Score
from evolve.problem import CandidateHandle

problem = Problem(
    name="square",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min error",
)

POINTS = [x / 4 for x in range(-8, 9)]


@problem.stage(timeout_s=2, memory_mb=256)
def exact(candidate: CandidateHandle) -> Score | Invalid:
    """The mean over the points of the error, each at most 1; 0 for the polynomial itself."""
    values = candidate.call("values", POINTS)
    if not isinstance(values, list) or len(values) != len(POINTS):
        return Invalid(f"values: expected a list of {len(POINTS)} numbers")
    candidate.behaves_as(repr(values).encode())
    errors = []
    for x, value in zip(POINTS, values, strict=True):
        if type(value) not in (int, float) or value != value:
            return Invalid(f"f({x}) is {value!r:.40}, expected a number")
        wanted = x**2 + x + 1  # exact: multiples of 1/16
        errors.append(min(1.0, abs(value - wanted) / (1 + abs(wanted))))
    return Score(error=sum(errors) / len(POINTS), cases=errors)
