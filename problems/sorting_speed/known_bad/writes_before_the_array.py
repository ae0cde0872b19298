"""Must be rejected: it writes before the array."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { v[-1] = v[0]; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
