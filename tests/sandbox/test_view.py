"""What is bound: the allow-listed distributions' own files, never a folder of installed ones."""

from __future__ import annotations

import importlib
import os
import site
import sys
from pathlib import Path

import pytest

from sandbox import CandidateFailure, Sandbox, SandboxError, Tier
from sandbox.view import plan

PROJECT = Path(__file__).parents[2]


def install(
    folder: Path, name: str, files: dict[str, str], requires: str = "", url: str = ""
) -> None:
    """A distribution as an installer leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
    if url:
        (info / "direct_url.json").write_text(url)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    paths = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in paths))
    importlib.invalidate_caches()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions: two to be allowed, one not, and strays."""
    folder = tmp_path / "site-packages"
    install(folder, "alpha", {"alpha/__init__.py": "import beta\n"}, "Requires-Dist: beta\n")
    install(folder, "beta", {"beta.py": "x = 5\n"})
    install(folder, "ours", {"ours/__init__.py": "secret = 1\n"})
    (folder / "alpha" / "stray.py").write_text("secret = 2\n")
    (folder / "ours.pth").write_text(f"{PROJECT}\n")
    monkeypatch.syspath_prepend(folder)
    plan.cache_clear()
    return folder


SOURCE = """
import importlib
def f(names):
    got = []
    for name in names:
        try:
            importlib.import_module(name)
            got.append(name)
        except (ImportError, OSError):
            pass
    return got
"""


@pytest.mark.parametrize("tier", [Tier.A, Tier.B])
def test_only_allowed_distributions_and_what_they_need_can_be_imported(
    installed: Path, tier: Tier
) -> None:
    names = ["alpha", "beta", "alpha.stray", "ours", "evolve", "sandbox", "problems", "pip", "json"]
    try:
        made = Sandbox(requires=["alpha"], tier=tier)
    except SandboxError as error:
        pytest.skip(f"no tier {tier} here: {error}")
    with made, made.open({"p.py": SOURCE}, entry="p.py") as candidate:
        assert candidate.call("f", names) == ["alpha", "beta", "json"]


def test_a_folder_with_a_stray_file_is_bound_file_by_file(installed: Path) -> None:
    packages = plan(("alpha",)).packages
    assert str(installed / "alpha" / "__init__.py") in packages
    assert str(installed / "alpha") not in packages
    assert not {"stray.py", "ours"} & {Path(path).name for path in packages}


def test_numpy_is_bound_as_few_whole_folders() -> None:
    packages = plan(("numpy",)).packages
    assert any(path.endswith("/numpy") for path in packages)
    assert len(packages) < 20


def test_no_folder_of_installed_distributions_is_ever_bound() -> None:
    view = plan(("numpy",))
    folders = {os.path.realpath(path) for path in [*site.getsitepackages(), *sys.path]}
    installed = {path for path in folders if path.endswith("-packages")}
    assert installed
    assert not installed & {*view.system, *view.packages}
    for path in installed:
        below = [whole for whole in view.system if path.startswith(f"{whole}/")]
        assert not below or path in view.masks


def test_an_editable_install_is_refused(installed: Path) -> None:
    url = '{"url": "file:///src", "dir_info": {"editable": true}}'
    install(installed, "gamma", {"__editable__.gamma.pth": "/src"}, url=url)
    with pytest.raises(SandboxError, match="editable"):
        Sandbox(requires=["gamma"])


def test_what_is_not_installed_is_named(installed: Path) -> None:
    with pytest.raises(SandboxError, match="requires 'nowhere', which is not installed"):
        Sandbox(requires=["nowhere"])
    install(installed, "delta", {"delta.py": ""}, "Requires-Dist: nowhere\n")
    with pytest.raises(SandboxError, match="requires 'nowhere'"):
        Sandbox(requires=["delta"])
    optional = 'Requires-Dist: nowhere; extra == "more"\nRequires-Dist: never; os_name == "x"\n'
    install(installed, "epsilon", {"epsilon.py": ""}, optional)
    Sandbox(requires=["epsilon"]).close()


def test_a_package_that_is_not_allowed_reads_as_not_installed(best_sandbox: Sandbox) -> None:
    with (
        best_sandbox.open({"p.py": "import numpy\n"}, entry="p.py") as candidate,
        pytest.raises(CandidateFailure, match="No module named 'numpy'"),
    ):
        candidate.call("f")
