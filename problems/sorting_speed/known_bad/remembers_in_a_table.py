"""Must be rejected: it remembers in a table."""

# EVOLVE-BLOCK-START
SOURCE = """
const int t[1] = {0};
void kernel(int *v) { t[0] = 1; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
