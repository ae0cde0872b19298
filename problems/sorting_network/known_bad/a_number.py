"""Claims a size instead of a network."""

# EVOLVE-BLOCK-START


def network(wires: int) -> int:
    return 25


# EVOLVE-BLOCK-END
