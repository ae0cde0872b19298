"""The program."""

from scoring import score

# EVOLVE-BLOCK-START
LIMIT = 3
# EVOLVE-BLOCK-END


def solve(xs):
    return [x for x in xs if score(x) > LIMIT]
