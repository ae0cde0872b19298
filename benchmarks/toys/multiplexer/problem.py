"""The 6-multiplexer: two address bits pick one of four (Koza 1992, section 7.4)."""

from itertools import product

from evaluators import Invalid
from evolve import Problem, Score
from evolve.problem import CandidateHandle

problem = Problem(
    name="multiplexer",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min wrong",
)

CASES = [list(bits) for bits in product((0, 1), repeat=6)]


@problem.stage(timeout_s=2, memory_mb=256)
def exact(candidate: CandidateHandle) -> Score | Invalid:
    """How many of the 64 cases are wrong; what is neither true nor false is wrong."""
    answers = candidate.call("answers", CASES)
    if not isinstance(answers, list) or len(answers) != len(CASES):
        return Invalid("answers: expected a list of 64")
    bits = [bool(a) if type(a) in (bool, int, float) else None for a in answers]
    candidate.behaves_as(repr(bits).encode())
    wanted = [bool(case[2 + 2 * case[0] + case[1]]) for case in CASES]
    return Score(wrong=sum(a is not b for a, b in zip(bits, wanted, strict=True)))
