"""What each layer does: alone it stops its attacks, and without it (and its doubles) they succeed.

A layer is left out by changing one name on the far side before it starts. Each row names an attack
and all layers that stop it. With all of them left out, and every other one in place, the attack
must get through; with any one of them back it must not.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import FailureKind, Limits, Sandbox, SandboxError, Tier, cgroups, fork_server
from sandbox.attacks import ATTACKS, Attack, Group
from sandbox.conformance import outcome, world
from sandbox.inside import landlock
from tests.sandbox.test_attacks import ORDINARY, PROJECT, interpreter_for

# Only on the far side, and before the modules that use these names are imported there.
LEFT_OUT = {
    "seccomp": "seccomp.Filter.add_to = lambda self, calls: None",
    "landlock": "landlock.add_to = lambda calls, made: None",
    "view": "root._build = lambda system, *rest, do=root._build: do([*system, {folder!r}], *rest)",
    "read-only root": "kernel.make_read_only = lambda target: None",
    "network namespace": "kernel.CLONE_NEWNET = 0",
    "uts namespace": "kernel.CLONE_NEWUTS = 0\nkernel.set_hostname = lambda name: None",
    "ipc namespace": "kernel.CLONE_NEWIPC = 0",
    "pid namespace": "kernel.CLONE_NEWPID = 0\nkernel.setns = lambda *_: None",
    "scratch of its own": """
def enter(do=kernel.pivot_root_here, mount=kernel.mount):
    do()
    mount("tmpfs", "/candidate/tmp", "tmpfs", 0, "mode=777")
kernel.Calls.new_tmpfs = lambda self, target, **_: self.add("chdir", 80, target.encode())
kernel.pivot_root_here = enter
""",
    "limits of scratch": """
def new_tmpfs(self, target, *, do=kernel.Calls.new_tmpfs, **limits):
    do(self, target, size=0, inodes=0)
kernel.Calls.new_tmpfs = new_tmpfs
""",
    "nothing executable in scratch": "kernel.MS_NOEXEC = 0",
    "no capabilities": """
kernel.Calls.drop_capabilities = lambda self: None
kernel.drop_bounding_set = lambda: None
""",
    "rlimits": """
kernel.set_limits = lambda *_: None
kernel.Calls.limit = lambda self, *_: None
""",
    "closed descriptors": "kernel.Calls.close_from = lambda self, first: None",
}
"""Layers by name, with what takes one away; `environment` and `control group` are on our side."""


def own(name: str, body: str, held: int = 0) -> Attack:
    """An attack for this table only: the value it returns must not exceed `held`."""
    return Attack(
        name=name,
        group=Group.ESCAPE,
        source=f"from kit import *\nimport threading, time\ndef attack(world):\n{body}",
        held=lambda value: isinstance(value, int) and value <= held,
        fails=frozenset({FailureKind.MEMORY}),
        limits=Limits(wall_s=10.0, memory_bytes=128 << 20),
    )


OWN = (
    own("a file in a bound folder", """
    return worked(lambda: open(os.path.join(os.path.dirname(world["secret_file"]), "mark"), "w"))
"""),
    own("a signal to a parent with a number", """
    return os.getppid() > 0 and worked(os.kill, os.getppid(), 0)
"""),
    own("memory that is used", "    return len(b'x' * (500 << 20))\n"),
    own("hundreds of threads", """
    threading.stack_size(32768)
    made = 0
    try:
        while made < 300:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    return made
""", held=140),
)  # fmt: skip
BY_NAME = {attack.name: attack for attack in (*ATTACKS, *OWN)}


@dataclass(frozen=True)
class Row:
    """An attack, what stops it, and what is left out throughout so that it can be tried."""

    attack: str
    stopped_by: tuple[str, ...]
    without: tuple[str, ...] = ()


ROWS = (
    Row("fork", ("seccomp",)),
    Row("a file by its path", ("view", "landlock")),
    Row("a file in a bound folder", ("read-only root", "landlock"), without=("view",)),
    Row("loopback TCP", ("seccomp", "network namespace", "landlock")),
    Row("an abstract unix socket", ("seccomp", "network namespace", "landlock")),
    Row("a signal to a parent with a number", ("seccomp", "pid namespace", "landlock")),
    Row("numbers of processes", ("pid namespace",)),
    Row("the machine's name", ("uts namespace",)),
    Row("shared memory of System V", ("seccomp", "ipc namespace")),
    Row("a file in the scratch folder", ("scratch of its own",)),
    Row("inodes", ("limits of scratch",)),
    Row("code in a file of its scratch folder", ("nothing executable in scratch",)),
    Row("umount", ("seccomp", "no capabilities", "landlock")),
    Row("descriptors", ("rlimits",)),
    Row("memory that is used", ("rlimits", "control group")),
    Row("hundreds of threads", ("rlimits", "control group")),
    Row("inherited descriptors", ("closed descriptors",)),
    Row("a key in the environment", ("environment",)),
)
CASES = [
    *((row, "") for row in ROWS),
    *((row, layer) for row in ROWS for layer in row.stopped_by),
]


@contextmanager
def less(out: set[str], folder: str) -> Iterator[Sandbox]:
    """A sandbox of tier A without these layers."""
    package, _, start = fork_server._BOOT.partition("from sandbox.inside.server")
    code = "from sandbox.inside import kernel\n"
    # root computes its flags, and the candidate's side its limits, when they are imported
    code += "\n".join(
        LEFT_OUT[name] for name in sorted(out) if "kernel.CLONE" in LEFT_OUT.get(name, "")
    )
    code += "\nfrom sandbox.inside import landlock, root, seccomp\n"
    for name in sorted(out & LEFT_OUT.keys()):
        code += LEFT_OUT[name].replace("{folder!r}", repr(folder)) + "\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fork_server, "_BOOT", f"{package}{code}from sandbox.inside.server{start}")
        if "environment" in out:
            everything = {**os.environ, **fork_server._ENVIRONMENT}
            patch.setattr(fork_server, "_ENVIRONMENT", everything)
        if "control group" in out:
            patch.setattr(cgroups, "places", lambda *_: {name: [] for name in cgroups.CONTROLLERS})
        try:
            made = Sandbox(tier=Tier.A)
        except SandboxError as error:
            if out:
                raise
            pytest.skip(f"no tier A here: {error}")
        with made:
            yield made


@pytest.fixture(scope="module")
def lacking() -> set[str]:
    """Layers that this machine does not have, so that they stop nothing here."""
    with less(set(), "") as whole:
        missing = {"control group"} if whole.lacking else set()
    return missing | ({"landlock"} if landlock.abi() < 6 else set())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "alone"), CASES,
    ids=[f"{row.attack}: {f'{alone} alone' if alone else 'none'}" for row, alone in CASES],
)  # fmt: skip
def test_layers_stop_what_they_are_for(row: Row, alone: str, lacking: set[str]) -> None:
    if alone in lacking:
        pytest.skip(f"this machine has no {alone}")
    with world([], ["sandbox"]) as around:
        folder = os.path.dirname(str(around["secret_file"]))
        Path(folder).chmod(0o777)
        Path(str(around["secret_file"])).chmod(0o644)
        with less({*row.stopped_by, *row.without} - {alone}, folder) as sandbox:
            became = outcome(sandbox, BY_NAME[row.attack], around)
    assert became.held == bool(alone), became.detail


def test_every_layer_has_a_row() -> None:
    assert {name for row in ROWS for name in row.stopped_by} == {
        *LEFT_OUT, "environment", "control group",
    }  # fmt: skip


def test_without_no_new_privileges_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = fork_server._BOOT.replace(
        "from sandbox.inside.server",
        "from sandbox.inside import kernel\nkernel.set_no_new_privileges = lambda: None\n"
        "from sandbox.inside.server",
    )
    monkeypatch.setattr(fork_server, "_BOOT", boot)
    with pytest.raises(SandboxError, match=r"cannot isolate a candidate: .*landlock restrict"):
        Sandbox(tier=Tier.A)


@pytest.mark.slow
def test_layers_stop_what_they_are_for_as_an_ordinary_user(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if os.getuid() != 0:
        pytest.skip("this is an ordinary user already: the tests above are that")
    python, packages = interpreter_for(ORDINARY)
    folder = tmp_path_factory.mktemp("nobody")
    os.chown(folder, ORDINARY, ORDINARY)
    for above in folder.parents[:3]:
        if above.owner() == "root" and above.name.startswith("pytest-"):
            above.chmod(0o755)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/base",
         str(Path(__file__).relative_to(PROJECT))],
        user=ORDINARY, group=ORDINARY, extra_groups=[], cwd=PROJECT, capture_output=True, text=True,
        env={"PYTHONPATH": f"{PROJECT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
