"""A calendar."""

# EVOLVE-BLOCK-START


def leap(year: int) -> bool:
    """Whether the year has one more day."""
    return year % 4 == 0 and year > 0


# EVOLVE-BLOCK-END


def answers(years: list[int]) -> list[bool]:
    """Whether each year has one more day."""
    return [leap(year) for year in years]
