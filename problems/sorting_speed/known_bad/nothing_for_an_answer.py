"""Must be rejected: it nothing for an answer."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
