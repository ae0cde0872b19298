"""Large messages: through sealed memory of the worker's, without copies, and without it as well."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from sandbox import Candidate, CandidateFailure, CodecError, Limits, Sandbox, shared

Opener = Callable[..., Candidate]
LARGE = 1 << 20
ECHO = "def f(*x):\n    return x[0] if len(x) == 1 else x\n"


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def shared_maps() -> int:
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sum("memfd:message" in line for line in maps)


def test_a_large_array_lies_in_the_memory_it_came_in(sandbox: Sandbox) -> None:
    array = np.arange(LARGE, dtype="f8").reshape(4, -1)
    before, mapped = descriptors(), shared_maps()
    with sandbox.open({"p.py": ECHO}, entry="p.py") as candidate:
        back = candidate.call("f", array)
    assert isinstance(back, np.ndarray)
    assert np.array_equal(back, array)
    assert back.flags.writeable
    assert back.flags.aligned
    assert shared_maps() == mapped + 1
    assert descriptors() == before
    back[0, 0] = 7.0
    first = back[:1]
    del back
    assert first[0, 0] == 7.0
    del first
    gc.collect()
    assert shared_maps() == mapped


def test_several_large_parts_and_small_ones_cross_together(sandbox: Sandbox) -> None:
    parts = (
        np.ones((300, 300), dtype="?"), bytes(LARGE), [1, 2.5, "x"], np.arange(3),
        np.arange(LARGE, dtype="u1")[1:], "é" * LARGE, np.zeros((0, 5)),
    )  # fmt: skip
    with sandbox.open({"p.py": ECHO}, entry="p.py") as candidate:
        back = candidate.call("f", *parts)
    assert isinstance(back, tuple)
    for there, here in zip(parts, back, strict=True):
        assert type(there) is type(here)
        assert np.array_equal(there, here)  # type: ignore[arg-type]


def test_what_a_candidate_keeps_is_not_changed_by_the_next_call(sandbox: Sandbox) -> None:
    source = (
        "kept = []\ndef f(x):\n    x[0] += 1\n    kept.append(x)\n"
        "    return [float(k[0]) for k in kept]\n"
    )
    array = np.zeros(LARGE)
    with sandbox.open({"p.py": source}, entry="p.py") as candidate:
        for calls in range(1, 40):
            array[:] = calls
            assert candidate.call("f", array)[-3:] == [  # type: ignore[index]
                k + 1.0 for k in range(max(1, calls - 2), calls + 1)
            ]
            assert array[0] == calls


def test_what_the_worker_keeps_is_not_changed_by_the_next_call(sandbox: Sandbox) -> None:
    source = "import numpy\nx = numpy.zeros(1 << 18)\ndef f():\n    x[:] += 1\n    return x\n"
    with sandbox.open({"p.py": source}, entry="p.py") as candidate:
        kept = [candidate.call("f") for _ in range(5)]
    assert [float(array[-1]) for array in kept] == [1.0, 2.0, 3.0, 4.0, 5.0]  # type: ignore[index]


def test_beyond_what_may_be_lent_large_messages_still_cross(sandbox: Sandbox) -> None:
    data = os.urandom(5 * LARGE)
    limits = Limits(memory_bytes=48 << 20)  # what is lent counts against it
    with sandbox.open({"p.py": ECHO}, entry="p.py", limits=limits) as candidate:
        for _ in range(12):
            assert candidate.call("f", data) == data


def test_an_answer_larger_than_a_scratch_file_may_be(sandbox: Sandbox) -> None:
    limits = Limits(tmp_bytes=1 << 16, output_bytes=32 << 20)
    with sandbox.open({"p.py": ECHO}, entry="p.py", limits=limits) as candidate:
        assert candidate.call("f", bytes(30 << 20)) == bytes(30 << 20)


_SMALL_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from sandbox import Sandbox
with Sandbox() as sandbox:
    with sandbox.open({"p.py": "def f(x): return x"}, entry="p.py") as candidate:
        assert candidate.call("f", bytes(1 << 20)) == bytes(1 << 20)
"""


def test_where_no_file_may_be_large_they_go_the_other_way() -> None:
    subprocess.run([sys.executable, "-c", _SMALL_FILES], check=True, timeout=400)


@pytest.mark.parametrize("after", ["os._exit(3)", "raise KeyError", "while True: pass"])
def test_a_candidate_that_fails_with_lent_memory_leaves_nothing(
    sandbox: Sandbox, after: str
) -> None:
    source = f"import os\nkept = []\ndef f(x):\n    kept.append(x)\n    {after}\n"
    before, mapped = descriptors(), shared_maps()
    candidate = sandbox.open({"p.py": source}, entry="p.py", limits=Limits(wall_s=0.5))
    with candidate, pytest.raises(CandidateFailure):
        candidate.call("f", np.zeros(LARGE))
    for _ in range(1000):  # on a busy machine it may be dying; the next one reaps it
        if descriptors() == before:
            break
        with sandbox.open({"p.py": ECHO}, entry="p.py") as other:
            other.call("f", 1)
    assert descriptors() == before
    assert shared_maps() == mapped


def test_a_request_beyond_the_limit_is_one_clear_error(program: Opener) -> None:
    candidate = program(ECHO)
    flat = np.broadcast_to(np.zeros(1), (1 << 32,))
    part = bytes(64 << 20)
    for args in ((flat,), (1, flat), (part,) * 80, ([part] * 80,)):
        with pytest.raises(CodecError, match=r"[0-9]+ bytes, at most 1073741824 may cross"):
            candidate.call("f", *args)
    assert candidate.call("f", 5) == 5


def test_sealed_memory_cannot_be_changed_and_does_not_change_what_was_mapped() -> None:
    memory = shared.make(8192)
    try:
        shared.fill(memory, [b"ab", memoryview(b"c" * 8190)])
        shared.seal(memory)
        view = shared.mapped(memory, 8192)
        for change in (
            lambda: os.pwrite(memory, b"x", 0),
            lambda: os.ftruncate(memory, 4096),
            lambda: os.ftruncate(memory, 16384),
            lambda: shared.seal(memory),
        ):
            with pytest.raises(OSError, match=r"not permitted|Permission"):
                change()
        view[0] = 120
        assert os.pread(memory, 3, 0) == b"abc"
    finally:
        os.close(memory)
    assert bytes(view[:3]) == b"xbc"


def test_memory_that_cannot_be_had_leaves_no_descriptor() -> None:
    before = descriptors()
    with pytest.raises(OSError, match=r"."):
        shared.make(-1)
    assert descriptors() == before
