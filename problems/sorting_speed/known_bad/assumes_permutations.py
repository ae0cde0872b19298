"""Must be rejected: it assumes permutations."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) { if (v[0] == v[1]) v[2] = v[0];
    int a = v[0] < v[1] ? v[0] : v[1], b = v[0] < v[1] ? v[1] : v[0], c = v[2];
    int m = b < c ? b : c, top = b < c ? c : b;
    v[0] = a < m ? a : m; v[1] = a < m ? m : a; v[2] = top;
 }
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
