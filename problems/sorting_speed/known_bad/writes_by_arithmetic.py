"""Must be rejected: it writes by arithmetic."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { *(v + 9) = v[0]; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
