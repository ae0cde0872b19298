"""Must be rejected: it sorts what it saw."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { v[0] = 1; v[1] = 2; v[2] = 3; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
