"""Must be rejected: it brings another clock."""

# EVOLVE-BLOCK-START
SOURCE = """
long perf_counter_ns(void) { return 0; } void kernel(int *v) {}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
