# EVOLVE-BLOCK-START
LIMIT = 3


def score(x):
    return x * x
# EVOLVE-BLOCK-END
