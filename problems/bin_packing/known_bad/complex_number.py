"""Answers with complex numbers, which have no order."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> complex:
    return remaining * 1j - item


# EVOLVE-BLOCK-END
