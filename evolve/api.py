"""Runs from Python: `open_run` reads one into data frames, a graph and plots; `run` makes one.

Frames need pandas, graphs networkx, plots matplotlib: `pip install 'evolve[notebook]'`. Values are
of the first objective, in its own sign and unit. Texts are as candidates and models wrote them.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evolve import config as configuration
from evolve import runs
from evolve.config import RunFile
from evolve.control import send
from evolve.endings import INTERRUPTED
from evolve.errors import MachineError, UsageError
from evolve.lineage import champion, objective_of
from evolve.problem import Objective
from evolve.runs import RunFolder
from evolve.session import Ended
from evolve.starting import execute, prepared
from evolve.status import Status
from islands_db import Reader, connections
from islands_db.faults import decoding

if TYPE_CHECKING:
    import networkx
    import pandas
    from matplotlib.axes import Axes

    from evolve.report.facts import Facts

_LAST_TRAINING = """
    LEFT JOIN verdicts v ON v.program = p.id AND v.split = 'training' AND v.position = (
        SELECT max(position) FROM verdicts WHERE program = p.id AND split = 'training')"""
_PROGRAMS = f"""
SELECT p.id, a.attempt, a.island, a.parent, p.generation, a.proposer, a.operator, p.length, p.rung,
    p.fitness, v.status, v.reason, p.cell, a.cost_usd, a.settled, p.hash,
    (SELECT CASE WHEN count(w.fitness) = count(*) THEN avg(w.fitness) END FROM verdicts w
        WHERE w.program = p.id AND w.split = 'validation') AS validation
FROM programs p JOIN attempts a ON a.attempt = p.attempt {_LAST_TRAINING}
ORDER BY p.id
"""  # noqa: S608
_PROPOSALS = """
SELECT attempt, island, parent, inspirations, proposer, operator, fate, reason, program,
    duplicate_of, cost_usd, propose_s, created, settled, diff
FROM attempts ORDER BY attempt
"""
_VERDICTS = """
SELECT program, split, stage, status, reason, fitness, scores, features, feedback, stderr, tier,
    wall_s, cpu_s, memory_bytes, seed
FROM verdicts ORDER BY program, position
"""


class Run:
    """A run on disk, live or ended; every call reads it as it is then.

    Attributes:
        ended: How it ended, where this process made it; else None.

    Raises:
        StoreError: the run is missing, damaged, or from a newer version.
    """

    def __init__(self, folder: RunFolder, ended: Ended | None = None) -> None:
        self._folder = folder
        self.ended = ended
        with Reader(folder.database) as reader:
            self._objective = objective_of(reader)

    def __repr__(self) -> str:
        return f"<evolve run {self.name!r} in {str(self.path.parent)!r}>"

    @property
    def name(self) -> str:
        return self._folder.name

    @property
    def path(self) -> Path:
        return self._folder.path

    @property
    def objective(self) -> Objective:
        """The first objective: its name and direction."""
        return self._objective

    @property
    def live(self) -> bool:
        """Whether a process works on it now."""
        return self._folder.in_use()

    def programs(self) -> pandas.DataFrame:
        """One row for each program, indexed by its id.

        `value` and `validation` are means of the first objective in training and validation;
        `rung` counts the stages passed, and programs compare by (rung, value). `settled` is UTC.
        """
        frame = self._frame(_PROGRAMS).set_index("id")
        frame["fitness"] *= self._sign
        frame["validation"] = frame["validation"].astype(float) * self._sign
        return _timed(_integers(frame.rename(columns={"fitness": "value"}), "parent", "rung"))

    def proposals(self) -> pandas.DataFrame:
        """One row for each attempt, indexed by its number; `fate` is missing while it is under way.

        `inspirations` holds tuples of program ids.
        """
        frame = self._frame(_PROPOSALS).set_index("attempt")
        frame["inspirations"] = [tuple(json.loads(text)) for text in frame["inspirations"]]
        return _timed(_integers(frame, "parent", "program", "duplicate_of"))

    def verdicts(self) -> pandas.DataFrame:
        """One row for each stage's verdict of a program, in the order they came.

        `scores` holds every objective and metric by name, `features` those of the archive.
        """
        frame = self._frame(_VERDICTS)
        frame["fitness"] = frame["fitness"].astype(float) * self._sign
        for name in ("scores", "features"):
            frame[name] = [json.loads(text) for text in frame[name]]
        return frame.rename(columns={"fitness": "value"})

    def lineage(self, program: int | str | None = None) -> networkx.DiGraph:
        """Who came from whom, as a graph with an edge from parent to child.

        Args:
            program: Only the line from the seed to this one: an id, the start of a hash, "best"
                (training) or "champion" (validation). By default every program of the run.

        Nodes carry `value`, `generation`, `island`, `proposer` and `operator`.
        """
        networkx = _needs("networkx")
        frame = self.programs()
        if program is not None:
            with Reader(self._folder.database) as reader:
                line = [one.id for one in reader.lineage(_found(reader, program))]
            frame = frame.loc[line]
        graph = networkx.DiGraph(name=self.name)
        columns = ["value", "generation", "island", "proposer", "operator"]
        graph.add_nodes_from(frame[columns].to_dict("index").items())
        children = frame["parent"].dropna()
        children = children[children.isin(frame.index)]
        graph.add_edges_from((int(parent), child) for child, parent in children.items())
        return graph

    def files(self, program: int | str = "champion") -> dict[str, str]:
        """A program's files, path to text; by default the champion's."""
        with Reader(self._folder.database) as reader:
            return reader.files(_found(reader, program))

    def facts(self) -> Facts:
        """All that a report of the run says, as records."""
        _needs("matplotlib")
        from evolve.report import gather

        return gather(self._folder)

    def plot(self, name: str = "evaluations", ax: Axes | None = None) -> Axes:
        """Draws one plot of the report: best so far by "evaluations", "seconds" or "dollars",
        "validation" against training, "islands", or the "archive".

        Args:
            ax: Where to; by default new axes.

        Raises:
            UsageError: the run has nothing for it yet, or there is no such plot.
        """
        _needs("matplotlib")
        from matplotlib import pyplot

        from evolve.report.drawing import styled
        from evolve.report.plots import plots

        drawable = {plot.name: plot for plot in plots(self.facts())}
        if name not in drawable:
            raise UsageError(f"{self.name} has no plot {name!r}; it has: {', '.join(drawable)}")
        with styled():
            if ax is None:
                _, ax = pyplot.subplots(figsize=drawable[name].size, layout="constrained")
            drawable[name].draw(ax)
        return ax

    def command(self, command: str, **arguments: object) -> dict[str, object]:
        """Commands the run while it is live, as `evolve control` does.

        Raises:
            UsageError: it is not live, or refuses.
        """
        return send(self._folder.socket, command, **arguments)

    @property
    def _sign(self) -> float:
        return 1.0 if self._objective.direction == "max" else -1.0

    def _frame(self, query: str) -> pandas.DataFrame:
        pandas = _needs("pandas")
        with (
            decoding(self._folder.database),
            closing(connections.connect_reader(self._folder.database)) as connection,
        ):
            return pandas.read_sql_query(query, connection)


def open_run(path: str | os.PathLike[str]) -> Run:
    """A run by the path of its folder, or by its name below `runs/`.

    Raises:
        UsageError: there is none.
        StoreError: it is damaged, or from a newer version.
    """
    return Run(runs.find(Path("runs"), os.fspath(path)))


def run(
    problem: str | os.PathLike[str],
    *,
    parameters: Mapping[str, object] | None = None,
    evals: int | None = None,
    minutes: float | None = None,
    target: float | None = None,
    config: Mapping[str, object] | None = None,
    name: str | None = None,
    folder: str | os.PathLike[str] = "runs",
    replace: bool = False,
    on_status: Callable[[Status], object] | None = None,
    on_message: Callable[[str], object] | None = None,
    **settings: object,
) -> Run:
    """Searches, and gives back the run with how it ended; also inside a notebook's event loop.

    Args:
        problem: A name, "NAME:SHORTHAND", or the path of a problem's folder, which has a slash in
            it or is a `Path`.
        config: Further tables of a run file, such as {"islands": {"count": 8}}.
        name: Of the run; a nickname by default. `replace` deletes one of that name first.
        folder: Holds the runs.
        on_status: Called with the status about four times a second; where it returns False the
            run stops, and is tested. If it raises the run ends, and can be resumed.
        on_message: Called with lines worth keeping (warnings, faults).
        settings: Further keys of a run file: seed, workers, deterministic, lag, ...

    Raises:
        EvolveError: something in it cannot be, or the problem's own code fails.
        KeyboardInterrupt: Ctrl-C, after what was under way is stored; `evolve resume` goes on.
    """
    budget = {"evals": evals, "minutes": minutes, "target": target}
    raw = dict(config or {}) | settings
    raw["budget"] = {**_table(raw, "budget"), **{k: v for k, v in budget.items() if v is not None}}
    raw["parameters"] = {**_table(raw, "parameters"), **(parameters or {})}
    reference = problem if isinstance(problem, str) else str(Path(problem).absolute())
    file: RunFile = configuration.parse({**raw, "problem": reference}, where="evolve.run")
    task, file = prepared(file, {})
    target_folder = runs.create(Path(folder), name, replace=replace)
    tell = on_message or _nothing
    with target_folder.lock():
        ended = _beside_a_loop(
            lambda: execute(
                target_folder, task, file, file.budget, unsafe=False, new=True,
                watch=on_status, tell=lambda line: (tell(line), None)[1],
            ),
            target_folder,
        )  # fmt: skip
    if ended.reason == INTERRUPTED:
        raise KeyboardInterrupt
    return Run(target_folder, ended)


def _beside_a_loop(work: Callable[[], Ended], folder: RunFolder) -> Ended:
    """Does the work here, or in a thread where this one has an event loop already (notebooks)."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return work()
    done: list[Ended] = []
    failed: list[BaseException] = []
    # not Thread.join: a KeyboardInterrupt in it makes a thread look ended (Python 3.11, 3.12)
    finished = threading.Event()

    def kept() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  raised again by the thread that waits
            failed.append(error)
        finally:
            finished.set()

    threading.Thread(target=kept, name="evolve").start()
    try:
        while not finished.wait(0.2):
            if task is not None and task.cancelling():  # what asyncio.run makes of Ctrl-C
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        told = False
        while not finished.wait(0.2):
            if not told:
                with suppress(UsageError):  # while it starts nobody listens
                    send(folder.socket, "interrupt")
                    told = True
        raise
    if failed:
        raise failed[0]
    return done[0]


def _found(reader: Reader, program: int | str) -> int:
    # "champion" as commands mean it: where nothing is validated, the best in training
    return champion(reader) if program == "champion" else reader.find(str(program))


def _table(raw: Mapping[str, object], key: str) -> dict[str, object]:
    value = raw.get(key, {})
    if not isinstance(value, Mapping):
        raise UsageError(f"evolve.run: {key}: expected a table, got {type(value).__name__}")
    return dict(value)


def _nothing(_: object) -> None:
    return None


def _needs(package: str) -> Any:
    from importlib import import_module

    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise MachineError(
            f"this needs {package}: install it with `pip install 'evolve[notebook]'`"
        ) from None


def _integers(frame: pandas.DataFrame, *names: str) -> pandas.DataFrame:
    return frame.astype(dict.fromkeys(names, "Int64"))


def _timed(frame: pandas.DataFrame) -> pandas.DataFrame:
    pandas = _needs("pandas")
    for name in {"created", "settled"} & set(frame.columns):
        frame[name] = pandas.to_datetime(frame[name], unit="s", utc=True)
    return frame
