"""Control groups: a bound on all of a sandbox, made where that is allowed, and gone with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import Limits, Sandbox
from sandbox.cgroups import Group, Place, places

QUICK = {"program.py": "def f(x=1):\n    return x\n"}


def folders_of(pid: int) -> set[str]:
    """Groups made by a process, wherever they are."""
    # groups of others come and go meanwhile, which os.walk bears
    return {
        os.path.join(folder, name)
        for folder, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith(f"evolve-{pid}-")
    }


Made = Callable[[], set[str]]


@pytest.fixture
def made() -> Iterator[Made]:
    """The groups a test made, all of which must be gone after it."""
    group = Group()
    group.close()
    if group.lacking:
        pytest.skip(f"no control groups here: {group.lacking}")
    before = folders_of(os.getpid())
    yield lambda: folders_of(os.getpid()) - before
    assert folders_of(os.getpid()) == before


def test_launcher_server_and_candidate_are_in_the_group(made: Made) -> None:
    with Sandbox() as sandbox, sandbox.open(QUICK, entry="program.py") as candidate:
        candidate.call("f")
        assert made()
        for folder in made():
            inside = {int(pid) for pid in Path(folder, "cgroup.procs").read_text().split()}
            assert len(inside) >= 3
            assert os.getpid() not in inside


def test_the_bound_on_memory_follows_the_candidates_that_live(made: Made) -> None:
    def bound() -> int:
        for folder in made():
            for name in ("memory.max", "memory.limit_in_bytes"):
                if Path(folder, name).exists():
                    return int(Path(folder, name).read_text())
        raise AssertionError("no bound")

    limits = Limits(memory_bytes=64 << 20, tmp_bytes=1 << 20)
    with Sandbox() as sandbox:
        with sandbox.open(QUICK, entry="program.py", limits=limits):
            one = bound()
            assert 64 << 20 < one < 512 << 20
        with sandbox.open(QUICK, entry="program.py", limits=limits):
            assert bound() == one
            with sandbox.open(QUICK, entry="program.py", limits=limits):
                assert bound() >= one + (65 << 20)


def test_many_processes_in_a_group_are_bounded_together(made: Made) -> None:
    group = Group()
    script = "read x\nn=0\nwhile [ $n -lt 400 ]; do sleep 30 & n=$((n + 1)); done 2>&1\n"
    with subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    ) as shell:  # fmt: skip
        group.add(shell.pid)
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(b"\n")
        shell.stdin.flush()
        assert b"fork" in shell.stdout.readline()
        os.killpg(shell.pid, signal.SIGKILL)
    group.close()


def test_more_memory_than_a_group_may_have_ends_who_takes_it(made: Made) -> None:
    group = Group()
    code = "input(); x = [bytearray(1 << 20) for _ in range(400)]"
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE) as taker:
        group.add(taker.pid)
        group.measure()
        group.allow(32 << 20, 1)
        taker.communicate(b"\n")
        assert taker.returncode == -signal.SIGKILL
    group.close()


_WORKER = """
import sys
from sandbox import Sandbox
sandbox = Sandbox()
print("ready", flush=True)
sys.stdin.read()
"""


def test_kill_9_of_the_worker_leaves_no_group(made: Made) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        assert folders_of(worker.pid)
        worker.kill()
    _wait_for_none(worker.pid)


def _wait_for_none(owner: int) -> None:
    end = time.monotonic() + 60
    while folders_of(owner):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_lives_on_in_a_group_without_an_owner_is_killed(made: Made) -> None:
    code = "from sandbox.cgroups import Group; import sys; g = Group(); g.add(int(sys.argv[1]))"
    with subprocess.Popen(["sleep", "600"]) as stays:
        owner = subprocess.Popen([sys.executable, "-c", code, str(stays.pid)])
        assert owner.wait() == 0
        assert stays.wait(60) == -signal.SIGKILL
    _wait_for_none(owner.pid)


def test_a_group_whose_owner_and_cleaner_were_killed_is_removed_by_the_next(made: Made) -> None:
    with Sandbox():
        folders = {Path(folder).parent for folder in made()}
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = [folder / f"evolve-{gone.pid}-00000000" for folder in folders]
    new = [folder / f"evolve-{gone.pid}-11111111" for folder in folders]
    for folder in [*left, *new]:
        folder.mkdir()
    for folder in left:
        os.utime(folder, (0, 0))
    try:
        with Sandbox():
            assert not any(folder.exists() for folder in left)
            assert all(folder.exists() for folder in new)
    finally:
        for folder in [*left, *new]:
            if folder.exists():
                folder.rmdir()


def test_a_replaced_server_is_in_the_same_group(made: Made) -> None:
    with Sandbox() as sandbox:
        before = made()
        sandbox._restart(sandbox._server)
        assert made() == before
        for folder in before:
            assert len(Path(folder, "cgroup.procs").read_text().split()) >= 2


# As kernels and container engines write them; what comes first is tried first.
V2_DESKTOP = (
    "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u7.scope\n",
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
)
V2_CONTAINER = ("0::/\n", "30 24 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n")
V2_HOST_PATHS = (
    "0::/docker/abc\n",
    "30 24 0:26 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
)
V1 = (
    "4:memory:/docker/abc\n3:pids,freezer:/docker/abc/inner\n0::/\n",
    "40 30 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    "41 30 0:32 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,freezer,pids\n"
    "42 30 0:33 /elsewhere /mnt/other ro - cgroup cgroup rw,pids\n"
    "43 30 0:34 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n",
)
USER = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice"


@pytest.mark.parametrize(
    ("files", "memory", "pids"),
    [
        (V2_DESKTOP, [(USER, 2), (f"{USER}/run-u7.scope", 2)], None),
        (V2_CONTAINER, [("/sys/fs/cgroup", 2)], None),
        (V2_HOST_PATHS, [("/sys/fs/cgroup", 2)], None),
        (
            V1,
            [("/sys/fs/cgroup/memory", 1), ("/sys/fs/cgroup/unified", 2)],
            [("/sys/fs/cgroup/pids/inner", 1), ("/sys/fs/cgroup/unified", 2)],
        ),
        (("", ""), [], []),
    ],
    ids=["v2 desktop", "v2 container", "v2 with the host's paths", "v1", "none"],
)
def test_where_groups_may_be_made(
    files: tuple[str, str], memory: list[tuple[str, int]], pids: list[tuple[str, int]] | None
) -> None:
    found = places(*files)
    assert found["memory"] == [Place(*each) for each in memory]
    assert found["pids"] == [Place(*each) for each in (memory if pids is None else pids)]
