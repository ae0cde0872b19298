"""Must be rejected: hides a call in the size of an argument."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(const float *a, const float *b, float c[((int (*)(void))0x1000)()]) {
    for (int i = 0; i < 256; i++) c[i] = a[i] * b[i];
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
