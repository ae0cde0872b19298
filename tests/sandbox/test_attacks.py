"""The shipped attacks, one test each: in both tiers, as an ordinary user, and with no layer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox, Tier
from sandbox.attacks import ATTACKS, Attack, Group
from sandbox.conformance import outcome, run, short, world

PROJECT = Path(__file__).parents[2]
MODULES = ("sandbox", "evolve", "evaluators", "islands_db", "problems", "msgspec", "pytest")
FOLDERS = (
    *(str(PROJECT / name) for name in ("evolve", "problems", "sandbox", "tests", ".git")),
    str(Path(pytest.__file__).parent),
)
ORDINARY = 61_000 + os.getpid() % 4_000
"""A user that no process beside the tests of this one has: limits count processes by user."""


@pytest.fixture(scope="module")
def around() -> Iterator[dict[str, object]]:
    with world(FOLDERS, MODULES) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.group}: {attack.name}")
def test_attack_is_held(sandbox: Sandbox, around: dict[str, object], attack: Attack) -> None:
    if sandbox.tier in attack.open_in:
        pytest.skip(f"known not to be stopped in tier {sandbox.tier}")
    became = outcome(sandbox, attack, around)
    assert became.held, became.detail


def test_few_attacks_are_open_in_tier_b_and_none_in_tier_a() -> None:
    assert not [attack.name for attack in ATTACKS if Tier.A in attack.open_in]
    assert {attack.name for attack in ATTACKS if Tier.B in attack.open_in} == {
        "a file's existence",
        "a mark on the disk, by reading",
        "numbers of processes",
        "the machine's name",
        "where a symbolic link leads",
    }


def test_there_are_sixty_attacks_with_names_of_their_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 60


@pytest.fixture(scope="module")
def bare(around: dict[str, object]) -> Iterator[Sandbox]:
    with Sandbox(tier=Tier.NONE) as made:
        yield made


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.harmless], ids=lambda attack: attack.name
)
def test_attack_gets_through_where_there_is_no_layer(
    bare: Sandbox, around: dict[str, object], attack: Attack
) -> None:
    if attack.name == "home folders" and os.getuid() != 0:
        pytest.skip("homes may be closed to this user without any sandbox")
    assert not outcome(bare, attack, around).held


def test_the_short_form_has_every_group() -> None:
    assert {attack.group for attack in short()} == {attack.group for attack in ATTACKS}
    assert all(became.held for became in run(lambda needs: Sandbox(requires=needs), short()))


_AS_ORDINARY = """
import json, sys
from sandbox import Sandbox, Tier
from sandbox.attacks import ATTACKS
from sandbox.conformance import run
make = lambda needs: Sandbox(requires=needs, preload=needs, tier=Tier(sys.argv[1]))
attacks = [attack for attack in ATTACKS if attack.group in json.loads(sys.argv[4])]
for became in run(make, attacks, folders=json.loads(sys.argv[2]), modules=json.loads(sys.argv[3])):
    print(json.dumps([became.name, became.held, became.detail]))
"""


def interpreter_for(uid: int) -> tuple[str, str]:
    """A Python of our version that this user can start, and where it finds numpy."""
    packages = str(Path(pytest.__file__).parents[1])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (os.path.realpath(sys.executable), f"/usr/bin/python{version}")
    for python in (*candidates, shutil.which(f"python{version}")):
        if not python:
            continue
        try:
            done = subprocess.run(
                [python, "-c", "import numpy, sandbox"],
                user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True, check=False,
                env={"PYTHONPATH": f"{PROJECT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        except OSError:
            continue
        if done.returncode == 0:
            return python, packages
    pytest.skip(f"no Python {version} here that user {uid} can start (it lies in a closed home)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tier", "groups"),
    [(Tier.A, list(Group)), (Tier.B, [Group.READ, Group.ESCAPE, Group.PERSIST])],
)
def test_attacks_are_held_for_an_ordinary_user(tier: Tier, groups: list[Group]) -> None:
    if os.getuid() != 0:
        pytest.skip("this is an ordinary user already: the tests above are that")
    python, packages = interpreter_for(ORDINARY)
    done = subprocess.run(
        [python, "-c", _AS_ORDINARY, tier, json.dumps(FOLDERS), json.dumps(MODULES),
         json.dumps(groups)],
        user=ORDINARY, group=ORDINARY, extra_groups=[], cwd="/", capture_output=True, text=True,
        env={"PYTHONPATH": f"{PROJECT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=400, check=False,
    )  # fmt: skip
    if "does not start" in done.stderr:
        pytest.skip(f"no tier {tier} for an ordinary user here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    known = {attack.name for attack in ATTACKS if tier in attack.open_in}
    assert len(outcomes) == len([attack for attack in ATTACKS if attack.group in groups])
    assert [o for o in outcomes if not o[1] and o[0] not in known] == []
