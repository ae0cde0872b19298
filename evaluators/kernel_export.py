"""Sorting kernels as files that a stranger can build, test and time without this project.

    python -m evaluators.kernel_export certificate.json FOLDER

writes kernel.c (x86-64 assembly inside, or the C that was found), test.c, bench.c, a Makefile, a
README and the certificate. The object is verified first; `make test bench` needs a C compiler.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from evaluators.kernel_c import parse as parse_c
from evaluators.kernel_c_run import sorting, verify_sorting
from evaluators.kernel_listings import Instruction, Operand, check, parse
from evaluators.results import Invalid

_FREE = ("eax", "ecx", "edx", "r8d", "r9d", "r10d", "r11d")
_KEPT = ("rbx", "rbp", "r12", "r13", "r14", "r15")
_LOW = {"rbx": "ebx", "rbp": "ebp", **{f"r{i}": f"r{i}d" for i in range(12, 16)}}


def assembly(
    listing: Sequence[Instruction], lengths: Sequence[int], interface: str
) -> str | Invalid:
    """C with the listing as x86-64 assembly: `void kernel(int *v)`, or `(int *v, int n)`.

    A listing of minimum and maximum alone uses vector registers, one of conditional moves the
    others; a processor has no cheap way between them, so a mixture is refused.
    """
    operations = {line.operation for line in listing}
    vector = bool(operations & {"min", "max"})
    if (
        vector
        and any(name == "cmp" or name.startswith("cmov") for name in operations)
        and any(
            line.operation == "cmp" and line.target and line.target.kind == "r" for line in listing
        )
    ):
        return Invalid("min and max beside comparisons of registers have no machine code")
    several = len(lengths) > 1
    used = sorted(
        {o.index for line in listing for o in (line.target, line.source) if o and o.kind == "r"}
        | (set(range(lengths[0])) if interface == "registers" else set())
    )
    if vector:
        names, saved = {index: f"xmm{index}" for index in used}, []
    else:
        free = [*_FREE, *([] if several else ["esi"])]
        saved = list(_KEPT[: max(0, len(used) - len(free))])
        pool = [*free, *(_LOW[name] for name in saved)]
        if len(used) > len(pool):
            return Invalid(f"{len(used)} registers, the processor has {len(pool)} to spare")
        names = dict(zip(used, pool, strict=False))
    lines = [f"push {name}" for name in saved]
    if interface == "registers":
        lines += [
            _move(f"{names[i]}", f"dword ptr [rdi+{4 * i}]", vector) for i in range(lengths[0])
        ]
    lines += [_line(line, names, vector) for line in listing]
    if interface == "registers":
        lines += [
            _move(f"dword ptr [rdi+{4 * i}]", f"{names[i]}", vector) for i in range(lengths[0])
        ]
    lines += [f"pop {name}" for name in reversed(saved)]
    text = "\n".join(f'    "{line}\\n"' for line in [*lines, "ret"])
    arguments = "int *v, int n" if several else "int *v"
    return (
        f"void kernel({arguments});\n"
        '__asm__(\n    ".intel_syntax noprefix\\n.text\\n.p2align 6\\n.globl kernel\\n"\n'
        f'    ".type kernel,@function\\nkernel:\\n"\n{text}\n'
        '    ".size kernel,.-kernel\\n.att_syntax\\n"\n);\n'
    )


def _move(target: str, source: str, vector: bool) -> str:
    if not vector:
        return f"mov {target}, {source}"
    if "[" in target or "[" in source:
        return f"movd {target}, {source}"
    return f"movdqa {target}, {source}"


def _line(line: Instruction, names: dict[int, str], vector: bool) -> str:
    if line.operation == "label":
        return f".Lkernel_{line.label}:"
    if line.label:
        return f"{line.operation} .Lkernel_{line.label}"

    def operand(part: Operand | None) -> str:
        assert part is not None
        match part.kind:
            case "r":
                return names[part.index]
            case "m":
                return f"dword ptr [rdi+{4 * part.index}]"
            case "n":
                return "esi"
        return str(part.index)

    target, source = operand(line.target), operand(line.source)
    if line.operation == "mov":
        return _move(target, source, vector)
    if line.operation in ("min", "max"):
        return f"p{line.operation}sd {target}, {source}"
    return f"{line.operation} {target}, {source}"


_TEST = """\
/* Every way in which the values can be less, equal or greater, and a million random inputs. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kernel(%(arguments)s);

static int compare(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void check(const int *v, int n) {
    int made[9], right[9];
    made[n] = right[n] = 0x5eed;
    memcpy(made, v, n * sizeof *v);
    memcpy(right, v, n * sizeof *v);
    kernel(made%(length)s);
    qsort(right, n, sizeof *right, compare);
    if (memcmp(made, right, (n + 1) * sizeof *made)) {
        printf("wrong for");
        for (int i = 0; i < n; i++) printf(" %%d", v[i]);
        printf("\\n");
        exit(1);
    }
}

int main(void) {
    static const int values[8] = {INT_MIN, -5, -1, 0, 1, 7, INT_MAX - 1, INT_MAX};
    for (int n = %(least)d; n <= %(most)d; n++) {
        int v[8], digits[8] = {0}, at = 0;
        while (at < n) {
            for (int i = 0; i < n; i++) v[i] = values[digits[i]];
            check(v, n);
            for (at = 0; at < n && ++digits[at] == n; at++) digits[at] = 0;
        }
        srand(1);
        for (long k = 0; k < 1000000; k++) {
            for (int i = 0; i < n; i++) v[i] = (int)((unsigned)rand() * 2654435761u);
            check(v, n);
        }
    }
    printf("sorts\\n");
    return 0;
}
"""
_BENCH = """\
/* Nanoseconds of a call with its loop, beside insertion sort: medians of interleaved runs. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void kernel(%(arguments)s);

enum { ITEMS = 1024, N = %(most)d, RUNS = 501, PASSES = 20 };

static __attribute__((noinline)) void insertion(int *v) {
    for (int i = 1; i < N; i++)
        for (int j = i; j > 0 && v[j] < v[j - 1]; j--) {
            int t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
}

static __attribute__((noinline)) void ours(int *v) { kernel(v%(fixed)s); }

static int in[ITEMS * N], out[ITEMS * N];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

#define TIMED(call) do { \\
    double began = now(); \\
    for (int pass = 0; pass < PASSES; pass++) { \\
        memcpy(out, in, sizeof in); \\
        for (int i = 0; i < ITEMS; i++) call(out + N * i); \\
    } \\
    took = (now() - began) / PASSES / ITEMS; \\
} while (0)

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void) {
    static double one[RUNS], other[RUNS];
    double took;
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < ITEMS * N; i++) in[i] = (int)((unsigned)rand() * 2654435761u);
        TIMED(ours);
        one[run] = took;
        TIMED(insertion);
        other[run] = took;
    }
    qsort(one, RUNS, sizeof *one, compare);
    qsort(other, RUNS, sizeof *other, compare);
    printf("kernel %%.2f ns, insertion sort %%.2f ns\\n", one[RUNS / 2], other[RUNS / 2]);
    return 0;
}
"""
_MAKE = """\
CFLAGS = -O3 -march=native -std=gnu17 -fwrapv

all: test bench

test: test.c kernel.c
\t$(CC) $(CFLAGS) -o test.out test.c kernel.c && ./test.out

bench: bench.c kernel.c
\t$(CC) $(CFLAGS) -o bench.out bench.c kernel.c && ./bench.out

.PHONY: all test bench
"""
_README = """\
# A sorting kernel

`kernel.c` defines `void kernel(%(arguments)s)`, which sorts %(values)s 32-bit integers in place:
%(what)s.

    make test     # every weak order, and a million random inputs
    make bench    # nanoseconds on this machine

It needs gcc on x86-64%(also)s. `certificate.json` holds the object and the claim; where it has
one, `evolve verify` proves it again.
"""


def files(artifact: object) -> dict[str, str] | Invalid:
    """The files by name, for a listing or C as problems keep them; not trusted."""
    if not isinstance(artifact, dict):
        return Invalid("expected an object with a listing or with C")
    if "listing" in artifact:
        result = check(artifact)
        listing = parse(artifact["listing"])
        if isinstance(result, Invalid) or isinstance(listing, Invalid):
            return result if isinstance(result, Invalid) else Invalid("no listing")
        lengths = artifact["lengths"]
        made = assembly(listing, lengths, str(artifact.get("interface", "registers")))
        if isinstance(made, Invalid):
            return made
        kernel, what = made, f"{result.value} instructions, loads and stores as certified"
    else:
        values = artifact.get("values")
        if type(values) is not int or not 1 <= values <= 8:
            return Invalid("values: expected 1 to 8")
        source = artifact.get("text", artifact.get("source"))
        proved = verify_sorting(source, values)
        if isinstance(proved, Invalid):
            return proved
        # the text made from the checked tree: what was given may read otherwise to a compiler
        checked = parse_c(source, sorting(values), moved=True)
        assert not isinstance(checked, Invalid)
        lengths, kernel, what = [values], f"#include <stdint.h>\n\n{checked.text}", "found as C"
    several = len(lengths) > 1
    fields = {
        "arguments": "int *v, int n" if several else "int *v",
        "length": ", n" if several else "",
        "fixed": ", N" if several else "",
        "least": min(lengths),
        "most": max(lengths),
        "values": f"{min(lengths)} to {max(lengths)}" if several else str(lengths[0]),
        "what": what,
        "also": " with SSE4.1" if "xmm" in kernel else "",
    }
    return {
        "kernel.c": kernel,
        "test.c": _TEST % fields,
        "bench.c": _BENCH % fields,
        "Makefile": _MAKE,
        "README.md": _README % fields,
    }


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m evaluators.kernel_export certificate.json FOLDER", file=sys.stderr)
        return 2
    certificate, folder = map(Path, arguments)
    try:
        text = certificate.read_text(encoding="utf-8")
        data = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        print(f"{certificate} cannot be read as JSON: {error}", file=sys.stderr)
        return 2
    made = files(data.get("artifact", data) if isinstance(data, dict) else data)
    if isinstance(made, Invalid):
        print(f"{certificate}: {made.reason}", file=sys.stderr)
        return 1
    try:
        folder.mkdir(parents=True, exist_ok=False)
    except OSError as error:
        print(f"{folder} cannot be made anew: {error}", file=sys.stderr)
        return 2
    for name, content in {**made, "certificate.json": text}.items():
        (folder / name).write_text(content, encoding="utf-8")
    print(f"wrote {', '.join(made)} to {folder}; next: make -C {folder} test bench")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
