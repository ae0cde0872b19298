"""Must be rejected: it includes a file."""

# EVOLVE-BLOCK-START
SOURCE = """
#include "/etc/passwd"
void kernel(int *v) {}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
