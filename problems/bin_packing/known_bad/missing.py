"""Has no function `priority`."""

# EVOLVE-BLOCK-START


def rate(item: int, remaining: int) -> int:
    return item - remaining


# EVOLVE-BLOCK-END
