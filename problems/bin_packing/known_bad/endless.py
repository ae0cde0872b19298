"""Never answers."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    while True:
        pass


# EVOLVE-BLOCK-END
