"""Hands over a number instead of a scheme."""

# EVOLVE-BLOCK-START


def decompose(n, m, p, ring, seed, seconds, known):
    return 1


# EVOLVE-BLOCK-END
