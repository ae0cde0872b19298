"""Must be rejected: it reads the counter."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { __builtin_ia32_rdtsc(); }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
