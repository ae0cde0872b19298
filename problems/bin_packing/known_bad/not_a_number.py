"""Answers with NaN, which has no place in an order."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    return 0 * remaining + float("nan")


# EVOLVE-BLOCK-END
