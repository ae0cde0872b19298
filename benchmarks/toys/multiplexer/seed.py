"""A function of six bits, and its answers."""

# EVOLVE-BLOCK-START


def pick(a: int, b: int, w: int, x: int, y: int, z: int) -> int:
    """One of w, x, y and z, by the address (a, b)."""
    if a > 0:
        return y
    return x


# EVOLVE-BLOCK-END


def answers(cases: list[list[int]]) -> list[int]:
    """The function in every case."""
    return [pick(*case) for case in cases]
