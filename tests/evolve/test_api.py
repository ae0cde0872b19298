"""Runs from Python: frames, graph and plots of a run, and a run in one call."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import evolve
from evolve.errors import EvolveError, UsageError
from islands_db import Reader

from .conftest import Evolve, write_toy

pytestmark = pytest.mark.slow
NOTEBOOK = Path(__file__).parents[2] / "examples/explore.ipynb"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> evolve.Run:
    root = tmp_path_factory.mktemp("api")
    line = Evolve(root)
    write_toy(root / "toy", {})
    ended = line("run", "./toy", "--evals", 40, "--seed", 3, "--name", "a", "--deterministic")
    assert ended.code == 0, ended.err
    return evolve.open_run(root / "runs/a")


def test_frames_agree_with_the_commands(run: evolve.Run) -> None:
    line = Evolve(run.path.parents[1])
    programs = run.programs()
    shown = line("show", "a", "--json").data
    champion = programs.loc[shown["id"]]
    assert champion["value"] == shown["training"]
    assert champion["validation"] == shown["validation"]
    assert programs.loc[1]["value"] == 979, "in its own sign: the seed answers 21, not 1000"
    assert programs.loc[1].isna()["parent"]
    assert str(programs["settled"].dt.tz) == "UTC"
    proposals = run.proposals()
    assert proposals["fate"].isin(["seed", "evaluated", "duplicate", "no_op", "twin"]).any()
    assert all(isinstance(shown, tuple) for shown in proposals["inspirations"])
    assert set(proposals["program"].dropna()) == set(programs.index)
    verdicts = run.verdicts()
    assert {"training", "validation", "test"} == set(verdicts["split"])
    assert verdicts.loc[0, "scores"] == {"distance": 979.0}
    assert verdicts.loc[0, "value"] == 979.0


def test_lineage_is_a_graph_of_parents_and_children(run: evolve.Run) -> None:
    import networkx

    whole = run.lineage()
    assert networkx.is_forest(whole.to_undirected())
    assert len(whole) == len(run.programs())
    told = Evolve(run.path.parents[1])("lineage", "a", "--json").data["lineage"]
    assert isinstance(told, list)
    line = run.lineage("champion")
    assert list(networkx.topological_sort(line)) == [step["id"] for step in told]
    assert line.nodes[1]["value"] == 979.0


def test_plots_return_axes(run: evolve.Run) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    ax = run.plot("evaluations")
    assert ax.get_ylabel() == "distance"
    _, mine = pyplot.subplots()
    assert run.plot("islands", ax=mine) is mine
    with pytest.raises(UsageError, match="no plot 'x'; it has: evaluations"):
        run.plot("x")
    pyplot.close("all")


def test_a_missing_run_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        evolve.open_run(tmp_path / "nothing")


SCRIPT = """
import json, sys, threading
import evolve

seen = []
def watch(status):
    seen.append(status.evaluated)
    assert threading.current_thread() is threading.main_thread()
    return status.evaluated < 60 if {stop} else None

run = evolve.run("./toy", name="p", parameters={{"goal": 500}}, seed=1, workers=1, on_status=watch,
                 {budget})
print(json.dumps([run.name, run.ended.reason, run.programs()["value"].max(), len(seen)]))
"""


def _scripted(folder: Path, script: str) -> list[object]:
    write_toy(folder / "toy", {})
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_run_is_one_call(tmp_path: Path) -> None:
    name, reason, worst, calls = _scripted(tmp_path, SCRIPT.format(stop=False, budget="evals=30"))
    assert [name, reason] == ["p", "30 evaluations used"]
    assert isinstance(worst, float)
    assert worst >= 479, "the parameter reached the problem: the seed answers 21"
    assert isinstance(calls, int)
    assert calls >= 1
    assert Evolve(tmp_path)("resume", "p", "--evals", 40).code == 0, "an ordinary run"


def test_a_callback_may_stop_the_run(tmp_path: Path) -> None:
    script = SCRIPT.format(stop=True, budget="minutes=1")
    _, reason, _, _ = _scripted(tmp_path, script)
    assert reason == "stopped by the caller"


INTERRUPTED = """
import gc, json, os, signal
import evolve

told, terminated = [], []
signal.signal(signal.SIGTERM, lambda *_: terminated.append(1))
before = gc.get_threshold()

def watch(status):
    if status.evaluated > 3 and not told:
        told.append(1)
        os.kill(os.getpid(), signal.SIGINT)

try:
    evolve.run("./toy", minutes=1, workers=1, name="p", on_status=watch)
    ended = "returned"
except KeyboardInterrupt:
    ended = "interrupted"
os.kill(os.getpid(), signal.SIGTERM)
print(json.dumps([ended, terminated, gc.get_threshold() == before, gc.get_freeze_count()]))
"""


def test_an_interrupted_script_is_interrupted_and_has_its_own_settings_back(
    tmp_path: Path,
) -> None:
    assert _scripted(tmp_path, INTERRUPTED) == ["interrupted", [1], True, 0]


def test_a_run_inside_an_event_loop(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", {})

    async def cell() -> evolve.Run:
        return evolve.run(tmp_path / "toy", evals=20, workers=1, folder=tmp_path / "runs")

    ended = asyncio.run(cell()).ended
    assert ended is not None
    assert ended.reason == "20 evaluations used"


def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", {})
    for wrong in (
        {"problem": tmp_path / "nowhere"},
        {"problem": tmp_path / "toy", "evals": 0},
        {"problem": tmp_path / "toy", "wrokers": 2},
        {"problem": tmp_path / "toy", "config": {"budget": 3}},
        {"problem": tmp_path / "toy", "parameters": {"gaol": 3}},
    ):
        with pytest.raises(EvolveError):
            evolve.run(folder=tmp_path / "runs", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(NOTEBOOK, as_version=4)
    kernel = tmp_path / "kernels/here"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "here", "language": "python"})
    )
    client = NotebookClient(book, timeout=400, kernel_name="here", resources={
        "metadata": {"path": str(tmp_path)}})  # fmt: skip
    from jupyter_client.kernelspec import KernelSpecManager

    client.create_kernel_manager()
    assert client.km is not None
    client.km.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")])
    client.execute()
    pictures = [
        output
        for cell in book.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert pictures, "its plots are drawn"


CELL = """
import asyncio, evolve, sys

async def cell():
    return evolve.run("./toy", name="cut", workers=1, on_status=watch)

def watch(status):
    if status.evaluated > 10:
        print("searching", flush=True)

asyncio.run(cell()) if sys.argv[1] == "run" else asyncio.new_event_loop().run_until_complete(cell())
"""


@pytest.mark.parametrize("how", ["run", "as notebooks do"])
def test_interrupting_a_cell_interrupts_its_run(tmp_path: Path, how: str) -> None:
    write_toy(tmp_path / "toy", {})
    cell = subprocess.Popen(
        [sys.executable, "-c", CELL, how], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert cell.stdout is not None
    assert cell.stdout.readline() == "searching\n"
    cell.send_signal(signal.SIGINT)
    _, errors = cell.communicate(timeout=400)
    assert "KeyboardInterrupt" in errors, "as Python tells whoever runs the cell"
    assert Evolve(tmp_path)("resume", "cut", "--evals", 40).code == 0
    with Reader(tmp_path / "runs/cut/run.db") as reader:
        assert [event.kind for event in reader.events("interrupt")] == ["interrupt"]
