"""Must be rejected: hides a call in the size of an argument."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int v[((int (*)(void))0x1000)()]) {}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
