"""What users copy runs as it stands: the examples and the folder that `evolve new` writes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from evolve import config
from evolve.authoring import check_problem, write_problem
from evolve.evaluation import judge
from evolve.loading import load
from evolve.problem import SplitKind
from evolve.worker import open_sandbox
from islands_db.records import Status

EXAMPLES = Path(__file__).parents[2] / "examples"


def evolve(*arguments: object, cwd: Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "evolve", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def unsound(task) -> list[str]:
    return [f"{f.what}: {f.detail}" for f in check_problem(task) if f.fine is False]


def test_the_example_is_sound_and_rejects_its_known_bad_programs():
    task = load(str(EXAMPLES / "no_three_in_line"))
    assert len(task.problem.known_bad_files()) >= 3
    assert unsound(task) == []


def test_the_example_is_short():
    """About thirty statements, so that it can be read in a minute."""
    tree = ast.parse((EXAMPLES / "no_three_in_line" / "problem.py").read_text())
    assert sum(isinstance(node, ast.stmt) for node in ast.walk(tree)) <= 30


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("None", "expected a list"),
        ("[(0, 0)] * 1000", "expected a list of at most"),
        ("[(0, 0), (0, 0)]", "not a point of the grid, or named twice"),
        ("[(0, True)]", "not a point"),
        ("[(0.0, 1)]", "not a point"),
        ("[([], {})]", "not a point"),
        ("[(0, 0, 0)]", "not a point"),
        ("[[0, 0]]", "not a point"),
        ("[(0, 14)]", "not a point"),
        ("[(-1, 0)]", "not a point"),
        ("[(0, 0), (5, 7), (10, 13), (10, 14)]", "not a point"),
        ("[(0, 0), (5, 6), (10, 12)]", "are on a line"),
        ("[(3, 9), (3, 1), (3, 4)]", "are on a line"),
    ],
)
def test_the_example_takes_nothing_but_points(example_sandbox, answer, reason):
    task, sandbox = example_sandbox
    files = {"program.py": f"def points(n):\n    return {answer}\n"}
    (verdict,) = judge(task, sandbox, files, split=SplitKind.TRAINING, seed=0).verdicts
    assert verdict.status is Status.INVALID
    assert reason in verdict.reason


@pytest.fixture(scope="module")
def example_sandbox():
    task = load(str(EXAMPLES / "no_three_in_line"))
    with open_sandbox(task) as sandbox:
        yield task, sandbox


def test_the_example_counts_points(example_sandbox):
    task, sandbox = example_sandbox
    files = {"program.py": "def points(n):\n    return [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)]\n"}
    judged = judge(task, sandbox, files, split=SplitKind.TRAINING, seed=0)
    assert judged.verdicts[0].values == {"points": 5}


@pytest.mark.slow
def test_a_short_search_improves_the_example(tmp_path):
    evolve(
        "run", EXAMPLES / "no_three_in_line", "--evals", 120, "--name", "example",
        "--seed", 1, "--deterministic", cwd=tmp_path,
    )  # fmt: skip
    best = json.loads(evolve("best", "example", "--json", cwd=tmp_path))
    assert best["training"] > 19  # what the seed finds
    assert best["parent"] is not None


@pytest.mark.slow
def test_the_folder_that_evolve_new_writes_is_sound(tmp_path):
    folder = write_problem("my_problem", tmp_path)
    assert not any("$" in path.read_text() for path in folder.rglob("*") if path.is_file())
    task = load(str(folder))
    assert task.problem.name == "my_problem"
    assert len(task.problem.known_bad_files()) >= 3
    assert unsound(task) == []


def test_the_run_file_holds_known_keys_and_names_a_problem():
    path = EXAMPLES / "run.toml"
    chosen = config.read(path)
    raw = tomllib.loads(path.read_text())
    load(chosen.problem, {name: str(value) for name, value in raw["parameters"].items()})
