"""Must be rejected: always the same."""

# EVOLVE-BLOCK-START
SOURCE = """
uint64_t kernel(uint64_t first, uint64_t last, uint64_t length) {
    return 4;
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
