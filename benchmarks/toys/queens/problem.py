"""Twelve queens by a formula: the row of each column's queen, none attacking another.

No linear formula does it, as 12 is a multiple of 2 and 3 (Polya, 1918); two steps of two rows do
(Bell, Stevens, "A survey of known results and research areas for n-queens", Discrete Math. 309
(2009), 1-31).
"""

from itertools import combinations

from evaluators import Invalid
from evolve import Problem, Score
from evolve.problem import CandidateHandle

problem = Problem(
    name="queens",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min attacks",
)

SIZE = 12


@problem.stage(timeout_s=2, memory_mb=256)
def exact(candidate: CandidateHandle) -> Score | Invalid:
    """How many pairs of queens attack each other; 0 is possible."""
    rows = candidate.call("rows", SIZE)
    if not isinstance(rows, list) or len(rows) != SIZE:
        return Invalid(f"rows: expected a list of {SIZE}")
    if any(type(row) is not int or not 0 <= row < SIZE for row in rows):
        return Invalid(f"rows: expected integers from 0 to {SIZE - 1}")
    candidate.behaves_as(repr(rows).encode())
    pairs = combinations(enumerate(rows), 2)
    return Score(attacks=sum(a == b or abs(a - b) == j - i for (i, a), (j, b) in pairs))
