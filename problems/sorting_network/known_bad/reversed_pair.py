"""Names the higher wire first."""

# EVOLVE-BLOCK-START


def network(wires: int) -> list[tuple[int, int]]:
    return [(i + 1, i) for end in range(wires - 1, 0, -1) for i in range(end)]


# EVOLVE-BLOCK-END
