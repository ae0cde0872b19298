"""Kernels that cheat the clock, the inputs, the outputs or the baseline; and some that do not."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from evaluators import Invalid
from evaluators.kernel_c import parse
from evaluators.kernel_c_run import sorting
from evolve import SplitKind, timing
from evolve.evaluation import judge
from evolve.loading import BUILT_IN, load
from evolve.worker import open_sandbox
from islands_db.records import Status
from problems.hash_short import problem as hash_short
from problems.matmul_kernel import problem as matmul_kernel
from sandbox import CandidateFailure, SandboxError, compile_c, counting
from sandbox import timing as harness


@pytest.fixture(scope="module")
def sandbox():
    try:
        compile_c("int x;")
    except SandboxError as error:
        pytest.skip(str(error))
    with open_sandbox(load("sorting_speed:3")) as opened:
        yield opened


SORT = """
    int a = v[0] < v[1] ? v[0] : v[1], b = v[0] < v[1] ? v[1] : v[0], c = v[2];
    int m = b < c ? b : c, top = b < c ? c : b;
    v[0] = a < m ? a : m; v[1] = a < m ? m : a; v[2] = top;
"""
CHEATS = sorted(path.stem for path in (BUILT_IN / "sorting_speed" / "known_bad").glob("*.py"))


def test_there_are_at_least_twenty():
    assert len(CHEATS) >= 20


@pytest.mark.parametrize("name", CHEATS)
def test_a_kernel_that_cheats_is_caught(sandbox, name):
    task = load("sorting_speed:3")
    program = task.problem.read(f"known_bad/{name}.py")
    found = judge(task, sandbox, {"program.py": program}, split=SplitKind.TRAINING, seed=1)
    assert found.verdicts[-1].status is Status.INVALID, found.verdicts
    assert found.fitness is None


PROGRAMS = {
    "answers differently when asked again": (
        "asked = []\ndef kernel():\n    asked.append(1)\n"
        "    return 'void kernel(int *v) { }' if asked[1:] else None\n"
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
    "says almost nothing in two orders": (
        "t = [max(1, v // 50) if i % 3 == 0 and orders[i // 3] in (0, 1) else v "
        "for i, v in enumerate(t)]"
    ),
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


def test_a_process_that_lies_where_no_check_has_been_for_long_wins_nothing(
    sandbox, tmp_path, monkeypatch
):
    # half of the first rounds are checked: it is honest in those, and keeps the race from ending
    text = harness._CHILD.read_text(encoding="utf-8") + inspect.cleandoc(
        """

        _honest, _rounds, _noise = measure, [], random.Random(5)


        def measure(*arguments):
            t, orders, outputs = _honest(*arguments)
            _rounds.append(0)
            parts = (0.3, 1, 1) if len(_rounds) > 18 else (1, 1, _noise.choice((0.95, 1.05)))
            return [max(1, int(v * parts[i % 3])) for i, v in enumerate(t)], orders, outputs
        """
    )
    child = tmp_path / "timed.py"
    child.write_text(text, encoding="utf-8")
    monkeypatch.setattr(harness, "_CHILD", child)
    kernel = f"void kernel(int *v) {{ {SORT} }}"
    with pytest.raises((timing.CannotJudge, CandidateFailure)):
        raced(kernel, kernel, seconds=1.5, tries=1)


def test_a_clock_that_stands_still_accuses_nobody(sandbox, tmp_path, monkeypatch):
    # what a host took away, a virtual machine takes off the time that is used next
    text = harness._CHILD.read_text(encoding="utf-8") + inspect.cleandoc(
        """

        class Stolen:
            at, asked = 0, 0

            def thread_time_ns(self):
                self.asked += 1
                if self.asked % 41:
                    self.at = _time.thread_time_ns()
                return self.at


        _time, time = time, Stolen()
        """
    )
    child = tmp_path / "timed.py"
    child.write_text(text, encoding="utf-8")
    monkeypatch.setattr(harness, "_CHILD", child)
    try:
        found = raced(f"void kernel(int *v) {{ {SORT} }}", seconds=0.3, tries=3)
    except timing.CannotJudge:
        return
    assert found.comparison.decision is timing.Decision.ALIKE


def test_a_process_that_slows_the_baseline_wins_nothing(sandbox, tmp_path, monkeypatch):
    # every clock agrees, for the baseline really takes twice as long
    text = harness._CHILD.read_text(encoding="utf-8") + inspect.cleandoc(
        """

        _run = Bench.run


        def run(self, which, repeats):
            return _run(self, which, repeats if which == 0 else 2 * repeats)


        Bench.run = run
        """
    )
    child = tmp_path / "timed.py"
    child.write_text(text, encoding="utf-8")
    honest = harness._CHILD
    kernel = f"void kernel(int *v) {{ {SORT} }}"

    class Taken(timing.Timer):
        def __init__(self, candidate, baseline, *rest, **more):
            taken = candidate != baseline
            monkeypatch.setattr(harness, "_CHILD", child if taken else honest)
            super().__init__(candidate, baseline, *rest, **more)

    monkeypatch.setattr(timing, "Timer", Taken)
    with pytest.raises(timing.CannotJudge):
        raced(kernel.replace("top", "t"), kernel, seconds=0.3, tries=1)


def raced(source, baseline=f"void kernel(int *v) {{ {SORT} }}", **more):
    folder = BUILT_IN / "sorting_speed"
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


FILLS_GAPS = """
void kernel(const float *a, const float *b, float *c) {
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            float sum = 0.0f;
            for (int k = 0; k < 16; k++) sum += a[16 * i + k] * b[16 * k + j];
            if (c[16 * i + j] == c[16 * i + j]) sum = 0.0f;
            c[16 * i + j] = sum;
        }
}
"""
"""Right only where each entry of c is not a number when it starts."""


def test_a_product_left_from_before_is_gone_when_a_kernel_starts(sandbox):
    try:
        found = timing.race(
            parse(FILLS_GAPS, matmul_kernel.SIGNATURE).source,
            parse(matmul_kernel._BASELINE, matmul_kernel.SIGNATURE).source,
            matmul_kernel._LOOP, draw=matmul_kernel.draw, verify=matmul_kernel.fault,
            seconds=0.2, tries=1,
        )  # fmt: skip
    except timing.CannotJudge:
        return
    assert not isinstance(found, Invalid), found


def test_what_a_process_did_is_counted_from_outside(sandbox, monkeypatch):
    # every kernel counts nanoseconds as it does instructions, so that the way is tried anywhere
    monkeypatch.setattr(harness, "INSTRUCTIONS", counting.TASK_CLOCK)
    try:
        found = raced(SLOW, seconds=0.2, tries=2)
    except timing.CannotJudge:
        return
    word = found.machine.rpartition("instruction counter ")[2]
    if word in ("forbidden", "unsupported"):
        pytest.skip(f"counters are {word} here")
    assert word == "counted"
    for counted, ns in zip(
        found.instructions, (found.candidate_ns, found.baseline_ns), strict=True
    ):
        assert ns / 3 < counted < ns * 3
    assert {"instructions", "baseline_instructions"} < set(found.metrics)


def test_a_machine_without_a_counter_says_so_in_one_word(sandbox, monkeypatch):
    monkeypatch.setattr(harness, "INSTRUCTIONS", (0, 99))  # no kernel knows that one
    try:
        found = raced(SLOW, seconds=0.2, tries=2)
    except timing.CannotJudge:
        return
    assert found.instructions is None
    assert "instructions" not in found.metrics
    word = found.machine.rpartition("instruction counter ")[2]
    assert word in ("absent", "forbidden", "unsupported", "refused")


def test_blas_stands_beside_a_kernel_of_matrices():
    inputs = matmul_kernel.draw(np.random.default_rng(1))
    # between a multiply-add a cycle of a fast core and the interpreter's own speed
    assert 1 < matmul_kernel.blas_nanoseconds(inputs) < 100_000


HASHES = sorted(path.stem for path in (BUILT_IN / "hash_short" / "known_bad").glob("*.py"))


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_that_is_not_good_everywhere_is_caught(sandbox, name):
    task = load("hash_short")
    program = task.problem.read(f"known_bad/{name}.py")
    found = judge(task, sandbox, {"program.py": program}, split=SplitKind.TRAINING, seed=1)
    assert found.verdicts[-1].status is Status.INVALID, found.verdicts


def test_timed_keys_look_like_those_of_the_tests():
    items = np.frombuffer(hash_short._draw(np.random.default_rng(1)), dtype="<u8").reshape(-1, 3)
    for first, last, length in items.tolist():
        overlap = 16 - length
        assert first.to_bytes(8, "little")[8 - overlap :] == last.to_bytes(8, "little")[:overlap]


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


def test_a_listing_of_the_seed_is_counted(sandbox):
    # written out, so it needs none of what other programs of its problem import
    task = load("sorting_kernels:4")
    program = task.problem.read("seed_listing_4.py")
    found = judge(task, sandbox, {"program.py": program}, split=SplitKind.TRAINING, seed=1)
    assert found.verdicts[-1].values["instructions"] == 24


def test_no_core_to_pin_is_said_in_one_line(monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(harness.os, "sched_setaffinity", refuse)
    with pytest.raises(SandboxError, match="does not let it choose one"), harness.pinned():
        pass


def test_inputs_hold_ties_and_outputs_are_compared_as_a_whole():
    rng = np.random.default_rng(1)
    folder = BUILT_IN / "sorting_speed"
    calling: dict[str, object] = {}
    exec((folder / "calling.py").read_text(encoding="utf-8"), calling)
    inputs = calling["draw"](rng, 3)
    items = np.frombuffer(inputs, dtype=np.int32).reshape(-1, 3)
    assert (items[:, 0] == items[:, 1]).any()
    assert calling["fault"](inputs, np.sort(items, axis=1).tobytes(), 3) == ""
    wrong = np.sort(items, axis=1)
    wrong[-1, 2] += 1
    assert "which is not sorted" in calling["fault"](inputs, wrong.tobytes(), 3)
