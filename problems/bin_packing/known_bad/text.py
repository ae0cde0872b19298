"""Answers with text instead of a number."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> str:
    return "best"


# EVOLVE-BLOCK-END
