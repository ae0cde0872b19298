"""Must be rejected: it makes all equal."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { v[1] = v[0]; v[2] = v[0]; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
