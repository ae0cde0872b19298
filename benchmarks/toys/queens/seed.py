"""A formula for queens."""

# EVOLVE-BLOCK-START


def row(i: int, n: int) -> float:
    """The row of column i; rounded down and taken modulo n."""
    return 2 * i


# EVOLVE-BLOCK-END


def rows(n: int) -> list[int]:
    """The rows of all columns."""
    return [int(row(i, n)) % n for i in range(n)]
