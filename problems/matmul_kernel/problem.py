"""A block of matrix multiplication in C: evolve one that is faster than the compiler's best."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np

from evaluators import Invalid
from evaluators.kernel_c import parse
from evaluators.kernel_c_types import Kernel, Parameter, Signature
from evolve import Problem, Score
from evolve.problem import CandidateHandle
from evolve.timing import Loop, race

SIDE = 16
_ENTRIES = SIDE * SIDE
_ITEMS = 16
_BITS = 23
"""Inputs are integers below 2^23 in size times 2^-23, which float32 holds: sums are exact."""
_UNIT = Fraction(1, 2**24)
SIGNATURE = Signature(
    (
        Parameter("float", _ENTRIES),
        Parameter("float", _ENTRIES),
        Parameter("float", _ENTRIES, output=True),
    )
)
_LOOP = Loop(
    source=f"""
        #include <string.h>
        void loop(void *kernel, const void *in, void *out, long count, long repeats) {{
            void (*multiply)(const float *, const float *, float *) =
                (void (*)(const float *, const float *, float *))kernel;
            const float *pairs = in;
            float *products = out;
            for (long pass = 0; pass < repeats; pass++)
                for (long i = 0; i < count; i++) {{
                    memset(products + {_ENTRIES} * i, 255, {4 * _ENTRIES});
                    multiply(pairs + {2 * _ENTRIES} * i, pairs + {2 * _ENTRIES} * i + {_ENTRIES},
                             products + {_ENTRIES} * i);
                }}
        }}
    """,
    item_in=8 * _ENTRIES,
    item_out=4 * _ENTRIES,
)
"""Products are made not-a-number before each call: one left from before must not be of use."""
_BASELINE = f"""
void kernel(const float *restrict a, const float *restrict b, float *restrict c) {{
    for (int i = 0; i < {SIDE}; i++)
        for (int j = 0; j < {SIDE}; j++) {{
            float sum = 0.0f;
            for (int k = 0; k < {SIDE}; k++) sum += a[i * {SIDE} + k] * b[k * {SIDE} + j];
            c[i * {SIDE} + j] = sum;
        }}
}}
"""
"""The definition: of the orders of loops tried, the one gcc 12 makes by far the best of. `restrict`
is a third of its time."""

problem = Problem(
    name="matmul_kernel",
    statement="statement.md",
    contract="contract.md",
    seeds=["seed.py"],
    objective="min ratio",
    measurement=(
        "In stage `subset` who passes gets 1, which says nothing of the speed. In stage `speed`, "
        "16 pairs of random matrices, one call each from a loop, beside the definition's three "
        "loops as gcc -O3 -march=native makes them, interleaved on one core in about 2 seconds. "
        "`ratio` is the upper end of the interval of the ratio of times: most often half a "
        "percent above its middle, and less than that between two programs is noise."
    ),
    known_bad=["known_bad/*.py"],
)


def draw(rng: np.random.Generator) -> bytes:
    """Pairs of matrices whose rows and columns differ in size by powers of two."""
    integers = rng.integers(-(2**_BITS) + 1, 2**_BITS, size=(_ITEMS, 2, SIDE, SIDE))
    values = (integers / 2.0**_BITS).astype(np.float32)
    values[:, 0] *= np.exp2(rng.integers(-6, 7, size=(_ITEMS, SIDE, 1))).astype(np.float32)
    values[:, 1] *= np.exp2(rng.integers(-6, 7, size=(_ITEMS, 1, SIDE))).astype(np.float32)
    return values.tobytes()


def fault(inputs: bytes, outputs: bytes) -> str:
    """What is wrong with products; empty where each is within the bound on its rounding error.

    Any order of summation of k products, fused or not, errs by at most k u / (1 - k u) times the
    sum of sizes, u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section
    3.1). All is computed exactly: in units of 2^-52 and the scales of row and column the sums of
    products are integers below 2^56.
    """
    pairs = np.frombuffer(inputs, dtype=np.float32).reshape(-1, 2, SIDE, SIDE).astype(np.float64)
    made = np.frombuffer(outputs, dtype=np.float32).reshape(-1, SIDE, SIDE).astype(np.float64)
    if not np.isfinite(made).all():
        return "a product is not finite"
    rows = np.exp2(np.ceil(np.log2(np.abs(pairs[:, 0]).max(axis=2, keepdims=True) + 1e-30)))
    columns = np.exp2(np.ceil(np.log2(np.abs(pairs[:, 1]).max(axis=1, keepdims=True) + 1e-30)))
    # scaling by powers of two is exact; rows drawn small have more than 23 bits to spare
    left = (pairs[:, 0] / rows * 2.0**26).astype(np.int64)
    right = (pairs[:, 1] / columns * 2.0**26).astype(np.int64)
    exact, sizes = left @ right, np.abs(left) @ np.abs(right)
    scaled = made / (rows * columns) * 2.0**52
    bound = SIDE * _UNIT / (1 - SIDE * _UNIT)
    # a float64 screen that only lets pass what is surely within; the rest is decided exactly
    close = np.abs(scaled - exact) <= float(bound) * 0.999 * sizes - 64
    for at in np.argwhere(~close).tolist():
        item, i, j = at
        error = abs(Fraction(float(scaled[item, i, j])) - int(exact[item, i, j]))
        if error > bound * int(sizes[item, i, j]):
            return f"entry ({i}, {j}) of a product errs by more than rounding can"
    return ""


def blas_nanoseconds(inputs: bytes) -> float:
    """CPU of one product as numpy's BLAS makes it, for many at a time, in this process.

    It stands beside a race, for orientation: it was not interleaved, and no other pages were drawn.
    """
    pairs = np.frombuffer(inputs, dtype=np.float32).reshape(-1, 2, SIDE, SIDE)
    repeated = np.broadcast_to(pairs, (8, *pairs.shape))
    products = np.empty((8, len(pairs), SIDE, SIDE), dtype=np.float32)
    times = []
    for _ in range(100):
        began = time.thread_time_ns()
        np.matmul(repeated[:, :, 0], repeated[:, :, 1], out=products)
        times.append(time.thread_time_ns() - began)
    return float(np.median(times)) / (8 * len(pairs))


def _checked(candidate: CandidateHandle) -> Kernel | Invalid:
    return parse(candidate.call("kernel"), SIGNATURE)


@problem.stage(timeout_s=5.0, memory_mb=256)
def subset(candidate: CandidateHandle) -> Score | Invalid:
    """The C must be of the subset."""
    kernel = _checked(candidate)
    return kernel if isinstance(kernel, Invalid) else Score(ratio=1.0, feedback="it may be run")


def _timed(candidate: CandidateHandle, seconds: float) -> Score | Invalid:
    kernel, baseline = _checked(candidate), parse(_BASELINE, SIGNATURE)
    if isinstance(kernel, Invalid):
        return kernel
    assert not isinstance(baseline, Invalid)
    found = race(kernel.source, baseline.source, _LOOP, draw=draw, verify=fault, seconds=seconds)
    if isinstance(found, Invalid):
        return found
    blas = blas_nanoseconds(draw(np.random.default_rng()))
    return Score(
        ratio=found.comparison.high,
        metrics={
            **found.metrics,
            "gflops": 2 * SIDE**3 / found.candidate_ns,
            "blas_nanoseconds": blas,
        },
        feedback=f"{found}; BLAS as numpy has it takes {blas:.3g} ns",
    )


@problem.stage(timeout_s=40.0, memory_mb=256, exclusive=True)
def speed(candidate: CandidateHandle) -> Score | Invalid:
    """Raced against the baseline for about 2 s, every product checked."""
    return _timed(candidate, 2.0)


@problem.validation(timeout_s=60.0, memory_mb=256, exclusive=True)
def validation(candidate: CandidateHandle) -> Score | Invalid:
    """Fresh processes, other matrices."""
    return _timed(candidate, 4.0)


@problem.test(timeout_s=60.0, memory_mb=256, exclusive=True)
def test(candidate: CandidateHandle) -> Score | Invalid:
    """And once more for the figure that is published."""
    return _timed(candidate, 6.0)
