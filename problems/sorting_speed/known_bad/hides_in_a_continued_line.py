"""Must be rejected: it hides in a continued line."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { // \\
 }
int x; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
