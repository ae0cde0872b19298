"""Answers by a counter, so that the same question gets different answers."""

# EVOLVE-BLOCK-START

asked = 0


def priority(item: int, remaining: int) -> int:
    global asked
    asked += 1
    return asked % 7 * remaining


# EVOLVE-BLOCK-END
