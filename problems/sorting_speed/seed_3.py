"""Sorting speed: bubble sort of 3 values in C, written out."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) {
    int x0 = v[0];
    int x1 = v[1];
    int x2 = v[2];
    int t;
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    if (x2 < x1) { t = x1; x1 = x2; x2 = t; }
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    v[0] = x0;
    v[1] = x1;
    v[2] = x2;
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    """C that sorts v[0] to v[2]."""
    return SOURCE
