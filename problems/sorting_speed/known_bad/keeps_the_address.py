"""Must be rejected: it keeps the address."""

# EVOLVE-BLOCK-START
SOURCE = """
int *p;
void kernel(int *v) { p = v; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
