"""The comparisons among the benchmarks: what a full one has made, it takes from its file."""

import shutil
from pathlib import Path

import pytest

from benchmarks import quality, rows
from evolve.compare import plans

TOYS = Path(rows.__file__).parent / "toys"
PLAN = f"""
problems = [{{ problem = "{TOYS}/median", target = 0 }}]
methods = ["default", "greedy"]
seeds = [1, 2]
measure = "to_target"
budget = {{ evals = 12 }}
"""


def test_a_comparison_goes_on_from_its_file_of_traces(tmp_path: Path) -> None:
    file = tmp_path / "given.toml"
    file.write_text(PLAN)
    comparison = plans.read(file)
    kept = tmp_path / "traces.jsonl"
    first = quality._compared(comparison, tmp_path / "first", kept)
    lines = kept.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    shutil.rmtree(tmp_path / "first")

    one_is_missing = b"".join(lines[:2] + lines[3:])
    kept.write_bytes(one_is_missing.replace(b'"spent":12', b'"spent":11'))
    again = quality._compared(comparison, tmp_path / "again", kept)
    spent = [line.partition(b'"spent":')[2][:2] for line in kept.read_bytes().splitlines()]
    assert spent == [b"11", b"11", b"12", b"11"]  # three were taken as they stood, one made anew
    assert again.lines == first.lines


def test_code_is_what_runs_consist_of(monkeypatch: pytest.MonkeyPatch) -> None:
    name = rows.code()
    assert name == "unknown" or len(name.rstrip("+")) == 12
    monkeypatch.setattr(rows, "_PARTS", ("evolve",))
    assert name == "unknown" or rows.code().rstrip("+") != name.rstrip("+")
