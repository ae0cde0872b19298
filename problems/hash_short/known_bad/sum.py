"""Must be rejected: low bits of the product hang on low bits only."""

# EVOLVE-BLOCK-START
SOURCE = """
uint64_t kernel(uint64_t first, uint64_t last, uint64_t length) {
    return (first + last + length) * 0x9E3779B97F4A7C15ull;
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
