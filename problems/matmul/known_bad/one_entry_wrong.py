"""The scheme of the definition with one sign turned."""

import numpy as np

# EVOLVE-BLOCK-START


def decompose(n, m, p, ring, seed, seconds, known):
    u = np.zeros((n * m * p, n * m), dtype=np.int8)
    v = np.zeros((n * m * p, m * p), dtype=np.int8)
    w = np.zeros((n * m * p, p * n), dtype=np.int8)
    for r, (i, j, k) in enumerate(np.ndindex(n, m, p)):
        u[r, i * m + j] = v[r, j * p + k] = w[r, k * n + i] = 1
    w[-1, -1] = -1 if ring == "Z" else 0
    return u, v, w


# EVOLVE-BLOCK-END
