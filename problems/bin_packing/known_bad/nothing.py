"""Answers with nothing."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> None:
    remaining - item


# EVOLVE-BLOCK-END
