"""Says that it has no instructions."""

# EVOLVE-BLOCK-START
# EVOLVE-BLOCK-END


def kernel(lengths: list[int], interface: str, seed: int, seconds: float) -> object:
    return {"instructions": 0, "listing": []}
