"""Raises for some arguments."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    return 1 / (item - item)


# EVOLVE-BLOCK-END
