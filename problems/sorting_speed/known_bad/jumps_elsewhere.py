"""Must be rejected: it jumps elsewhere."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { ((void (*)(void))0x1000)(); }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
