"""Listings and checked C: proofs over weak orders, and everything that must be refused."""

from __future__ import annotations

import json
import os
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators import Invalid, Valid, kernel_listings
from evaluators.kernel_c import parse
from evaluators.kernel_c_run import run as run_c
from evaluators.kernel_c_run import verify_sorting
from evaluators.kernel_c_types import Parameter, Signature
from evaluators.kernel_listings import check, from_att, length, of_network, published, verify
from evaluators.weak_orders import sorted_orders, weak_orders

THREE = [(1, 2), (0, 2), (0, 1)]
FIVE = [(0, 3), (1, 4), (0, 2), (1, 3), (0, 1), (2, 4), (1, 2), (3, 4), (2, 3)]


def listing(text):
    found = kernel_listings.parse(text)
    assert not isinstance(found, Invalid), found
    return found


@pytest.mark.parametrize(("n", "count"), [(1, 1), (2, 3), (3, 13), (4, 75), (5, 541), (6, 4683)])
def test_every_weak_order_is_there_once(n, count):
    columns = {tuple(column) for column in weak_orders(n).T.tolist()}
    assert len(columns) == weak_orders(n).shape[1] == count
    assert all(set(column) == set(range(1, max(column) + 1)) for column in columns)
    assert (np.diff(sorted_orders(n), axis=0) >= 0).all()


def test_there_are_as_many_of_eight_as_counted_by_others():
    assert weak_orders(7).shape[1] == 47293
    assert weak_orders(8).shape[1] == 545835


THREE_IN_C = """
    int a = v[0] < v[1] ? v[0] : v[1], b = v[0] < v[1] ? v[1] : v[0], c = v[2];
    int m = b < c ? b : c, top = b < c ? c : b;
    v[0] = a < m ? a : m; v[1] = a < m ? m : a; v[2] = top;
"""
REGISTER = st.integers(0, 3).map("r{}".format)
LINE = st.tuples(
    st.sampled_from(["mov", "cmp", "cmovl", "cmovg", "cmovle", "cmove", "cmovne", "min", "max"]),
    REGISTER, REGISTER,
).map(" ".join)  # fmt: skip


@given(st.lists(LINE, max_size=10), st.lists(LINE, max_size=6))
def test_the_proof_agrees_with_running_every_input(before, after):
    text = [*before, "cmp r0 r1", "jg over", *after, "over:", *map(str, of_network(THREE, 3))]
    lines = listing(text)
    right = True
    for values in product(range(3), repeat=3):
        try:
            right &= kernel_listings.run(lines, values) == sorted(values)
        except LookupError:
            right = False
    found = verify(lines, lengths=[3])
    if isinstance(found, Valid):
        assert right
        assert found.value == length(lines)
    elif right:
        # stricter than a single run: a move that never happens may not read what is unset
        assert "before" in found.reason


def test_right_on_permutations_is_not_enough():
    path = Path(kernel_listings.__file__).parents[1] / "problems/sorting_kernels/known_bad"
    text = (path / "fails_on_ties.py").read_text(encoding="utf-8").split('"""')[3]
    lines = listing(text)
    assert all(kernel_listings.run(lines, p) == [1, 2, 3] for p in permutations((1, 2, 3)))
    assert verify(lines, lengths=[3]).reason == (
        "it takes [2, 1, 1] to [2, 1, 2], which is not sorted"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mov r5 r6", "r6 is read before it is set"),
        ("cmovl r0 r1", "the flags are read before a cmp set them"),
        ("jl end\nend:", "the flags are read"),
        ("cmp r0 r1\ncmovl r4 r1\nmov r0 r4", "r4 is read before it is set"),
        ("cmp r0 r1\njl end\nmov r4 r1\nend:\nmov r0 r4", "r4 is read before it is set"),
        ("mov r0 [0]", r"\[0\] is outside the 3 values"),
        ("cmp n 3", "n holds the length only where there are several"),
        ("", r"\[1, 2, 1\] to|\[2, 1\]|is not sorted"),
    ],
)
def test_what_a_listing_may_not_do(text, reason):
    with pytest.raises(AssertionError, match=reason):
        assert verify(listing(text), lengths=[3]) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("add r0 r1", "line 1, 'add r0 r1': no operation 'add'"),
        ("\nmov r0", "line 2, 'mov r0': mov takes two operands"),
        ("mov r0 r16", "no register r16"),
        ("mov [0] [1]", r"mov cannot take \[0\] and \[1\]"),
        ("cmp r0 [1]", "cmp cannot take"),
        ("mov r0 7", "mov cannot take r0 and 7"),
        ("jmp up", "no label up further down"),
        ("up:\njmp up", "no label up further down"),
        ("a:\na:", "label a stands twice"),
        ("mov r0 rr", "'rr' is no operand"),
        (3, "expected a list of lines"),
        (["mov r0 r1"] * 1001, "at most 1000"),
        ([None], "expected a list of lines"),
    ],
)
def test_what_is_no_listing_is_refused_with_its_line(text, reason):
    found = kernel_listings.parse(text)
    assert isinstance(found, Invalid)
    with pytest.raises(AssertionError, match=reason):
        assert found.reason == ""


VARIABLE = """
cmp n 2
jl end
mov r0 [0]
mov r1 [1]
mov r2 r0
min r0 r1
max r1 r2
mov [0] r0
mov [1] r1
end:
"""


def test_several_lengths_in_memory():
    assert verify(listing(VARIABLE), lengths=[1, 2], interface="memory").value == 9
    wrong = listing(VARIABLE.replace("jl end", "jmp end"))
    assert "is not sorted" in verify(wrong, lengths=[1, 2], interface="memory").reason
    outside = listing(VARIABLE.replace("jl end", "je end"))
    assert "outside the 1 values" in verify(outside, lengths=[1, 2], interface="memory").reason


@pytest.mark.parametrize("data", [None, {}, [], {"listing": []}, {"listing": [], "lengths": [9]},
                                  {"listing": [], "lengths": [True]}, {"listing": 5, "lengths": []},
                                  {"listing": [], "lengths": [2], "interface": []},
                                  {"listing": ["mov r0 r1"], "lengths": [3, 3]}])  # fmt: skip
def test_hostile_artifacts_are_refused(data):
    assert isinstance(check(data), Invalid)


def test_a_claimed_count_must_be_right():
    data = {"lengths": [3], "listing": [str(line) for line in of_network(THREE, 3)]}
    assert check(data).value == 12
    assert isinstance(check({**data, "instructions": 11}), Invalid)


def test_att_syntax_is_read():
    found = from_att(["mov 0x4(%0), %%eax", "mov %%eax, 0x8(%0)", "cmp %%eax, %%ecx"])
    assert [str(line) for line in found] == ["mov r0 [1]", "mov [2] r0", "cmp r1 r0"]
    assert isinstance(from_att(["nop"]), Invalid)
    assert isinstance(from_att(["mov 0x3(%0), %%eax"]), Invalid)


@pytest.mark.skipif("EVOLVE_PUBLISHED" not in os.environ, reason="EVOLVE_PUBLISHED is not set")
@pytest.mark.parametrize(("n", "count"), [(3, 17), (4, 28), (5, 43)])
def test_published_listings_are_of_the_length_counted(n, count):
    path = Path(os.environ["EVOLVE_PUBLISHED"]) / f"Sort{n}AlphaDev.json"
    ((_, artifact),) = published(json.loads(path.read_text(encoding="utf-8"))).items()
    assert check(artifact).value == count


# C


def minmax(comparators):
    lines = "".join(
        f"{{ int x = v[{a}], y = v[{b}]; v[{a}] = x < y ? x : y; v[{b}] = x < y ? y : x; }}\n"
        for a, b in comparators
    )
    return f"/* no # here */\nvoid kernel(int *v) {{\n{lines}}}"


INSERTION = """
void kernel(int v[5]) {
    for (int i = 1; i < 5; i++)
        for (int j = i; j > 0; j--) {
            if (v[j - 1] > v[j]) { int t = v[j]; v[j] = v[j - 1]; v[j - 1] = t; }
        }
}
"""


def test_c_is_proved_to_sort():
    assert verify_sorting(minmax(FIVE), 5).value == 5
    assert "which is not sorted" in verify_sorting(minmax(FIVE[:-1]), 5).reason
    # the inner loop's bound is no constant
    assert "expected a constant" in verify_sorting(INSERTION, 5).reason
    assert verify_sorting(INSERTION.replace("j = i", "j = 4"), 5).value == 5


REFUSED = {
    "v[3] = v[0];": "line 1, column 23: the index of v may be 3",
    "v[0] = v[1] + 1;": "may only be moved and compared",
    "v[0] = 1;": "only values that came from the arguments may be put there",
    "v[0] = v[0] < v[1];": "only values that came from the arguments",
    "if (v[0] < 5) v[0] = v[1];": "compared with their like only",
    "if (v[0]) v[0] = v[1];": "may only be moved and compared",
    "v[0] = v[0] < v[1] ? v[0] : 7;": "a choice between",
    "int x; if (v[0] < v[1]) x = v[0]; v[1] = x;": "x is read before it is set on every way",
    "int x = v[0]; x = v[0] < v[1];": "values that are moved, or others, not both",
    "long x = v[0];": "changes its type",
    "static int s = 0;": "outside the subset",
    "int *p = v;": "outside the subset",
    "*v = v[1];": "only variables and elements",
    "clock();": "clock is no function defined above",
    "kernel(v);": "kernel is no function defined above",
    'asm("rdtsc");': "outside the subset",
    "for (;;) ;": "expected for",
    "while (1) ;": "'while' is outside the subset",
    "for (int i = 0; i < 9; i--) ;": "does not end",
    "for (int i = 0; i < 9; i++) i = 0;": "changed by its loop only",
    "for (int i = 0; i < 4; i++) v[i] = v[0];": "the index of v may be 0 to 3",
    "for (int i = 0; i < 9999; i++) for (int j = 0; j < 9999; j++) ;": "steps together",
    "int i = 0; for (int j = 0; j < 2; j++) i++; v[i] = v[0];": "the index of v may be -",
    "int a = 1 / 0;": "a division by what may be 0",
    "int a = 1 << 32;": "a shift by 32 bits",
    "int a = 1.5;": "a float becomes an integer",
    "return; v[0] = v[1];": "at the end of its function only",
    "int a = ({ 1; });": "outside the subset",
    "goto x; x: ;": "outside the subset",
    "int v = 1;": "v is defined already",
    "(" * 3000 + "1" + ")" * 3000 + ";": "nested",
    "v[0] = v[1]": "it does not parse as C",
    "int a[2] = {1, 2}; a[a[0]] = 1;": "the index of a may be",
    "int t[2] = {[1] = 1};": "line 1, column 27: NamedInitializer",
    "for (static int i = 0; i < 2; i++) ;": "expected for (int i = A",
    "v[0] = 1 1;": "line 1, column 32: it does not parse as C before '1'",
    "{": "at its end: it does not parse as C",
    "#define X": "'#' is outside the subset",
    "struct { int a; } x;": "outside the subset",
    "volatile int x = 1;": "outside the subset",
    "__builtin_ia32_rdtsc();": "outside the subset",
}


@pytest.mark.parametrize("body", REFUSED)
def test_c_outside_the_subset_is_refused(body):
    found = verify_sorting(f"void kernel(int *v) {{ {body} }}", 3)
    assert isinstance(found, Invalid)
    assert REFUSED[body] in found.reason


@pytest.mark.parametrize(
    "source",
    ["", "x", "int s; void kernel(int *v) {}", "void kernel(long *v) {}", "void kernel(void) {}",
     "int kernel(int *v) { return 1; }", "static void kernel(int *v) {}", None, 7, "\0", "é",
     "void (*kernel)(int *v);", "typedef int t; void kernel(int *v) {}", "/*" * 10,
     "int main(void) { return 1; } void kernel(int *v) {}", "void kernel(int *v) {}" * 2,
     "int a[3] = {1}; void kernel(int *v) {}", "void kernel(int *v)" + "{" * 5000, "x" * 70000,
     "static int f(int x) { return x; } void kernel(int *f) {}",
     "const int t[1] = {1}; void kernel(int *t) {}",
     "long memset(long a, int b, long c) { return a; } void kernel(int *v) {}"],
)  # fmt: skip
def test_what_is_no_kernel_is_refused(source):
    assert isinstance(verify_sorting(source, 3), Invalid)


@pytest.mark.parametrize(
    "size", ["((int (*)(void))4096)()", "v0[9] = 1", "sizeof 1", "x", "*", "static 9", "1 + 2"]
)
def test_nothing_is_computed_in_the_size_of_an_argument(size):
    # C computes it at each call, so that anything could be done there
    found = verify_sorting(f"void kernel(int v[{size}]) {{ v[0] = v[1]; }}", 3)
    assert isinstance(found, Invalid)
    assert verify_sorting(f"void kernel(int v[3]) {{ {THREE_IN_C} }}", 3).value == 3


def test_a_function_is_never_taken_for_the_compilers_of_that_name():
    signature = Signature((Parameter("int32_t"),), "int32_t")
    kernel = parse("int abs(int x) { return 7; } int kernel(int x) { return abs(x); }", signature)
    assert "static int abs" in kernel.source


@pytest.mark.parametrize(
    "text",
    [
        "void kernel(int *v) { int f(int x) { return x; } BODY }",
        "void kernel(int *v) { int system(const char *); BODY }",
        "void kernel(int *v) { int q = 0, *p = v; BODY }",
        "void kernel(int *v); void kernel(int *v) { BODY }",
        "void kernel(int *v) { static int t[1] = {1}; t[0] = 2; BODY }",
        "void kernel(int *v) { static const int t[1] = {1}; t[0] = 2; BODY }",
        "void kernel(int *v) { int t[v[0]]; BODY }",
        "void kernel(int *v) { long x = (long)v; BODY }",
        "void kernel(int *v) { const int t[3] = {1, 2, 3}; int q = t[v[0]]; BODY }",
        "void kernel(int *v) { unsigned i = 0; i--; v[i] = v[0]; BODY }",
        "void kernel(int *v) { for (int i = 0, j = 0; i < 2; i++) { } BODY }",
        "[[gnu::constructor]] void kernel(int *v) { BODY }",
        "%:include <stdio.h>\nvoid kernel(int *v) { BODY }",
        "?" + "?=include <stdio.h>\nvoid kernel(int *v) { BODY }",
        "void kernel(int *v) { if (v[0]) v[0] = v[1]; BODY }",
        "void kernel(int *v) { int z = 0; if (v[0] < z) v[0] = v[1]; BODY }",
        "void kernel(int *v) { typeof(v[0]) x; BODY }",
        "void kernel(int *v) { int x; if (v[0] < v[1]) x = v[0]; v[2] = x; BODY }",
        "void kernel(v) int *v; { BODY }",
        "void kernel(int *v) { BODY int n = 3; for (int i = 0; i < n; i++) { v[i] = v[0]; n = 9; "
        "} }",
        "void kernel(int *v) { BODY int n = 3; for (int i = 0; i < 1 * n; i++) { v[i] = v[i]; n++; "
        "} }",
        "void kernel(int *v) { BODY int n = 0; for (int i = 2; i >= n; i--) "
        "{ v[i] = v[i]; if (v[0] < v[1]) n = -9; } }",
        "void kernel(int *v) { BODY if (v[0] == v[1]) v[2] = v[1]; }",
        "void kernel(int *v) { BODY v[1] = v[1] == v[2] ? v[0] : v[1]; }",
        "void kernel(int *v) { int t[3] = {v[0], v[1]}; BODY v[2] = t[2]; }",
    ],
)
def test_a_kernel_that_sorts_and_does_more_is_refused(text):
    assert isinstance(verify_sorting(text.replace("BODY", THREE_IN_C), 3), Invalid)


UINT64 = Signature((Parameter("uint64_t"), Parameter("uint64_t")), "uint64_t")
MIX = """
const uint64_t KEYS[3] = {0x9E3779B97F4A7C15, 5, 7};
static uint64_t mix(uint64_t x, int by) { x ^= x >> (by & 31); x *= KEYS[0]; return x ^ (x >> 29); }
uint64_t kernel(uint64_t a, uint64_t b) {
    uint64_t s = -a + b % 1000u;
    int small = -7;
    for (int i = 0; i < 3; i++) {
        if (s & 1) { s = mix(s ^ KEYS[i], 20 + i); } else s += (uint64_t)(small / 2) * (i + 1);
        small = small >> 1;
    }
    return s ^ (uint64_t)(small % 3);
}
"""


def mix_in_python(a, b):
    word = 2**64

    def mix(x, by):
        x ^= x >> by
        x = x * 0x9E3779B97F4A7C15 % word
        return x ^ (x >> 29)

    s, small = (-a + b % 1000) % word, -7
    for i, key in enumerate((0x9E3779B97F4A7C15, 5, 7)):
        half = -(-small // 2) if small < 0 else small // 2
        s = mix(s ^ key, 20 + i) if s & 1 else (s + half * (i + 1)) % word
        small >>= 1
    return s ^ ((small - 3 * (-(-small // 3))) % word)


@given(st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 2), min_size=1, max_size=5))
def test_checked_c_is_run_as_c_defines_it(pairs):
    kernel = parse(MIX, UINT64)
    assert not isinstance(kernel, Invalid), kernel
    columns = [np.array(column, dtype=np.uint64) for column in zip(*pairs, strict=True)]
    made, _ = run_c(kernel, columns)
    assert made.tolist() == [mix_in_python(a, b) for a, b in pairs]
