"""Answers with what is no number."""

# EVOLVE-BLOCK-START


def priority(vector: tuple[int, ...], n: int) -> float:
    return float("nan")


# EVOLVE-BLOCK-END
