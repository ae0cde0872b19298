"""Takes all the memory there is."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    hoard = []
    while True:
        hoard.append(bytearray(64_000_000))


# EVOLVE-BLOCK-END
