"""Must be rejected: it hides in an attribute."""

# EVOLVE-BLOCK-START
SOURCE = """
__attribute__((constructor)) void kernel(int *v) { }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
