"""Works on the first call only."""

# EVOLVE-BLOCK-START
SOURCE = """
static int done[1] = {0};
void kernel(int *v) { if (done[0] == 0) { done[0] = 1; } }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
