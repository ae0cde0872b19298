"""Long runs, by hand: `pytest -m soak tests/evolve/test_soak.py`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.kills import killed_run, start
from islands_db import fingerprint


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2])
def test_fifty_kills_change_nothing(tmp_path: Path, workers: int) -> None:
    evals = 6000
    straight = start(tmp_path, 7, 3 - workers, evals)
    subprocess.run(straight, check=True, capture_output=True)
    (tmp_path / "again").mkdir()
    report = killed_run(tmp_path / "again", seed=7, workers=workers, kills=50, evals=evals)
    assert (report.lost, report.doubled, report.orphans) == (0, 0, 0)
    assert report.kills == 50
    assert report.end == fingerprint(tmp_path / "killed" / "run.db")
