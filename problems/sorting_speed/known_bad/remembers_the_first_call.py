"""Must be rejected: it remembers the first call."""

# EVOLVE-BLOCK-START
SOURCE = """
static int done[1] = {0};
void kernel(int *v) { done[0] = 1; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
