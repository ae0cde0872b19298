"""The leap years of a small calendar: every 4th, but not every 12th.

The rule has the shape of the Gregorian one: the exception mends fewer years than the rule.
"""

from evaluators import Invalid
from evolve import Problem, Score
from evolve.problem import CandidateHandle

problem = Problem(
    name="calendar",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min wrong",
)

YEARS = list(range(1, 217))


@problem.stage(timeout_s=2, memory_mb=256)
def exact(candidate: CandidateHandle) -> Score | Invalid:
    """How many of 216 years are wrong; what is neither true nor false is wrong."""
    answers = candidate.call("answers", YEARS)
    if not isinstance(answers, list) or len(answers) != len(YEARS):
        return Invalid(f"answers: expected a list of {len(YEARS)}")
    said = [bool(a) if type(a) in (bool, int, float) else None for a in answers]
    candidate.behaves_as(repr(said).encode())
    wanted = [year % 4 == 0 and year % 12 != 0 for year in YEARS]
    wrong = [int(a is not b) for a, b in zip(said, wanted, strict=True)]
    return Score(wrong=sum(wrong), cases=wrong)
