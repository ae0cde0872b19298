"""A function of one number, and its values."""

# EVOLVE-BLOCK-START


def f(x: float) -> float:
    """The value at x."""
    return x


# EVOLVE-BLOCK-END


def values(points: list[float]) -> list[float]:
    """The function at every point."""
    return [f(x) for x in points]
