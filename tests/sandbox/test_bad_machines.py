"""Machines at their limits: refused, or done with less, in one line that names what is missing."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sandbox import Sandbox, SandboxError, Tier
from sandbox.view import plan
from tests.sandbox.test_attacks import ORDINARY, PROJECT, interpreter_for
from tests.sandbox.test_view import install

_TRY = """
import json, sys
from sandbox import CandidateFailure, Limits, Sandbox, SandboxError
try:
    with Sandbox() as sandbox:
        with sandbox.open({"p.py": "def f(x): return x"}, entry="p.py") as candidate:
            large = len(candidate.call("f", bytes(5 << 18))) >> 18
            print(json.dumps([sandbox.tier, large, sandbox.lacking]))
except (SandboxError, CandidateFailure) as error:
    print(json.dumps(["refused", str(error), ""]))
"""


def on_a_machine(
    before: Sequence[str] = (), *, uid: int | None = None, limits: Sequence[tuple[int, int]] = ()
) -> list[object]:
    """What a sandbox says behind a command that takes something away, or under these limits."""
    python, packages = sys.executable, ""
    if uid is not None:
        python, packages = interpreter_for(uid)

    def lower() -> None:
        for which, value in limits:
            resource.setrlimit(which, (value, value))

    done = subprocess.run(
        [*before, python, "-c", _TRY],
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
        user=uid, group=uid, extra_groups=None if uid is None else [], cwd="/",
        capture_output=True, text=True, timeout=400, check=False, preexec_fn=lower,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    answer: list[object] = json.loads(done.stdout)
    assert "\n" not in str(answer[1])
    return answer


def as_root() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can take this away from a process")


def behind(script: str) -> list[str]:
    """A command that runs the rest of its arguments in new namespaces, after this script."""
    return [
        "unshare",
        "--mount",
        "--user",
        "--map-root-user",
        "sh",
        "-ec",
        f'{script}\nexec "$@"',
        "sh",
    ]


def test_where_user_namespaces_are_used_up_it_is_tier_b() -> None:
    as_root()
    # as Debian and hardened machines do it, and unprivileged containers
    script = "echo 0 > /proc/sys/user/max_user_namespaces"
    tier, answer, _ = on_a_machine(behind(script))
    assert (tier, answer) == ("B", 5)


@pytest.mark.parametrize(
    ("rights", "tier"),
    [
        ("-all", "B"),  # uid 0 cannot even be mapped
        ("-all,+setfcap,+setuid,+setgid,+dac_override", "A"),  # about what containers leave
    ],
)
def test_as_root_of_a_container_that_may_not_mount(rights: str, tier: str) -> None:
    as_root()
    found, answer, _ = on_a_machine(["setpriv", "--inh-caps", "-all", "--bounding-set", rights])
    assert (found, answer) == (tier, 5)


def test_as_the_only_user_of_a_rootless_container() -> None:
    as_root()
    tier, answer, _ = on_a_machine(behind("true"))
    assert (tier, answer) == ("A", 5)


def test_without_a_writable_control_group_one_line_says_so() -> None:
    as_root()
    tier, answer, lacking = on_a_machine(uid=ORDINARY)
    assert (tier, answer) == ("A", 5)
    assert "memory: " in str(lacking)
    assert "pids: " in str(lacking)
    assert "Permission denied" in str(lacking)
    script = "mount -t tmpfs none /sys/fs/cgroup"
    tier, answer, lacking = on_a_machine(["unshare", "--mount", *behind(script)[4:]])
    assert (tier, answer) == ("A", 5)
    assert "not mounted here" in str(lacking) or "No such file" in str(lacking)


def test_where_processes_are_used_up_it_is_refused_in_one_line() -> None:
    as_root()
    # the limit counts what the user has running, and does not hold for root
    running = 0
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if path.name.isdigit() and path.stat().st_uid == ORDINARY:
                running += len(os.listdir(path / "task"))
    for left in range(4):
        limits = [(resource.RLIMIT_NPROC, running + 1 + left)]
        word, reason, _ = on_a_machine(uid=ORDINARY, limits=limits)
        assert word == "refused" or left
        assert word != "refused" or "no more processes may be started" in str(reason)


@pytest.mark.parametrize("mebibytes", [30, 40, 80, 160])
def test_where_memory_is_short_it_is_refused_in_one_line(mebibytes: int) -> None:
    word, reason, _ = on_a_machine(limits=[(resource.RLIMIT_AS, mebibytes << 20)])
    assert word == "refused"
    assert "`ulimit -v`" in str(reason)


def test_a_candidate_is_not_run_with_less_than_it_was_promised() -> None:
    word, reason, _ = on_a_machine(limits=[(resource.RLIMIT_AS, 800 << 20)])
    assert word == "refused"
    assert str(reason).startswith("a candidate is to have 1024 MiB beside the interpreter")


@pytest.mark.parametrize("most", [8, 10, 12])
def test_where_files_are_short_it_is_refused_in_one_line(most: int) -> None:
    word, reason, _ = on_a_machine(limits=[(resource.RLIMIT_NOFILE, most)])
    assert word == "A" or "see `ulimit -n`" in str(reason)


def test_where_files_may_not_be_written_evaluations_go_on() -> None:
    tier, answer, _ = on_a_machine(limits=[(resource.RLIMIT_FSIZE, 0)])
    assert (tier, answer) == ("A", 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('no licence')", "preload 'broken': RuntimeError: no licence"),
        ("import sys; sys.exit(3)", "preload 'broken': SystemExit: 3"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("import os; os._exit(7)", "ended without a word"),
        ("x = bytearray(1 << 62)", "preload 'broken': MemoryError"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()",
         "a preload started 1 threads"),
        ("def", "SyntaxError"),
        ("raise ImportError('none' * 50_000)", "preload 'broken': ImportError: nonenone"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tier", [Tier.A, Tier.B])
def test_a_preload_that_fails_is_named_in_one_line(
    text: str, reason: str, tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.cache_clear()
    install(tmp_path / "site-packages", "broken", {"broken.py": text})
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    with pytest.raises(SandboxError) as caught:
        Sandbox(requires=["broken"], preload=["broken"], tier=tier)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tier", [None, Tier.A])
def test_a_start_that_takes_too_long_is_no_reason_for_a_lower_tier(
    monkeypatch: pytest.MonkeyPatch, tier: Tier | None
) -> None:
    monkeypatch.setattr("sandbox.fork_server._START_S", 0.01)
    with pytest.raises(SandboxError, match=r"within 0\.01 s: .*\(nothing\) hangs"):
        Sandbox(tier=tier)
