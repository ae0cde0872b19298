"""The median of three numbers, from comparisons, `min` and `max`."""

from itertools import product

from evaluators import Invalid
from evolve import Problem, Score
from evolve.problem import CandidateHandle

problem = Problem(
    name="median",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min wrong",
)

CASES = [list(case) for case in product(range(4), repeat=3)]


@problem.stage(timeout_s=2, memory_mb=256)
def exact(candidate: CandidateHandle) -> Score | Invalid:
    """How many of the 64 cases are wrong."""
    answers = candidate.call("answers", CASES)
    if not isinstance(answers, list) or len(answers) != len(CASES):
        return Invalid("answers: expected a list of 64")
    if any(type(answer) not in (int, float) or answer != answer for answer in answers):
        return Invalid("answers: expected numbers")
    candidate.behaves_as(repr(answers).encode())
    wanted = [sorted(case)[1] for case in CASES]
    wrong = [int(a != b) for a, b in zip(answers, wanted, strict=True)]
    return Score(wrong=sum(wrong), cases=wrong)
