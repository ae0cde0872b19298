"""Must be rejected: it writes assembly."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { __asm__("rdtsc"); }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
