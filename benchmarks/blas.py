"""Products of 16 x 16 matrices of float32: numpy's BLAS beside C, in one process and on one core.

The C is ours, so it may be loaded here. Blocks of each take turns in all orders, as in a race, and
are compared by the same statistics. BLAS is called by `numpy.matmul` on 128 pairs at a time, the
place of its results given: about 8 of the nanoseconds of a product are numpy's, not BLAS's.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Measured, NotMeasured, Plan
from evaluators.timing import ORDERS, compare, round_of
from sandbox import SandboxError, compile_c
from sandbox.timing import FLAGS, pinned

_SIDE, _PAIRS, _TIMES, _BLOCKS = 16, 16, 8, 6
_ROUNDS = {True: 512, False: 64}
_LOOP = f"""
void many(const float *pairs, float *products) {{
    for (long t = 0; t < {_TIMES}; t++)
        for (long i = 0; i < {_PAIRS}; i++)
            kernel(pairs + 512 * i, pairs + 512 * i + 256, products + 4096 * t + 256 * i);
}}
"""
_PASSES = 4
Products = NDArray[np.float32]


def _kernel(rows: int) -> str:
    """C that makes so many rows of the product at a time; of one row it is the definition."""
    sums = range(rows)
    return f"""
__attribute__((aligned(64), noinline))
void kernel(const float *restrict a, const float *restrict b, float *restrict c) {{
    for (int i = 0; i < 16; i += {rows})
        for (int j = 0; j < 16; j++) {{
            {" ".join(f"float s{r} = 0.0f;" for r in sums)}
            for (int k = 0; k < 16; k++) {{
                {" ".join(f"s{r} += a[16 * (i + {r}) + k] * b[16 * k + j];" for r in sums)}
            }}
            {" ".join(f"c[16 * (i + {r}) + j] = s{r};" for r in sums)}
        }}
}}
{_LOOP}"""


@lru_cache(maxsize=4)
def _compiled(rows: int) -> Callable[[Products, Products], None]:
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        Path(file.name).write_bytes(compile_c(_kernel(rows), flags=FLAGS))
        many = ctypes.CDLL(file.name).many

    def run(pairs: Products, products: Products) -> None:
        many(ctypes.c_void_p(pairs.ctypes.data), ctypes.c_void_p(products.ctypes.data))

    return run


def _blas(pairs: Products, products: Products) -> None:
    repeated = np.broadcast_to(pairs, (_TIMES, *pairs.shape))
    np.matmul(repeated[:, :, 0], repeated[:, :, 1], out=products)


def _race(
    candidate: Callable[[Products, Products], None],
    baseline: Callable[[Products, Products], None],
    plan: Plan,
) -> Measured:
    rng = np.random.default_rng(plan.seed)
    products = np.empty((_TIMES, _PAIRS, _SIDE, _SIDE), dtype=np.float32)
    made, each = [], []
    with pinned():
        for _ in range(_ROUNDS[plan.full]):
            pairs = rng.standard_normal((_PAIRS, 2, _SIDE, _SIDE), dtype=np.float32)
            orders = rng.permutation(np.repeat(np.arange(len(ORDERS)), _BLOCKS))
            times = np.empty((len(orders), 3))
            for block, order in enumerate(orders):
                for which in ORDERS[order]:
                    run = baseline if which else candidate
                    began = time.thread_time_ns()
                    for _ in range(_PASSES):
                        run(pairs, products)
                    times[block, which] = time.thread_time_ns() - began
            made.append(round_of(times, orders))
            each.append(np.median(times, axis=0)[:2] / (_PASSES * _TIMES * _PAIRS))
        right = np.allclose(products, pairs[:, 0] @ pairs[:, 1], atol=1e-4)
        assert right, "products differ"
    found = compare(made)
    ours, theirs = np.median(np.array(each), axis=0)
    return Measured(
        value=found.ratio,
        detail=f"{found.decision}: {ours:.3g} ns a product, beside it {theirs:.3g}, ratio in "
        f"[{found.low:.4f}, {found.high:.4f}], {found.rounds} rounds in one process",
    )


def blas_beside_definition(plan: Plan) -> Measured | NotMeasured:
    """BLAS / the definition as gcc -O3 -march=native makes it."""
    try:
        return _race(_blas, _compiled(1), plan)
    except SandboxError as error:
        return NotMeasured(why=str(error))


def block_beside_blas(plan: Plan) -> Measured | NotMeasured:
    """A kernel of the subset, two rows at a time, / BLAS."""
    try:
        return _race(_compiled(2), _blas, plan)
    except SandboxError as error:
        return NotMeasured(why=str(error))
