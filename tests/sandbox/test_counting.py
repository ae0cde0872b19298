"""Counters of another process: what they give, and what is said where there is none."""

from __future__ import annotations

import errno
import subprocess
import sys
import time

import pytest

from sandbox import counting
from sandbox.counting import INSTRUCTIONS, TASK_CLOCK, Count, Counter, count

WORKS = "for _ in range(3): input(); sum(range(2_000_000)); print(flush=True)"


@pytest.fixture
def worker():
    with subprocess.Popen(
        [sys.executable, "-c", WORKS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


def works(process):
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()


def cpu_ns(pid):
    return time.clock_gettime_ns((~pid << 3) | 2)


def test_the_time_another_process_used_is_counted(worker):
    works(worker)
    counter = count(worker.pid, TASK_CLOCK)
    if isinstance(counter, str):
        pytest.skip(f"counters are {counter} here")
    with counter:
        for _ in range(20):
            before, used = counter.read(), cpu_ns(worker.pid)
            works(worker)
            found, used = counter.read() - before, cpu_ns(worker.pid) - used
            if found.events == pytest.approx(used, rel=0.2):
                break  # what a host took away meanwhile is in one of the two only
        assert found.events == pytest.approx(used, rel=0.2)
        assert found.covers(used, 0.2)
        assert not found.covers(2 * used, 0.2)


def test_the_same_work_takes_the_same_instructions(worker):
    counter = count(worker.pid, INSTRUCTIONS)
    if isinstance(counter, str):
        assert counter in ("absent", "forbidden", "unsupported", "occupied", "refused")
        pytest.skip(f"instruction counter {counter}")
    with counter:
        works(worker)
        found = []
        for _ in range(2):
            before = counter.read()
            works(worker)
            found.append((counter.read() - before).events)
        assert found[0] > 2_000_000
        assert found[0] == pytest.approx(found[1], rel=0.01)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOENT, "absent"),
        (errno.EOPNOTSUPP, "absent"),
        (errno.EACCES, "forbidden"),
        (errno.EPERM, "forbidden"),
        (errno.ENOSYS, "unsupported"),
        (errno.EBUSY, "occupied"),
        (errno.EINVAL, "refused"),
    ],
)
def test_why_there_is_none_is_one_word(number, word):
    assert counting.word_for(number) == word


def test_a_process_that_is_not_there_has_none():
    assert not isinstance(count(2**22 - 1, TASK_CLOCK), Counter)


@pytest.mark.parametrize(
    "found",
    [Count(9, 100, 60), Count(9, 50, 50), Count(0, 0, 0)],
    ids=["shared", "stopped", "never ran"],
)
def test_a_count_with_gaps_is_none(found):
    assert not found.covers(100, 0.15)
