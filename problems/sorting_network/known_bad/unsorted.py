"""Leaves out the last comparator."""

# EVOLVE-BLOCK-START


def network(wires: int) -> list[tuple[int, int]]:
    return [(i, i + 1) for end in range(wires - 1, 0, -1) for i in range(end)][:-1]


# EVOLVE-BLOCK-END
