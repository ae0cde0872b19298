"""Cap sets: the priority of a vector; the greedy set takes the highest first."""

# EVOLVE-BLOCK-START


def priority(vector: tuple[int, ...], n: int) -> float:
    """Priority of a vector with entries 0, 1 and 2."""
    total = 0.0
    for i in range(n):
        total = total + vector[i] * vector[i - 1]
    return total


# EVOLVE-BLOCK-END
