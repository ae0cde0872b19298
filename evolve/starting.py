"""From a configuration to a run under way: what the command line and `evolve.run` share."""

from __future__ import annotations

import asyncio
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from evolve import config as configuration
from evolve.config import Budget, RunFile, weights
from evolve.consulting import Consulting
from evolve.cores import usable_cores
from evolve.errors import EvolveError, UsageError, first_leaf, nearest
from evolve.loading import Task, available, load
from evolve.proposers import REGISTRY
from evolve.randomness import unforeseen
from evolve.recording import Recording
from evolve.runs import RunFolder
from evolve.session import Ended, Session
from evolve.status import Status
from islands_db import Reader, StoreError


def prepared(config: RunFile, settings: Mapping[str, str]) -> tuple[Task, RunFile]:
    """The problem of a configuration, and the configuration with nothing left open.

    Args:
        settings: Parameters as text, which win over those of the configuration.

    Raises:
        EvolveError: something in it cannot be; nothing has been made yet.
    """
    configuration.check_search(config)
    for name in config.proposers:
        if name not in REGISTRY:
            raise UsageError(f"no proposer {name!r}; {nearest(name, list(REGISTRY))}")
    parameters = {k: _text(v) for k, v in config.parameters.items()}
    task = load(config.problem, {**parameters, **settings})
    named = config.problem.partition(":")[0]
    config = configuration.resolved(
        config,
        problem=named if named in available() else str(task.problem.folder),
        parameters=task.parameters,
        cores=len(usable_cores()),
        seed=unforeseen(),
    )
    weights(config)
    _check_halving(config, task)
    return task, config


def execute(
    folder: RunFolder,
    task: Task,
    config: RunFile,
    limits: Budget,
    *,
    unsafe: bool,
    new: bool,
    watch: Callable[[Status], object] | None,
    tell: Callable[[str], None],
    recording: Recording | None = None,
    started_from: Mapping[str, Mapping[str, str]] | None = None,
) -> Ended:
    """Works on a run whose lock the caller holds, until it ends.

    A new one that fails before it has stored a program leaves no folder behind.

    Args:
        started_from: Programs of other runs to begin with, their files by name.
        watch: Called a few times a second; where it returns False the run stops.

    Raises:
        EvolveError: one line for the user.
        KeyboardInterrupt: a signal came before the search had begun.
    """
    if new:
        folder.config.write_text(_toml(configuration.plain(config)), encoding="utf-8")
    session = Session(
        folder=folder,
        task=task,
        config=config,
        limits=limits,
        unsafe=unsafe,
        watch=watch,
        tell=tell,
        models=Consulting(config=config, recording=recording, tell=tell),
        origins=started_from or {},
    )
    try:
        return _finished(session, new=new)
    except (EvolveError, KeyboardInterrupt):
        if new:
            _drop_if_empty(folder)
        raise


def _finished(session: Session, *, new: bool) -> Ended:
    try:
        with _handlers_kept(), asyncio.Runner(loop_factory=session.blocks.loop) as runner:
            return runner.run(session.run(new=new))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # a signal before the search had begun
    except BaseExceptionGroup as errors:
        raise first_leaf(errors) from None


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """The caller has its own signal handlers again afterwards; a loop leaves the defaults."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python
                signal.signal(number, handler)


def _drop_if_empty(folder: RunFolder) -> None:
    try:
        with Reader(folder.database) as reader:
            if reader.counts().programs:
                return
    except StoreError:
        pass
    shutil.rmtree(folder.path, ignore_errors=True)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _toml(data: Mapping[str, object]) -> str:
    return msgspec.toml.encode(_without_none(data)).decode()


def _without_none(value: object) -> object:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(entry) for entry in value]
    return value


def _check_halving(config: RunFile, task: Task) -> None:
    eta, stages = config.evaluation.halving, len(task.problem.stages)
    if eta == 1:
        raise UsageError("evaluation.halving = 1 lets everything pass; 0 for none, or 2 and more")
    if eta and stages < 2:
        raise UsageError(
            f"evaluation.halving decides who goes on to the next stage, and {task.problem.name} "
            "has one stage; set it to 0"
        )
