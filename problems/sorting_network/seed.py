"""Sorting networks: which wires to compare, in which order."""

# EVOLVE-BLOCK-START


def network(wires: int) -> list[tuple[int, int]]:
    """Comparators (a, b), a < b, of a network that sorts; here by odd-even transposition."""
    pairs = []
    for step in range(wires):
        for low in range(step % 2, wires - 1, 2):
            pairs.append((low, low + 1))
    return pairs


# EVOLVE-BLOCK-END
