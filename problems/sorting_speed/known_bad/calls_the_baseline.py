"""Must be rejected: it calls the baseline."""

# EVOLVE-BLOCK-START
SOURCE = """
void baseline(int *v);
void kernel(int *v) { baseline(v); }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
