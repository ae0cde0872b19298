"""Must be rejected: good for 9, 12 and 16 bytes, cheap for the others."""

# EVOLVE-BLOCK-START
SOURCE = """
uint64_t kernel(uint64_t first, uint64_t last, uint64_t length) {
    uint64_t x = first ^ (length * 0x9E3779B97F4A7C15ull);
    if (length == 9 || length == 12 || length == 16) {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
        x = (x ^ (x >> 31)) + last;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    } else {
        x = (x + last) * 0x94D049BB133111EBull;
    }
    return x ^ (x >> 31);
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
