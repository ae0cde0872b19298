"""No three in line: as many points as possible on an n x n grid, no three of them on one line."""

from itertools import combinations

from evaluators import Invalid
from evolve import Problem, Record, Score
from evolve.problem import CandidateHandle

problem = Problem(
    name="no_three_in_line",
    statement="statement.md",
    contract="contract.md",
    measurement="There is one grid and nothing random, so the score has no noise.",
    seeds=["seed.py"],
    objective="max points",
    parameters={"n": 14},
    shorthand="{n}",
    primitives=["abs", "min", "max"],
    known_bad=["known_bad/*.py"],
    records=[
        Record(
            value=28,
            who="all 2n, the most there can be",
            source="Flammenkamp, J. Combin. Theory A 81 (1998)",
            when={"n": 14},
        )
    ],
)


@problem.stage(timeout_s=2, memory_mb=256)
def exact(candidate: CandidateHandle, *, n: int) -> Score | Invalid:
    """Checks the points that the candidate found; nothing else it says counts."""
    points = candidate.call("points", n)
    if not isinstance(points, list) or len(points) > n * n:
        return Invalid("points: expected a list of at most n * n pairs")
    cells = {(x, y) for x in range(n) for y in range(n)}
    for point in points:
        # types first: what comes from a candidate may be anything, unhashable too
        if type(point) is not tuple or [*map(type, point)] != [int, int] or point not in cells:
            return Invalid(f"{point!r:.40} is not a point of the grid, or named twice")
        cells.remove(point)
    for (ax, ay), (bx, by), (cx, cy) in combinations(points, 3):
        if (bx - ax) * (cy - ay) == (cx - ax) * (by - ay):
            return Invalid(f"{(ax, ay)}, {(bx, by)}, {(cx, cy)} are on a line")
    return Score(points=len(points))
