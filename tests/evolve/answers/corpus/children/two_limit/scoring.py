# EVOLVE-BLOCK-START
LIMIT = 3


def score(x):
    return x + 1
# EVOLVE-BLOCK-END
