"""Must be rejected: it reads the clock."""

# EVOLVE-BLOCK-START
SOURCE = """
#include <time.h>
void kernel(int *v) { clock(); }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
