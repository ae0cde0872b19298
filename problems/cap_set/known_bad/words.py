"""Answers with text."""

# EVOLVE-BLOCK-START


def priority(vector: tuple[int, ...], n: int) -> str:
    return "512"


# EVOLVE-BLOCK-END
