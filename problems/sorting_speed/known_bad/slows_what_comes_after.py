"""Must be rejected: it slows what comes after."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { for (int i = 0; i < 99999999; i++) ; }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
