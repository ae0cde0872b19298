"""Must be rejected: it looks at the next item."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { v[0] = v[3]; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
