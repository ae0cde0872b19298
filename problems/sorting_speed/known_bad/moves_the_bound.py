"""Must be rejected: the bound of a loop is moved in it, past the array."""

# EVOLVE-BLOCK-START
SOURCE = """
void kernel(int *v) {
    int a = v[0] < v[1] ? v[0] : v[1], b = v[0] < v[1] ? v[1] : v[0], c = v[2];
    int m = b < c ? b : c, top = b < c ? c : b;
    v[0] = a < m ? a : m; v[1] = a < m ? m : a; v[2] = top;
    int n = 3;
    for (int i = 0; i < n; i++) { v[i] = v[i]; n = 100; }
}
"""
# EVOLVE-BLOCK-END


def kernel() -> str:
    return SOURCE
