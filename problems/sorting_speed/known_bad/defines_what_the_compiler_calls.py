"""Must be rejected: defines what the compiler calls unasked."""

# EVOLVE-BLOCK-START
SOURCE = """
long memcpy(long a, long b, long c) { return a; }
void kernel(int *v) {}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
