"""Candidates cannot import us: neither from an editable install nor from a wheel."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from sandbox import Sandbox, SandboxError, Tier
from sandbox.conformance import outcome, world
from tests.sandbox.test_layers import BY_NAME

PROJECT = Path(__file__).parents[2]
OURS = ("evolve", "evaluators", "sandbox", "islands_db", "problems")
IMPORTING = (
    "modules of the project",
    "modules of the project, with the project's folders on the path",
    "modules of the project left in memory",
    "the project's folders",
)

_RUN = """
import importlib.util, json, sys
from sandbox import Sandbox, SandboxError, Tier
from sandbox.attacks import ATTACKS
from sandbox.conformance import run
modules, names, folders = json.loads(sys.argv[1])
find = importlib.util.find_spec
where = {name: find(name).submodule_search_locations[0] for name in modules[:5]}
attacks = [attack for attack in ATTACKS if attack.name in names]
found = []
for tier in ("A", "B"):
    for needs in ([], ["numpy"]):
        make = lambda _: Sandbox(requires=needs, preload=needs, tier=Tier(tier))
        try:
            found += [[tier, o.name, o.held, o.detail]
                      for o in run(make, attacks, folders=folders, modules=modules)]
        except SandboxError as error:
            found.append([tier, "", True, str(error)])
print(json.dumps([where, found]))
"""


def problems() -> list[str]:
    """Every module of a problem that there is, by its name from a wheel and by its file's."""
    files = sorted((PROJECT / "problems").glob("*/*.py"))
    return [f"problems.{file.parent.name}.{file.stem}" for file in files] + ["problem"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this project; built from a copy, since building leaves folders behind."""
    folder = tmp_path_factory.mktemp("build")
    for name in (*OURS, "pyproject.toml", "README.md", "LICENSE"):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index",
         "--no-build-isolation", "-w", folder, folder],
        check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_from_a_wheel_beside_what_candidates_may_import(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps",
         "--no-index", wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    packages = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    numpy = importlib.metadata.distribution("numpy")
    installed = Path(str(numpy.locate_file("")))
    for top in {str(file).split("/")[0] for file in numpy.files or ()} - {".."}:
        if (installed / top).is_dir():
            shutil.copytree(installed / top, packages / top)
    arguments = [[*OURS, *problems()], IMPORTING, [str(packages / name) for name in OURS]]
    done = subprocess.run(
        [python, "-P", "-c", _RUN, json.dumps(arguments)],
        capture_output=True, text=True, check=False, cwd="/", env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, found = json.loads(done.stdout)
    assert set(where.values()) == {str(packages / name) for name in OURS}
    assert len(found) >= len(IMPORTING)
    assert [each for each in found if not each[2]] == []


@pytest.mark.parametrize("tier", [Tier.A, Tier.B])
@pytest.mark.parametrize("name", IMPORTING)
def test_from_where_these_tests_run(name: str, tier: Tier, tmp_path: Path) -> None:
    (tmp_path / "problem.py").write_text("answer = 42\n")
    folders = [str(PROJECT), *(str(PROJECT / name) for name in OURS), str(tmp_path)]
    with world(folders, [*OURS, *problems()]) as around:
        try:
            made = Sandbox(requires=["numpy"], preload=["numpy"], tier=tier)
        except SandboxError as error:
            pytest.skip(f"no tier {tier} here: {error}")
        with made as sandbox:
            became = outcome(sandbox, BY_NAME[name], around)
    assert became.held, became.detail
