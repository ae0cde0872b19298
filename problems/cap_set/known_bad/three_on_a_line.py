# EVOLVE-BLOCK-START


def construct(n, seed, seconds):
    """Three points of one line and nothing else."""
    return [[digit] * n for digit in range(3)]


# EVOLVE-BLOCK-END
