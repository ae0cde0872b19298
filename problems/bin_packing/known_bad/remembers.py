"""Rates by what it was asked before, not by item and bins alone."""

# EVOLVE-BLOCK-START

before = [0]


def priority(item: int, remaining: int) -> int:
    last = before[-1]
    before.append(item)
    return (remaining - item) * (-1 if last % 3 else 1)


# EVOLVE-BLOCK-END
