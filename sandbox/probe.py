"""What this machine can isolate: every layer tried for real, and the tier that results."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.box import Sandbox
from sandbox.cgroups import REMEDY, WITHOUT, Group
from sandbox.inside import landlock
from sandbox.machine import refuse_other_machines
from sandbox.records import SandboxError, Tier, explained, one_line

_TRY = """
import sys, types
package = types.ModuleType("sandbox")
package.__path__ = [sys.argv[1]]
sys.modules["sandbox"] = package
from sandbox.inside.trial import main
main(sys.argv[2])
"""
_TRY_S = 20.0

_WITHOUT = {
    "user namespace": "no tier A as an ordinary user",
    "mount namespace": "no private scratch folder, no read-only root: no tier A",
    "pid namespace": "other processes can be seen by number: no tier A",
    "network namespace": "only seccomp keeps candidates off the network: no tier A",
    "ipc, uts and cgroup namespaces": "only seccomp keeps shared memory and queues away: no tier A",
    "landlock": "in tier A the mounts alone guard files; no tier B, which needs version 3",
    "seccomp": "no tier at all",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer on this machine.

    Attributes:
        works: It was tried and held.
        detail: The kernel's answer, or what of it is there.
        without: What is lost where it is missing.
        remedy: How to get it, as one line; empty where it works.
    """

    name: str
    works: bool
    detail: str = ""
    without: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """All layers, the tier a sandbox gets here, and why it gets no better one, in one line each."""

    layers: tuple[Layer, ...]
    tier: Tier
    refusal: str = ""
    """Why it gets none."""
    not_a: str = ""
    """Why it gets B and not A."""


def probe() -> Probe:
    """Tries every layer in a process of its own, then a whole sandbox; takes about a second."""
    try:
        refuse_other_machines()
    except SandboxError as error:
        return Probe(layers=(), tier=Tier.NONE, refusal=str(error))
    layers = [_layer(name, without) for name, without in _WITHOUT.items()]
    layers.append(_control_groups())
    try:
        with (
            Sandbox() as sandbox,
            sandbox.open(
                {"program.py": "def double(x):\n    return 2 * x\n"}, entry="program.py"
            ) as candidate,
        ):
            candidate.call("double", 21)
            return Probe(layers=tuple(layers), tier=sandbox.tier, not_a=sandbox.not_a)
    except SandboxError as error:
        return Probe(layers=tuple(layers), tier=Tier.NONE, refusal=str(error))


def _try(name: str) -> tuple[bool, str]:
    try:
        done = subprocess.run(
            [
                os.path.realpath(sys.executable),
                *("-P", "-S", "-s", "-c", _TRY, str(Path(__file__).parent), name),
            ],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRY_S,
            check=False,
        )
    except OSError as error:
        return False, explained(error)
    return done.returncode == 0, one_line((done.stdout or done.stderr).decode(errors="replace"))


def _layer(name: str, without: str) -> Layer:
    works, detail = _try(name)
    if name == "landlock" and works:
        _, version = _try("landlock version")
        lacking = landlock.missing(int(version))
        detail = f"version {version.strip()}"
        if lacking:
            detail += f", without {', '.join(lacking)} (a newer kernel has them)"
    return Layer(
        name=name,
        works=works,
        detail=detail.strip(),
        without=without,
        remedy="" if works else _remedy(name),
    )


def _control_groups() -> Layer:
    group = Group()
    try:
        works = not group.lacking
        return Layer(
            name="control groups",
            works=works,
            detail=str(group) if works else one_line(group.lacking),
            without=WITHOUT,
            remedy="" if works else REMEDY,
        )
    finally:
        group.close()


def _remedy(name: str) -> str:
    if name == "landlock":
        return "a kernel of 6.2 or newer with CONFIG_SECURITY_LANDLOCK and lsm=...,landlock"
    if name == "seccomp":
        return "a kernel with CONFIG_SECCOMP_FILTER; in a container, a profile that allows seccomp"
    for setting, wanted in (
        ("kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("kernel/unprivileged_userns_clone", "1"),
    ):
        path = Path("/proc/sys", setting)
        if path.exists() and path.read_text(encoding="ascii").strip() != wanted:
            return f"sysctl {setting.replace('/', '.')}={wanted}"
    maximum = Path("/proc/sys/user/max_user_namespaces")
    if maximum.exists() and maximum.read_text(encoding="ascii").strip() == "0":
        return "sysctl user.max_user_namespaces=10000"
    return "in a container: a seccomp profile that allows unshare and mount"
