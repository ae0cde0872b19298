"""Must be rejected: counts on what was in c."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(const float *a, const float *b, float *c) {
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            float sum = 0.0f;
            for (int k = 0; k < 16; k++) sum += a[16 * i + k] * b[16 * k + j];
            c[16 * i + j] += sum;
        }
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
