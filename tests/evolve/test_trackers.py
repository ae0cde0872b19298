"""A run in the trackers of others: each tried for real where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from evolve.runs import RunFolder
from evolve.trackers import Described, follow, tracker

from .conftest import Evolve, write_toy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("tracked")
    write_toy(root / "toy", {})
    ended = Evolve(root)("run", "./toy", "--evals", 40, "--seed", 3, "--name", "a", "--workers", 1)
    assert ended.code == 0, ended.err
    return RunFolder(root / "runs/a")


class Listed:
    """A tracker that keeps what it is told."""

    def __init__(self, last: int = -1) -> None:
        self.last = last
        self.steps: list[tuple[int, Mapping[str, float]]] = []

    def begin(self, run: Described) -> int:
        self.described = run
        return self.last

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self.steps.append((step, figures))

    def end(self, figures: Mapping[str, float], files: Mapping[str, Path], *, ended: bool) -> None:
        self.final, self.files, self.ended = figures, files, ended


def test_a_run_is_told_step_by_step_and_not_twice(folder: RunFolder) -> None:
    told = Listed()
    assert follow(folder, told, going_on=lambda: False) == len(told.steps) >= 2
    steps = [step for step, _ in told.steps]
    assert steps == sorted(set(steps))
    values = [figures["best_training"] for _, figures in told.steps]
    assert values == sorted(values, reverse=True), "lower is better here"
    assert values[0] == 979
    assert told.ended
    assert told.final["champion_test"] == told.final["champion_training"]
    assert "best.py" in told.files
    assert told.described.settings["islands.count"] == "4"
    again = Listed(last=steps[-1])
    assert follow(folder, again, going_on=lambda: False) == 0
    assert again.described.key == told.described.key


def test_a_live_run_is_followed_until_it_ends(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", {})
    line = Evolve(tmp_path)
    process = line.start("run", "./toy", "--evals", 60, "--name", "b", "--workers", 1)
    run = RunFolder(tmp_path / "runs/b")
    try:
        while not (run.database.exists() and line("ls", "--json").out.count('"b"')):
            assert process.poll() is None
        told = Listed()
        follow(run, told, going_on=run.in_use, every_s=0.2)
    finally:
        process.kill()
        process.communicate()
    assert told.ended
    assert told.final["evaluated"] == 60
    assert told.steps[-1][0] == 60


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed")
def test_mlflow_has_it_once_however_often_it_is_logged(folder: RunFolder, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{tmp_path}/mlflow.db"
    logged = follow(folder, tracker("mlflow", store), going_on=lambda: False)
    assert follow(folder, tracker("mlflow", store), going_on=lambda: False) == 0
    client = MlflowClient(tracking_uri=store)
    experiment = next(e for e in client.search_experiments() if e.name.startswith("evolve "))
    [run] = client.search_runs([experiment.experiment_id])
    curve = client.get_metric_history(run.info.run_id, "best_training")
    assert len(curve) == logged
    assert curve[0].value == 979
    assert run.data.params["seed"] == "3"
    assert run.data.metrics["final_champion_test"] == run.data.metrics["final_champion_training"]
    assert run.info.status == "FINISHED"
    assert (tmp_path / "mlartifacts").is_dir(), "beside the store, wherever it is called from"
    assert "run.toml" in [file.path for file in client.list_artifacts(run.info.run_id)]


@pytest.mark.skipif(find_spec("wandb") is None, reason="Weights & Biases is not installed")
def test_wandb_keeps_it_in_a_folder(folder: RunFolder, tmp_path: Path) -> None:
    assert follow(folder, tracker("wandb", str(tmp_path)), going_on=lambda: False) >= 2
    [file] = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"best_training" in file.read_bytes()


def test_a_tracker_that_is_not_there_is_one_line(folder: RunFolder) -> None:
    evolve = Evolve(folder.path.parents[1])
    assert evolve("track", "a", "--with", "nobody").code == 2
    for name in ("mlflow", "wandb"):
        if find_spec(name) is None:
            refused = evolve("track", "a", "--with", name)
            assert refused.code == 3
            assert f"pip install 'evolve[{name}]'" in refused.one_line
