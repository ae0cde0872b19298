"""Where compiled code is cached, and that nothing depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import evaluators

PROBE = """
import numpy as np
from evaluators import bin_packing
bins = bin_packing.best_fit(np.array([7, 6, 5]), 12)
assert bins.tolist() == [0, 1, 0], bins
"""


def probe(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", PROBE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.slow
def test_a_cache_folder_of_our_own_is_used(tmp_path):
    assert probe(NUMBA_CACHE_DIR=str(tmp_path)).returncode == 0
    assert list(tmp_path.rglob("bin_packing_kernels.*.nbi"))


@pytest.mark.slow
def test_a_cache_folder_that_others_may_write_to_is_not_used(tmp_path):
    tmp_path.chmod(0o777)
    assert probe(NUMBA_CACHE_DIR=str(tmp_path)).returncode == 0
    assert not list(tmp_path.rglob("*.nbi"))


@pytest.mark.slow
def test_without_any_writable_folder_it_compiles_anew(tmp_path):
    """A read-only installation, a home that is none and a cache folder that cannot be made."""
    package = tmp_path / "evaluators"
    package.mkdir()
    for source in Path(evaluators.__file__).parent.glob("*.py"):
        (package / source.name).write_text(source.read_text())
    (package / "__pycache__").write_text("a file where a folder should be")
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    ended = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=tmp_path,
        env={
            **os.environ,
            "HOME": str(nowhere),
            "XDG_CACHE_HOME": str(nowhere),
            "NUMBA_CACHE_DIR": str(nowhere / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_the_verifier_does_not_load_numba_until_it_packs():
    ended = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import sys, evaluators.bin_packing; sys.exit('numba' in sys.modules)",
        ],
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0
