"""The scheme of the definition in floats that are nearly integers."""

import numpy as np

# EVOLVE-BLOCK-START


def decompose(n, m, p, ring, seed, seconds, known):
    u = np.zeros((n * m * p, n * m))
    v = np.zeros((n * m * p, m * p))
    w = np.zeros((n * m * p, p * n))
    for r, (i, j, k) in enumerate(np.ndindex(n, m, p)):
        u[r, i * m + j] = v[r, j * p + k] = w[r, k * n + i] = 1 - 1e-16
    return u, v, w


# EVOLVE-BLOCK-END
