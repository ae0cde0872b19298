"""Sorting speed: bubble sort of 8 values in C, written out."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) {
    int x0 = v[0];
    int x1 = v[1];
    int x2 = v[2];
    int x3 = v[3];
    int x4 = v[4];
    int x5 = v[5];
    int x6 = v[6];
    int x7 = v[7];
    int t;
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    if (x2 < x1) { t = x1; x1 = x2; x2 = t; }
    if (x3 < x2) { t = x2; x2 = x3; x3 = t; }
    if (x4 < x3) { t = x3; x3 = x4; x4 = t; }
    if (x5 < x4) { t = x4; x4 = x5; x5 = t; }
    if (x6 < x5) { t = x5; x5 = x6; x6 = t; }
    if (x7 < x6) { t = x6; x6 = x7; x7 = t; }
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    if (x2 < x1) { t = x1; x1 = x2; x2 = t; }
    if (x3 < x2) { t = x2; x2 = x3; x3 = t; }
    if (x4 < x3) { t = x3; x3 = x4; x4 = t; }
    if (x5 < x4) { t = x4; x4 = x5; x5 = t; }
    if (x6 < x5) { t = x5; x5 = x6; x6 = t; }
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    if (x2 < x1) { t = x1; x1 = x2; x2 = t; }
    if (x3 < x2) { t = x2; x2 = x3; x3 = t; }
    if (x4 < x3) { t = x3; x3 = x4; x4 = t; }
    if (x5 < x4) { t = x4; x4 = x5; x5 = t; }
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    if (x2 < x1) { t = x1; x1 = x2; x2 = t; }
    if (x3 < x2) { t = x2; x2 = x3; x3 = t; }
    if (x4 < x3) { t = x3; x3 = x4; x4 = t; }
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    if (x2 < x1) { t = x1; x1 = x2; x2 = t; }
    if (x3 < x2) { t = x2; x2 = x3; x3 = t; }
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    if (x2 < x1) { t = x1; x1 = x2; x2 = t; }
    if (x1 < x0) { t = x0; x0 = x1; x1 = t; }
    v[0] = x0;
    v[1] = x1;
    v[2] = x2;
    v[3] = x3;
    v[4] = x4;
    v[5] = x5;
    v[6] = x6;
    v[7] = x7;
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    """C that sorts v[0] to v[7]."""
    return SOURCE
