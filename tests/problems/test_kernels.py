"""Kernels that cheat the clock, the inputs, the outputs or the baseline; and some that do not."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from evaluators import Invalid
from evaluators.kernel_c import parse
from evaluators.kernel_c_run import sorting
from evolve import SplitKind, timing
from evolve.evaluation import judge
from evolve.loading import load
from evolve.worker import open_sandbox
from islands_db.records import Status
from sandbox import CandidateFailure, SandboxError, compile_c
from sandbox import timing as harness


@pytest.fixture(scope="module")
def sandbox():
    try:
        compile_c("int x;")
    except SandboxError as error:
        pytest.skip(str(error))
    with open_sandbox(load("sorting_speed:3")) as opened:
        yield opened


def c_program(source):
    return f"def kernel():\n    return {source!r}\n"


SORT = """
    int a = v[0] < v[1] ? v[0] : v[1], b = v[0] < v[1] ? v[1] : v[0], c = v[2];
    int m = b < c ? b : c, top = b < c ? c : b;
    v[0] = a < m ? a : m; v[1] = a < m ? m : a; v[2] = top;
"""
CHEATS = {
    # the clock
    "reads the clock": "#include <time.h>\nvoid kernel(int *v) { clock(); }",
    "reads the counter": "void kernel(int *v) { __builtin_ia32_rdtsc(); }",
    "writes assembly": 'void kernel(int *v) { __asm__("rdtsc"); }',
    "brings another clock": "long perf_counter_ns(void) { return 0; } void kernel(int *v) {}",
    "includes a file": '#include "/etc/passwd"\nvoid kernel(int *v) {}',
    # the inputs
    "nothing for an answer": "void kernel(int *v) { }",
    "assumes permutations": f"void kernel(int *v) {{ if (v[0] == v[1]) v[2] = v[0]; {SORT} }}",
    "assumes small values": f"void kernel(int *v) {{ if (v[0] < 1000) {{ {SORT} }} }}",
    "sorts what it saw": "void kernel(int *v) { v[0] = 1; v[1] = 2; v[2] = 3; }",
    "makes all equal": "void kernel(int *v) { v[1] = v[0]; v[2] = v[0]; }",
    "looks at the next item": "void kernel(int *v) { v[0] = v[3]; }",
    # the outputs
    "remembers the first call": "static int done[1] = {0};\nvoid kernel(int *v) { done[0] = 1; }",
    "remembers in a table": "const int t[1] = {0};\nvoid kernel(int *v) { t[0] = 1; }",
    "keeps the address": "int *p;\nvoid kernel(int *v) { p = v; }",
    "writes before the array": "void kernel(int *v) { v[-1] = v[0]; }",
    "writes by arithmetic": "void kernel(int *v) { *(v + 9) = v[0]; }",
    # the baseline
    "defines the loop": f"void loop(void) {{ }} void kernel(int *v) {{ {SORT} v[0] = v[1]; }}",
    "jumps elsewhere": "void kernel(int *v) { ((void (*)(void))0x1000)(); }",
    "calls the baseline": "void baseline(int *v);\nvoid kernel(int *v) { baseline(v); }",
    "slows what comes after": "void kernel(int *v) { for (int i = 0; i < 99999999; i++) ; }",
    "hides in an attribute": "__attribute__((constructor)) void kernel(int *v) { }",
    "hides in a continued line": "void kernel(int *v) { // \\\n }\nint x; }",
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_kernel_that_cheats_is_caught(sandbox, name):
    task = load("sorting_speed:3")
    found = judge(task, sandbox, {"program.py": c_program(CHEATS[name])},
                  split=SplitKind.TRAINING, seed=1)  # fmt: skip
    assert found.verdicts[-1].status is Status.INVALID, found.verdicts
    assert found.fitness is None


PROGRAMS = {
    "answers differently when asked again": (
        "asked = []\ndef kernel():\n    asked.append(1)\n"
        f"    return {CHEATS['nothing for an answer']!r} if asked[1:] else None\n"
    ),
    "sends an object": "def kernel():\n    class S(str):\n        pass\n    return S('x')\n",
    "stops the clock here": (
        "import time\ntime.perf_counter_ns = time.thread_time_ns = lambda: 0\n"
        "def kernel():\n    return 'void kernel(int *v) { }'\n"
    ),
    "looks for the harness": (
        "import sandbox.timing as t\nt.BLOCK_NS = 1\ndef kernel():\n    return ''\n"
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_cheats_is_caught(sandbox, name):
    task = load("sorting_speed:3")
    found = judge(task, sandbox, {"program.py": PROGRAMS[name]}, split=SplitKind.TRAINING, seed=1)
    assert found.verdicts[-1].status in (Status.INVALID, Status.CRASH, Status.VIOLATION)


# a process that was taken over: what the checks of C keep from happening

TAKEN = {
    "halves its times": "t = [v // 2 if i % 3 == 0 else v for i, v in enumerate(t)]",
    "says almost nothing": "t = [1 if i % 3 == 0 else v for i, v in enumerate(t)]",
    "slows the others": "t = [v if i % 3 == 0 else v * 2 for i, v in enumerate(t)]",
    "sends fewer times": "t = t[3:]",
    "sends no integers": "t = [float(v) for v in t]",
    "sends negative times": "t = [-v for v in t]",
    "sends one order only": "orders = [0] * len(orders)",
    "keeps the outputs": "outputs = [b'' for _ in outputs]",
    "sends zeros": "outputs = [bytes(len(o)) for o in outputs]",
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_process_that_was_taken_over_wins_nothing(sandbox, name, tmp_path, monkeypatch):
    text = harness._CHILD.read_text(encoding="utf-8") + inspect.cleandoc(
        f"""

        _honest, _steady = measure, steady


        def measure(*arguments):
            t, orders, outputs = _honest(*arguments)
            {TAKEN[name]}
            return t, orders, outputs


        def steady(which, repeats):
            found = _steady(which, repeats)
            return found // 2 if which == 0 and {name == "halves its times"} else found
        """
    )
    child = tmp_path / "timed.py"
    child.write_text(text, encoding="utf-8")
    monkeypatch.setattr(harness, "_CHILD", child)
    source = f"void kernel(int *v) {{ {SORT} }}"
    try:
        found = raced(source, seconds=0.3, tries=1)
    except (CandidateFailure, timing.CannotJudge):
        return
    assert isinstance(found, Invalid)


def raced(source, baseline=f"void kernel(int *v) {{ {SORT} }}", **more):
    folder = Path(load("sorting_speed").problem.folder)
    calling: dict[str, object] = {}
    text = (folder / "calling.py").read_text(encoding="utf-8")
    exec(compile(text, "calling.py", "exec"), calling)
    kernels = [parse(text, sorting(3), moved=True).source for text in (source, baseline)]
    return timing.race(
        *kernels,
        calling["loop"](3),
        draw=lambda rng: calling["draw"](rng, 3),
        verify=lambda inputs, outputs: calling["fault"](inputs, outputs, 3),
        **more,
    )


SLOW = """
void kernel(int *v) {
    int t[3] = {v[0], v[1], v[2]};
    for (int r = 0; r < 4; r++)
        for (int i = 0; i < 2; i++)
            if (t[i + 1] < t[i]) { int x = t[i]; t[i] = t[i + 1]; t[i + 1] = x; }
    v[0] = t[0]; v[1] = t[1]; v[2] = t[2];
}
"""


@pytest.mark.slow
def test_a_slower_kernel_is_called_slower_and_never_faster(sandbox):
    try:
        found = raced(SLOW, seconds=1.0)
    except timing.CannotJudge:
        pytest.skip("the machine is too restless")
    assert found.comparison.decision is timing.Decision.SLOWER
    assert found.comparison.ratio > 1.05
    assert found.candidate_ns > found.baseline_ns > 0.2
    assert "gcc" in found.machine


def test_a_listing_of_the_seed_is_counted():
    task = load("sorting_kernels:4")
    with open_sandbox(task) as opened:
        program = task.problem.read("seed_listing_4.py")
        found = judge(task, opened, {"program.py": program}, split=SplitKind.TRAINING, seed=1)
    assert found.verdicts[-1].values["instructions"] == 24


def test_no_core_to_pin_is_said_in_one_line(monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(harness.os, "sched_setaffinity", refuse)
    with pytest.raises(SandboxError, match="does not let it choose one"), harness.pinned():
        pass


def test_inputs_hold_ties_and_outputs_are_compared_as_a_whole():
    rng = np.random.default_rng(1)
    folder = Path(load("sorting_speed").problem.folder)
    calling: dict[str, object] = {}
    exec((folder / "calling.py").read_text(encoding="utf-8"), calling)
    inputs = calling["draw"](rng, 3)
    items = np.frombuffer(inputs, dtype=np.int32).reshape(-1, 3)
    assert (items[:, 0] == items[:, 1]).any()
    assert calling["fault"](inputs, np.sort(items, axis=1).tobytes(), 3) == ""
    wrong = np.sort(items, axis=1)
    wrong[-1, 2] += 1
    assert "which is not sorted" in calling["fault"](inputs, wrong.tobytes(), 3)
