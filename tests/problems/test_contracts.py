"""What the contracts of kernel problems promise of their C holds."""

from __future__ import annotations

import pytest

from evaluators.kernel_c import Kernel, parse
from evaluators.kernel_c_run import sorting
from problems.hash_short import problem as hash_short
from problems.matmul_kernel import problem as matmul_kernel

HASH = "uint64_t kernel(uint64_t first, uint64_t last, uint64_t length) {{ {} }}"
PRODUCT = "void kernel(const float *a, const float *b, float *c) {{ {} }}"
SORT = "void kernel(int *v) {{ int x = v[0], y = v[1]; {} }}"
AS_THE_CONTRACTS_SAY = [
    (HASH, "return f(first);", "static inline uint64_t f(uint64_t x) { return x * 3; }", True),
    (HASH, "return T[first & 3] << (length & 63);",
     "static const uint64_t T[4] = {1, 2, 3, 4};", True),
    (HASH, "uint64_t x = 0; for (int i = 8; i > 0; i -= 2) x += (uint32_t)last; return x;", "",
     True),
    (HASH, "return length > 9 ? first : last % 7;", "", True),
    (HASH, "return f(first, 7);", "uint64_t f(uint64_t x, int k) { return x << k; }", False),
    (HASH, "if (length > 9) { return 1; } return first;", "", False),
    (HASH, "uint64_t x, y; x = y = first; return x;", "", False),
    (HASH, "unsigned __int128 x = first; return x;", "", False),
    (HASH, "uint8_t x = 3; return x;", "", False),
    (HASH, "return __builtin_bswap64(first);", "", False),
    (PRODUCT.replace("*", "*restrict "), "for (int i = 0; i < 256; i++) c[i] += a[i];", "", True),
    (PRODUCT, "float t[256] = {0}; for (int i = 0; i < 256; i += 4) c[i] = t[i];", "", True),
    (PRODUCT, "double s = (double)a[0] * b[0]; c[0] = (float)s;", "", True),
    (PRODUCT, "float t[256]; t[0] = 0.0f; c[0] = t[0];", "", False),
    (PRODUCT, "for (int i = 0; i < 16; i++) for (int j = 0; j < i; j++) c[j] = 0.0f;", "", False),
    (PRODUCT, "int x = (int)a[0]; c[0] = x;", "", False),
    (PRODUCT, "f(c);", "static void f(float *c) { c[0] = 0.0f; }", False),
    (SORT, "int c = y < x; v[0] = c ? y : x; v[1] = c ? x : y;", "", True),
    (SORT, "int t[2] = {x, y}; v[0] = t[y < x]; v[1] = t[x <= y];", "", True),
    (SORT, "int n = 0; n += y < x; v[0] = n == 1 ? y : x; v[1] = n == 1 ? x : y;", "", True),
    (SORT, "v[0] = x & -(x < y);", "", False),
    (SORT, "if (x < 0) v[0] = y;", "", False),
    (SORT, "v[0] = f(1) ? x : y;", "int f(int k) { return k; }", False),
]  # fmt: skip


@pytest.mark.parametrize(("whole", "body", "before", "allowed"), AS_THE_CONTRACTS_SAY)
def test_the_c_that_prompts_promise_is_accepted_and_the_other_refused(
    whole: str, body: str, before: str, allowed: bool
) -> None:
    signature, moved = {
        HASH: (hash_short.SIGNATURE, False), SORT: (sorting(2), True),
    }.get(whole, (matmul_kernel.SIGNATURE, False))  # fmt: skip
    found = parse(before + whole.format(body), signature, moved=moved)
    assert isinstance(found, Kernel) == allowed, found
