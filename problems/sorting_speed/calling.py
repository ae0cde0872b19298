"""How sorting kernels are timed: the loop that calls them, inputs, outputs, the baseline."""

from __future__ import annotations

import numpy as np

from evaluators import Invalid
from evaluators.kernel_c import parse
from evaluators.kernel_c_run import sorting
from evolve.timing import Loop

ITEMS = 1024
"""Inputs of one pass: too many for a processor to learn their order, few enough for its caches."""


def loop(n: int) -> Loop:
    """Sorts a fresh copy of all items in each pass."""
    return Loop(
        source=f"""
            #include <stdint.h>
            #include <string.h>
            void loop(void *kernel, const void *in, void *out, long count, long repeats) {{
                void (*sort)(int32_t *) = (void (*)(int32_t *))kernel;
                int32_t *items = out;
                for (long pass = 0; pass < repeats; pass++) {{
                    memcpy(out, in, count * {4 * n});
                    for (long i = 0; i < count; i++) sort(items + {n} * i);
                }}
            }}
        """,
        item_in=4 * n,
        item_out=4 * n,
    )


def draw(rng: np.random.Generator, n: int) -> bytes:
    """Items of which an eighth have few different values, so that ties occur."""
    items = rng.integers(-(2**31), 2**31, size=(ITEMS, n), dtype=np.int32)
    ties = rng.random(ITEMS) < 0.125
    items[ties] = rng.integers(-2, 3, size=(int(ties.sum()), n), dtype=np.int32)
    return items.tobytes()


def fault(inputs: bytes, outputs: bytes, n: int) -> str:
    """What is wrong with outputs; empty where they are the inputs, sorted."""
    before = np.frombuffer(inputs, dtype=np.int32).reshape(-1, n)
    after = np.frombuffer(outputs, dtype=np.int32).reshape(-1, n)
    wrong = (np.sort(before, axis=1) != after).any(axis=1)
    if not wrong.any():
        return ""
    at = int(wrong.argmax())
    return f"it took {before[at].tolist()} to {after[at].tolist()}, which is not sorted"


def network(comparators: list[tuple[int, int]], n: int) -> str:
    """A kernel in C that exchanges by minimum and maximum, as a compiler does it best."""
    loads = "".join(f"    int32_t x{i} = v[{i}];\n" for i in range(n))
    lines = "".join(
        f"    {{ int32_t a = x{i}, b = x{j}; x{i} = a < b ? a : b; x{j} = a < b ? b : a; }}\n"
        for i, j in comparators
    )
    stores = "".join(f"    v[{i}] = x{i};\n" for i in range(n))
    return f"void kernel(int32_t *v)\n{{\n{loads}{lines}{stores}}}\n"


def insertion(n: int) -> list[tuple[int, int]]:
    """The comparators of insertion sort: nobody's record, and right for any n."""
    return [(i, i + 1) for end in range(n - 1) for i in range(end, -1, -1)]


NETWORKS = {
    3: [(1, 2), (0, 2), (0, 1)],
    4: [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)],
    5: [(0, 3), (1, 4), (0, 2), (1, 3), (0, 1), (2, 4), (1, 2), (3, 4), (2, 3)],
    6: [(0, 5), (1, 3), (2, 4), (1, 2), (3, 4), (0, 3), (2, 5), (0, 1), (2, 3), (4, 5), (1, 2),
        (3, 4)],
    8: [(0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7), (0, 1), (2, 3), (4, 5),
        (6, 7), (2, 4), (3, 5), (1, 4), (3, 6), (1, 2), (3, 4), (5, 6)],
}  # fmt: skip
"""Optimal networks (bertdobbelaere.github.io, 2026-02-22): baselines only, no seed holds them."""


def baseline(n: int) -> str:
    """The compiler's best: minimum and maximum over an optimal network."""
    made = parse(network(NETWORKS[n], n), sorting(n), moved=True)
    assert not isinstance(made, Invalid)
    return made.source
