"""The comparisons among the benchmarks: what a full one has made, it takes from its file."""

import shutil
import subprocess
from pathlib import Path

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


def test_a_full_comparison_has_the_seeds_of_its_plan_from_those_of_the_benchmark(
    tmp_path: Path,
) -> None:
    file = tmp_path / "plan.toml"
    dear = f'{{ problem = "{TOYS}/median", name = "dear", seeds = 2 }}'
    file.write_text(
        PLAN.replace(" }]", f" }}, {dear}]").replace("[1, 2]", "3").replace("to_target", "final")
    )
    full = quality._plan(rows.Plan(full=True, seed=7), file, 5, tmp_path)
    assert [contest.seeds for contest in full.contests.values()] == [
        (7000, 7001, 7002), (7000, 7001),
    ]  # fmt: skip
    assert (full.limit, list(full.methods)) == (12, ["default", "greedy"])
    sample = quality._plan(rows.Plan(full=False, seed=7), file, 5, tmp_path)
    assert {contest.seeds for contest in sample.contests.values()} == {(7000, 7001)}
    assert sample.limit == 5


def test_code_is_what_runs_consist_of(tmp_path: Path) -> None:
    assert rows.code(tmp_path) == "unknown"
    problem, read_me = (
        tmp_path / "problems" / "mine" / name for name in ("problem.py", "README.md")
    )
    problem.parent.mkdir(parents=True)
    problem.write_text("one = 1\n")
    read_me.write_text("Mine.\n")
    _git(tmp_path, "init", "-q")

    def committed() -> str:
        _git(tmp_path, "add", "-A")
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        _git(tmp_path, *who, "commit", "-qm", "as it is")
        return rows.code(tmp_path)

    first = committed()
    assert len(first) == 12
    read_me.write_text("Mine, and what was measured.\n")
    assert rows.code(tmp_path) == committed() == first
    problem.write_text("one = 2\n")
    assert rows.code(tmp_path) == first + "+"
    assert committed() != first


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)
