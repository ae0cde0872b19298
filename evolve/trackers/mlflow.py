"""Logs runs to MLflow: one MLflow run for each run of ours, in the experiment of its problem."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from evolve.errors import UsageError
from evolve.trackers import Described

_LOCAL = "sqlite:///"
DEFAULT = f"{_LOCAL}mlflow.db"
_TAG = "evolve.run"
_AT_ONCE = 100
"""Parameters that one request takes."""


class MLflow:
    """A tracking store by its address: a database, or a server.

    Where it has the run already it goes on with it, so that no figure is logged twice.
    """

    def __init__(self, to: str) -> None:
        try:
            self._client = MlflowClient(tracking_uri=to or DEFAULT)
        except MlflowException as error:
            raise UsageError(f"mlflow cannot log to {to}: {_line(error)}") from None
        # left to itself MLflow puts files of a local store into the folder it is called from
        local = (to or DEFAULT).removeprefix(_LOCAL) if (to or DEFAULT).startswith(_LOCAL) else ""
        self._files = (Path(local).absolute().parent / "mlartifacts").as_uri() if local else None
        self._run = ""

    def begin(self, run: Described) -> int:
        try:
            return self._begun(run)
        except MlflowException as error:
            raise UsageError(f"mlflow: {_line(error)}") from None

    def _begun(self, run: Described) -> int:
        problem = "evolve " + run.settings.get("problem", "")
        experiment = self._client.get_experiment_by_name(problem)
        where = (
            self._client.create_experiment(problem, artifact_location=self._files)
            if experiment is None
            else experiment.experiment_id
        )
        quoted = run.key.replace("'", "")
        there = self._client.search_runs([where], f"tags.`{_TAG}` = '{quoted}'", max_results=1)
        if there:
            self._run = there[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            steps = self._client.get_metric_history(self._run, "best_training")
            return max((one.step for one in steps), default=-1)
        self._run = self._client.create_run(
            where, run_name=run.name, tags={_TAG: quoted}
        ).info.run_id
        params = [Param(name, value) for name, value in run.settings.items()]
        for at in range(0, len(params), _AT_ONCE):
            self._client.log_batch(self._run, params=params[at : at + _AT_ONCE])
        return -1

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._client.log_batch(
            self._run, metrics=[Metric(name, value, 0, step) for name, value in figures.items()]
        )

    def end(self, figures: Mapping[str, float], files: Mapping[str, Path], *, ended: bool) -> None:
        for name, value in figures.items():
            self._client.log_metric(self._run, f"final_{name}", value)
        for file in files.values():
            self._client.log_artifact(self._run, str(file))
        self._client.set_terminated(self._run, status="FINISHED" if ended else "KILLED")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
