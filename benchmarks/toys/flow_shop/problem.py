"""Two machines in a row: the order of jobs that ends soonest, by a rule of one job's two times.

Johnson's rule is optimal, so the optimum of every instance is known: Johnson, "Optimal two- and
three-stage production schedules with setup times included", Naval Res. Logist. Quart. 1 (1954),
61-68.
"""

import random

from evaluators import Invalid
from evolve import Problem, Score
from evolve.problem import CandidateHandle

problem = Problem(
    name="flow_shop",
    statement="statement.md",
    seeds=["seed.py"],
    objective="min excess_percent",
)

INSTANCES, JOBS = 12, 10
Job = tuple[int, int]


@problem.stage(timeout_s=2, memory_mb=256)
def exact(candidate: CandidateHandle, *, seed: int) -> Score | Invalid:
    """By how much the schedules are longer than the optimal ones, all instances together."""
    rng = random.Random(seed)
    instances = [
        [(rng.randint(1, 30), rng.randint(1, 30)) for _ in range(JOBS)] for _ in range(INSTANCES)
    ]
    found = candidate.call("priorities", instances)
    if not isinstance(found, list) or [len(p) for p in found if isinstance(p, list)] != (
        [JOBS] * INSTANCES
    ):
        return Invalid(f"priorities: expected {INSTANCES} lists of {JOBS}")
    took, best = [], []
    orders = []
    for jobs, priorities in zip(instances, found, strict=True):
        if any(type(p) not in (int, float) or p != p for p in priorities):
            return Invalid("priorities: expected numbers")
        orders.append(sorted(range(JOBS), key=lambda job: -priorities[job]))
        took.append(ends([jobs[job] for job in orders[-1]]))
        best.append(ends(johnson(jobs)))
    candidate.behaves_as(repr(orders).encode())
    return Score(
        excess_percent=100 * (sum(took) - sum(best)) / sum(best),
        cases=[100 * (a - b) / b for a, b in zip(took, best, strict=True)],
    )


def ends(jobs: list[Job]) -> int:
    """When the second machine ends its last job."""
    first = second = 0
    for a, b in jobs:
        first += a
        second = max(first, second) + b
    return second


def johnson(jobs: list[Job]) -> list[Job]:
    """An optimal order: those quicker on the first machine by that time, then the rest."""
    return sorted(j for j in jobs if j[0] <= j[1]) + sorted(
        (j for j in jobs if j[0] > j[1]), key=lambda job: -job[1]
    )
