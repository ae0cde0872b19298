"""Machines that give less: the tier falls, or the refusal is one line that says why.

Such a machine is made by a filter on system calls, as containers have one, in a process of its own.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from unittest.mock import patch

import pytest

from sandbox import Sandbox, SandboxError, Tier, probe

_LESS = """
import ctypes, json, struct, sys

def refuse(numbers, answer):
    '''Answers so to these system calls, for this process and all it starts.'''
    program = [(0x20, 0, 0, 0)]
    for number in numbers:
        program += [(0x15, 0, 1, number), (0x06, 0, 0, answer)]
    program.append((0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, header) == 0

refuse(json.loads(sys.argv[1]), int(sys.argv[2]))
from sandbox import Sandbox, SandboxError, probe
try:
    with Sandbox() as sandbox:
        candidate = sandbox.open({"p.py": "def f(x): return x"}, entry="p.py")
        result = [sandbox.tier, len(candidate.call("f", bytes(5 << 20))) >> 20]
        candidate.close()
except SandboxError as error:
    result = ["refused", str(error)]
found = probe()
missing = {layer.name: layer.remedy for layer in found.layers if not layer.works}
print(json.dumps([result, found.tier, found.refusal or found.not_a, missing]))
"""

UNSHARE, MOUNT, LANDLOCK, SECCOMP, PIDFD_OPEN, MOUNT_SETATTR = 272, 165, 444, 317, 434, 442
MEMFD_CREATE, SETNS = 319, 308


EPERM, END = 0x00050001, 0x80000000


def on_less(*refused: int, answer: int = EPERM) -> tuple[list[str], str, str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", _LESS, json.dumps(refused), str(answer)],
        capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result, tier, refusal, missing = json.loads(done.stdout)
    return result, tier, refusal, missing


def test_this_machine_gives_a_tier_and_every_layer_says_what_it_is_for() -> None:
    found = probe()
    assert found.tier in (Tier.A, Tier.B)
    assert all(layer.without for layer in found.layers)
    assert all(layer.works or layer.remedy for layer in found.layers)


@pytest.mark.parametrize(
    ("refused", "layer", "why"),
    [
        (UNSHARE, "user namespace", "unshare: "),
        (MOUNT, "mount namespace", "mount on /: "),
        (MOUNT_SETATTR, "mount namespace", "mount_setattr: "),
        (SETNS, "", "the fork server failed: [Errno 1] setns: "),
    ],
)
def test_without_namespaces_or_mounts_it_is_tier_b(refused: int, layer: str, why: str) -> None:
    result, tier, not_a, missing = on_less(refused)
    assert result == ["B", 5]
    assert tier == "B"
    assert why in not_a
    assert list(missing) == [layer] or not layer or refused == UNSHARE


def test_a_machine_that_ends_who_calls_something_is_named() -> None:
    result, tier, not_a, _ = on_less(UNSHARE, answer=END)
    assert (result, tier) == (["B", 5], "B")
    assert "this machine ends who makes a system call that is not on its list" in not_a


def test_without_landlock_tier_a_goes_on() -> None:
    result, _, _, missing = on_less(LANDLOCK)
    assert result[0] == "A"
    assert "landlock" in missing


def test_with_neither_it_refuses_in_one_line() -> None:
    (word, reason), tier, refusal, missing = on_less(UNSHARE, LANDLOCK)
    assert word == "refused"
    assert "Landlock" in reason
    assert "unshare" in reason
    assert "\n" not in reason
    assert tier == "none"
    assert refusal == reason
    assert {"user namespace", "landlock"} <= missing.keys()


def test_without_memory_to_lend_large_messages_go_through_the_pipe() -> None:
    assert on_less(MEMFD_CREATE)[0] == ["A", 5]


@pytest.mark.parametrize(
    ("refused", "names"),
    [
        ([53], "socketpair"),
        ([293], "pipe2"),
        ([424], "pidfd_send_signal"),
        ([PIDFD_OPEN], "pidfd_open"),
        ([61], "wait4"),
        ([63], "uname"),
        ([110, 157, 44], "sendto, getppid, prctl"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_means_of_its_own_it_refuses_and_names_them(refused: list[int], names: str) -> None:
    (verdict, reason), tier, refusal, _ = on_less(*refused)
    assert (verdict, tier) == ("refused", "none")
    assert reason.startswith(f"this process may not call {names}, ")
    assert "use a seccomp profile that allows this" in reason
    assert refusal == reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("refused", "word"),
    [(56, "fork: "), (112, "a new process in a session of its own: "), (126, "capset: ")],
    ids=["clone", "setsid", "capset"],
)
def test_without_a_step_of_the_launcher_it_refuses_and_names_it(refused: int, word: str) -> None:
    (verdict, reason), _, refusal, _ = on_less(refused)
    assert verdict == "refused"
    assert word in reason
    assert refusal == reason


@pytest.mark.parametrize(("refused", "name"), [(116, "setgroups: "), (117, "setresuid: ")])
def test_without_the_right_to_hand_over_to_nobody_it_is_tier_b(refused: int, name: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root hands over")
    result, tier, not_a, _ = on_less(refused)
    assert (result, tier) == (["B", 5], "B")
    assert name in not_a


def test_without_seccomp_it_refuses() -> None:
    (word, reason), _, _, missing = on_less(SECCOMP)
    assert word == "refused"
    assert "seccomp" in reason
    assert missing["seccomp"]


def test_another_machine_is_refused_in_one_line() -> None:
    with (
        patch.object(platform, "machine", return_value="riscv64"),
        pytest.raises(SandboxError, match="on Linux on x86_64 only, this is linux on riscv64"),
    ):
        Sandbox()


_ATTACKS = """
from sandbox import Sandbox, Tier
from sandbox.attacks import ATTACKS
from sandbox.conformance import run
quick = [attack for attack in ATTACKS if attack.group in ("read", "escape", "persist")]
make = lambda needs: Sandbox(requires=needs, preload=needs, tier=Tier.A)
print(json.dumps([became.name for became in run(make, quick) if not became.held]))
"""


@pytest.mark.slow
def test_in_tier_a_without_landlock_the_mounts_and_seccomp_hold_the_same_attacks() -> None:
    code = _LESS.partition("from sandbox import")[0] + _ATTACKS
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps([LANDLOCK]), str(EPERM)],
        capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
