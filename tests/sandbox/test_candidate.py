"""What a caller sees of an honest candidate, and of one that fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from sandbox import (
    Candidate,
    CandidateFailure,
    CodecError,
    FailureKind,
    Limits,
    Sandbox,
    SandboxError,
    Tier,
)

Opener = Callable[..., Candidate]


def failure(candidate: Candidate, name: str = "f", *args: object) -> CandidateFailure:
    with pytest.raises(CandidateFailure) as caught:
        candidate.call(name, *args)
    return caught.value


def test_a_call_takes_and_gives_plain_data(sandbox: Sandbox) -> None:
    source = "def f(*args):\n    return args\n"
    data = (None, True, -(2**70), 1.5, 2j, "é", b"\0", [1], (2,), {"k": (1, 2)}, Fraction(1, 3))
    with sandbox.open({"p.py": source}, entry="p.py") as candidate:
        assert candidate.call("f", *data) == data
        back = candidate.call("f", np.arange(6.0).reshape(2, 3))
        assert np.array_equal(back[0], np.arange(6.0).reshape(2, 3))  # type: ignore[index]


def test_equal_parts_of_arguments_stay_apart(program: Opener) -> None:
    candidate = program("def f(a, b):\n    a.append(2)\n    return a, b, a is b\n")
    part: list[object] = [1]
    assert candidate.call("f", part, part) == ([1, 2], [1], False)


def test_state_lives_as_long_as_the_candidate_and_no_longer(program: Opener) -> None:
    source = "n = 0\ndef f():\n    global n\n    n += 1\n    return n\n"
    first, second = program(source), program(source)
    assert [first.call("f"), first.call("f"), second.call("f"), first.call("f")] == [1, 2, 1, 3]


def test_other_files_can_be_imported_and_packages_too(program: Opener) -> None:
    candidate = program(
        "import part, pack.inner\nfrom pack import here\n"
        "def f():\n    return part.x, pack.inner.y, here\n",
        files={"part.py": "x = 1", "pack/__init__.py": "here = 3", "pack/inner.py": "y = 2"},
    )
    assert candidate.call("f") == (1, 2, 3)


def test_the_entry_is_a_module_and_not_the_main_program(program: Opener) -> None:
    source = "import sys\ndef f():\n    return __name__, __file__, sys.modules[__name__].f is f\n"
    assert program(source).call("f") == ("program", "program.py", True)


def test_a_driver_runs_beside_the_candidate(program: Opener) -> None:
    driver = "def pack(module, items):\n    return [module.priority(i) for i in items]\n"
    candidate = program("def priority(x):\n    return -x\n", driver=driver)
    assert candidate.drive("pack", [1, 2]) == [-1, -2]
    with pytest.raises(CandidateFailure, match="the driver defines no function 'other'"):
        candidate.drive("other")


def test_an_exception_is_named_with_its_place_and_the_candidate_lives_on(program: Opener) -> None:
    candidate = program("def f(x):\n    y = 0\n    return x / y\ndef g():\n    return 1\n")
    error = failure(candidate, "f", 1)
    assert error.kind is FailureKind.CRASH
    assert error.reason == "ZeroDivisionError: division by zero (program.py:3)"
    assert candidate.call("g") == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax (program.py:1)"),
        ("x = 1\n", "AttributeError: program.py defines no function 'f'"),
        ("f = 3\n", "AttributeError: program.py defines no function 'f'"),
        ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere' (program.py:1)"),
        ("def f():\n    raise KeyError\n", "KeyError (program.py:2)"),
        ("def f():\n    exit(3)\n", "NameError: name 'exit' is not defined (program.py:2)"),
        ("import sys\ndef f():\n    sys.exit(3)\n", "SystemExit: 3 (program.py:3)"),
    ],
)
def test_reasons_read_well(program: Opener, source: str, reason: str) -> None:
    assert failure(program(source)).reason == reason


def test_a_reason_is_one_short_line_without_control_characters(program: Opener) -> None:
    reason = failure(program("def f():\n    raise ValueError('\\x1b[2J\\n\\r' * 9999)\n")).reason
    assert len(reason) < 1500
    assert reason.isprintable()


def test_what_it_prints_is_kept_from_the_end(program: Opener) -> None:
    source = (
        "import sys\ndef f():\n    print('a' * 100000)\n"
        "    print('last\\x1b[0m', file=sys.stderr)\n"
    )
    candidate = program(source, stderr_bytes=100)
    candidate.call("f")
    candidate.close()
    assert candidate.stderr.endswith("a\nlast\\x1b[0m\n")
    assert len(candidate.stderr) < 120


def test_what_a_failing_candidate_printed_comes_with_the_failure(program: Opener) -> None:
    assert "before" in failure(program("def f():\n    print('before')\n    1/0\n")).stderr
    killed = failure(program("def f():\n    print('before')\n    while 1: pass\n", wall_s=0.3))
    assert "before" in killed.stderr


def test_the_wall_limit_covers_the_whole_life(program: Opener) -> None:
    candidate = program("import time\ndef f():\n    time.sleep(0.2)\n", wall_s=0.5)
    start = time.perf_counter()
    candidate.call("f")
    candidate.call("f")
    assert failure(candidate).reason == "no answer within 0.5 s"
    assert 0.5 <= time.perf_counter() - start < 20
    assert failure(candidate).kind is FailureKind.TIMEOUT


def test_a_failed_candidate_goes_on_failing_the_same_way(program: Opener) -> None:
    candidate = program("import os\ndef f():\n    os._exit(3)\ndef g():\n    return 1\n")
    assert failure(candidate).reason == "ended by itself with exit code 3"
    assert failure(candidate, "g").reason == "ended by itself with exit code 3"


def test_memory_is_bounded_beyond_what_the_interpreter_has(program: Opener) -> None:
    source = "def f(n):\n    return len(bytearray(n << 20))\n"
    assert program(source, memory_bytes=128 << 20).call("f", 100) == 100 << 20
    assert failure(program(source, memory_bytes=128 << 20), "f", 140).kind is FailureKind.MEMORY


def test_arguments_that_are_no_data_are_the_callers_mistake(program: Opener) -> None:
    with pytest.raises(CodecError):
        program("def f(x):\n    pass\n").call("f", object())


@pytest.mark.parametrize(
    "argument", ["\ud800", ["\ud800"], "\ud800" * 5000, 1 << 700_000, [1 << 700_000, {}]],
    ids=["short text", "in a list", "long text", "integer", "integer beside a dict"],
)  # fmt: skip
def test_what_is_no_data_is_none_by_the_short_way_either(program: Opener, argument: object) -> None:
    with pytest.raises(CodecError, match=r"surrogate|an integer of 87501 bytes"):
        program("def f(x): return 0\n").call("f", argument)


def test_nothing_printed_is_kept_where_nothing_is_to_be(program: Opener) -> None:
    candidate = program("def f():\n    print('x' * 100_000)\n    return 0\n", stderr_bytes=0)
    assert candidate.call("f") == 0
    candidate.close()
    assert candidate.stderr == ""


def test_a_second_call_finds_room_where_the_first_left_none(sandbox: Sandbox) -> None:
    source = """
import mmap
kept = []
def f():
    size = 1 << 26
    while size >= 4096:
        try:
            while True: kept.append(mmap.mmap(-1, size))
        except (OSError, MemoryError):
            size //= 2
    return 0
def g(text): return len(text)
"""
    limits = Limits(memory_bytes=64 << 20)
    with sandbox.open({"p.py": source}, entry="p.py", limits=limits) as candidate:
        assert candidate.call("f") == 0
        assert candidate.call("g", "x" * 1000) == 1000


def test_large_arguments_and_answers_cross(program: Opener) -> None:
    data = os.urandom(10 << 20)
    assert program("def f(x):\n    return x\n").call("f", data) == data


def test_large_arguments_to_a_candidate_that_does_not_read(program: Opener) -> None:
    candidate = program("while True: pass\n", wall_s=0.3)
    assert failure(candidate, "f", bytes(10 << 20)).kind is FailureKind.TIMEOUT


def test_usage_is_measured_from_outside(program: Opener) -> None:
    source = (
        "import time\ndef f():\n    x = bytearray(64 << 20)\n"
        "    end = time.process_time() + 0.1\n    while time.process_time() < end: pass\n"
    )
    candidate = program(source)
    candidate.call("f")
    candidate.close()
    assert 0.09 < candidate.usage.cpu_s < 1
    assert candidate.usage.wall_s >= 0.1
    assert candidate.usage.memory_bytes > 64 << 20


def test_unseeded_randomness_and_sets_of_text_are_the_same_every_time(sandbox: Sandbox) -> None:
    source = (
        "import random\nimport numpy\n"
        "def f():\n    return random.random(), numpy.random.random(), list({'a', 'b', 'c', 'd'})\n"
    )
    seen = []
    for _ in range(2):
        with Sandbox(requires=["numpy"], preload=["numpy"], tier=sandbox.tier) as other:
            for box in (sandbox, other):
                with box.open({"p.py": source}, entry="p.py") as candidate:
                    seen.append(repr(candidate.call("f")))
    assert len(set(seen)) == 1


def test_scratch_is_there_in_tier_a_and_limited(sandbox: Sandbox) -> None:
    source = (
        "import tempfile\ndef f(n):\n    with tempfile.TemporaryFile() as file:\n"
        "        return file.write(bytes(n))\n"
    )
    with sandbox.open(
        {"p.py": source}, entry="p.py", limits=Limits(tmp_bytes=1 << 20)
    ) as candidate:
        if sandbox.tier is Tier.B:
            assert failure(candidate, "f", 1).kind is FailureKind.CRASH
        else:
            assert candidate.call("f", 1 << 19) == 1 << 19
            assert "File too large" in failure(candidate, "f", 1 << 21).reason


def test_threads_work(program: Opener) -> None:
    source = (
        "from concurrent.futures import ThreadPoolExecutor\ndef f():\n"
        "    with ThreadPoolExecutor(4) as pool:\n        return list(pool.map(abs, [-1, -2]))\n"
    )
    assert program(source).call("f") == [1, 2]


def test_a_closed_candidate_says_so(program: Opener) -> None:
    candidate = program("def f():\n    return 1\n")
    candidate.close()
    candidate.close()
    with pytest.raises(SandboxError, match="closed"):
        candidate.call("f")


@pytest.mark.parametrize(
    ("files", "entry"),
    [
        ({"p.py": ""}, "q.py"),
        ({"/p.py": ""}, "/p.py"),
        ({"../p.py": ""}, "../p.py"),
        ({"p": ""}, "p"),
    ],
)
def test_a_program_is_a_set_of_relative_paths(
    best_sandbox: Sandbox, files: dict[str, str], entry: str
) -> None:
    with pytest.raises(ValueError, match=r"relative path|entry"):
        best_sandbox.open(files, entry=entry)
