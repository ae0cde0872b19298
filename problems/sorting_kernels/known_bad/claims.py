"""Says that it has no instructions."""

# EVOLVE-BLOCK-START
# EVOLVE-BLOCK-END


def kernel(lengths, interface, seed, seconds):
    return {"instructions": 0, "listing": []}
