"""Matrix multiplication schemes: alternating least squares, drawn to integers and rounded."""

import time

import numpy as np

# EVOLVE-BLOCK-START

SWEEPS = 400  # before entries are fixed
DAMPING = 0.02  # towards where a factor is already; it falls with the residual
CLOSE = 0.02  # a residual that counts as solved while entries are being fixed
SHARE = 0.02  # of all entries that are fixed at once
SETTLE = 150  # sweeps after that


def residual(factors, tensor):
    return float(np.abs(np.einsum("xr,yr,zr->xyz", *factors, optimize=True) - tensor).max())


def sweep(factors, free, tensor, damping):
    """One pass of alternating least squares over the entries that are free."""
    for mode in range(3):
        a, b = factors[(mode + 1) % 3], factors[(mode + 2) % 3]
        products = np.einsum("yr,zr->yzr", a, b).reshape(-1, a.shape[1])
        gram = products.T @ products
        targets = np.moveaxis(tensor, (mode, (mode + 1) % 3, (mode + 2) % 3), (0, 1, 2))
        right = targets.reshape(tensor.shape[mode], -1) @ products
        factor, open_ = factors[mode], free[mode]
        if open_.all():
            system = gram + damping * np.eye(len(gram))
            factor[:] = np.linalg.solve(system, (right + damping * factor).T).T
            continue
        # a system for each row, in which entries that are fixed stay what they are
        systems = gram * (open_[:, :, None] & open_[:, None, :])
        diagonal = np.arange(len(gram))
        systems[:, diagonal, diagonal] += np.where(open_, damping, 1.0)
        wanted = right - (factor * ~open_) @ gram + damping * factor
        known = np.where(open_, wanted, factor)
        factor[:] = np.linalg.solve(systems, known[:, :, None])[:, :, 0]


def balance(factors):
    """Scales the three vectors of each term so that their largest entries are alike."""
    sizes = np.array([np.abs(factor).max(axis=0) + 1e-12 for factor in factors])
    middle = np.cbrt(np.prod(sizes, axis=0))
    for mode in range(3):
        factors[mode] *= middle / sizes[mode]


def fix(factors, free, count):
    """Fixes the free entries that are nearest to -1, 0 or 1."""
    gaps = np.concatenate(
        [
            np.where(mask, np.abs(factor - np.clip(np.rint(factor), -1, 1)), np.inf).ravel()
            for factor, mask in zip(factors, free, strict=True)
        ]
    )
    limit = np.partition(gaps, count - 1)[count - 1]
    for factor, mask in zip(factors, free, strict=True):
        goals = np.clip(np.rint(factor), -1, 1)
        chosen = mask & (np.abs(factor - goals) <= limit)
        factor[chosen] = goals[chosen]
        mask[chosen] = False


def solve(factors, free, tensor, sweeps, deadline):
    """Sweeps until the residual is negligible; whether it came close."""
    left = 1.0
    for step in range(sweeps):
        if time.monotonic() > deadline:
            return False
        sweep(factors, free, tensor, max(1e-6, DAMPING * min(1.0, left)))
        if step % 5 == 4:
            left = residual(factors, tensor)
            if left < CLOSE / 100:
                break
    return left < CLOSE


def attempt(tensor, rank, rng, deadline):
    """Integer factors with an exact identity, or None."""
    factors = [rng.normal(size=(size, rank)) for size in tensor.shape]
    free = [np.ones(factor.shape, dtype=bool) for factor in factors]
    if not solve(factors, free, tensor, SWEEPS, deadline):
        return None
    balance(factors)
    batch = max(1, int(SHARE * sum(factor.size for factor in factors)))
    while left := sum(int(mask.sum()) for mask in free):
        before = [factor.copy() for factor in factors], [mask.copy() for mask in free]
        fix(factors, free, min(batch, left))
        if not solve(factors, free, tensor, SETTLE, deadline):
            if batch == 1 or time.monotonic() > deadline:
                return None
            batch = max(1, batch // 2)
            factors, free = before
    rounded = [factor.astype(np.int64) for factor in factors]
    exact = np.array_equal(np.einsum("xr,yr,zr->xyz", *rounded, optimize=True), tensor)
    return rounded if exact else None


def search(tensor, best, rng, deadline):
    """Tries one product fewer than the best scheme, as long as there is time."""
    while time.monotonic() < deadline:
        try:
            found = attempt(tensor, best[0].shape[1] - 1, rng, deadline)
        except np.linalg.LinAlgError:
            continue
        if found is not None:
            used = np.all([factor.any(axis=0) for factor in found], axis=0)
            best = [factor[:, used] for factor in found]
    return best


# EVOLVE-BLOCK-END


def decompose(n, m, p, ring, seed, seconds, known):
    """Factor matrices of a scheme for n x m by m x p over the integers, one row a product."""
    deadline = time.monotonic() + seconds
    if ring != "Z":
        raise ValueError(f"least squares know the integers only, not {ring}")
    tensor = np.zeros((n * m, m * p, p * n), dtype=np.int64)
    best = [np.zeros((size, n * m * p), dtype=np.int64) for size in tensor.shape]
    for r, (i, j, k) in enumerate(np.ndindex(n, m, p)):
        place = (i * m + j, j * p + k, k * n + i)
        tensor[place] = 1
        for factor, at in zip(best, place, strict=True):
            factor[at, r] = 1
    for a, b, c, *factors in known:
        if (a, b, c) == (n, m, p) and len(factors[0]) < best[0].shape[1]:
            best = [np.asarray(factor, dtype=np.int64).T for factor in factors]
    found = search(tensor, best, np.random.default_rng(seed), deadline)
    return tuple(np.ascontiguousarray(factor.T) for factor in found)
