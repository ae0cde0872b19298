"""A driven candidate shares its caller's core, and only while it is driven."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from sandbox import CandidateFailure, Sandbox

WHERE = {
    "program.py": """
import os

def where():
    return sorted(os.sched_getaffinity(0))

def leave():
    os._exit(3)
"""
}
MANY = 40


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@pytest.fixture
def cores() -> set[int]:
    found = os.sched_getaffinity(0)
    if len(found) < 2:
        pytest.skip("one core only")
    return found


def test_both_are_on_one_core_while_it_is_driven(box: Sandbox, cores: set[int]) -> None:
    with box.open(WHERE, entry="program.py") as candidate:
        assert set(candidate.call("where")) == cores
        for _ in range(MANY):
            shared = candidate.call("where")
        assert len(shared) == 1
        assert set(shared) == os.sched_getaffinity(0)
        with box.open(WHERE, entry="program.py") as other:
            assert set(other.call("where")) == cores
    assert os.sched_getaffinity(0) == cores
    with box.open(WHERE, entry="program.py") as candidate:
        for _ in range(3):
            assert set(candidate.call("where")) == cores
    assert os.sched_getaffinity(0) == cores


def test_the_caller_is_free_again_after_a_crash_and_from_another_thread(
    box: Sandbox, cores: set[int]
) -> None:
    candidate = box.open(WHERE, entry="program.py")
    for _ in range(MANY):
        candidate.call("where")
    with pytest.raises(CandidateFailure):
        candidate.call("leave")
    assert os.sched_getaffinity(0) == cores
    candidate = box.open(WHERE, entry="program.py")
    for _ in range(MANY):
        candidate.call("where")
    closing = threading.Thread(target=candidate.close)
    closing.start()
    closing.join()
    assert os.sched_getaffinity(0) == cores
