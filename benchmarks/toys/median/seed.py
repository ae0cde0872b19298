"""A function of three numbers, and its answers."""

# EVOLVE-BLOCK-START


def middle(a: float, b: float, c: float) -> float:
    """The median."""
    return max(a, min(b, c))


# EVOLVE-BLOCK-END


def answers(cases: list[list[float]]) -> list[float]:
    """The function in every case."""
    return [middle(*case) for case in cases]
