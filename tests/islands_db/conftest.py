from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from islands_db import (
    Fate,
    Outcome,
    Placement,
    ProgramText,
    Sample,
    Settings,
    Status,
    Store,
    Verdict,
)
from islands_db.pool import Clusters, Columns

SCRIPT = Path(__file__).with_name("scripted.py")


class Run:
    """A store with short ways to let attempts happen in it."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.store = Store.create(path, settings=settings, meta={})
        self.next = 0

    def begin(self, *, parent: int | None = None, island: int = 0, **fields: object) -> int:
        attempt = self.next
        self.next += 1
        sample = Sample(
            attempt=attempt, island=island, parent=parent, **{"proposer": "tree", **fields}
        )
        self.store.begin(sample)
        return attempt

    def settle(self, outcome: Outcome, **fields: object) -> Placement:
        return self.store.settle(self.begin(**fields), outcome)

    def add(
        self, text: str, fitness: float | None, *, seed: bool = False, **fields: object
    ) -> Placement:
        """Stores a program of one file; what belongs to the sample goes to the sample."""
        sample = {
            key: fields.pop(key)
            for key in ("parent", "island", "proposer", "inspirations")
            if key in fields
        }
        fate = Fate.SEED if seed else Fate.EVALUATED
        return self.settle(evaluated(text, fitness, fate=fate, **fields), **sample)

    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.path)


def program(text: str, *, length: int = 5, syntax: str | None = None) -> ProgramText:
    digest = sha256(text.encode()).hexdigest()
    tree = sha256((syntax or text).encode()).hexdigest()
    return ProgramText(hash=digest, syntax_hash=tree, files={"program.py": text}, length=length)


def evaluated(
    text: str,
    fitness: float | None,
    *,
    rung: int = 1,
    length: int = 5,
    fate: Fate = Fate.EVALUATED,
    features: Mapping[str, float] | None = None,
    **fields: object,
) -> Outcome:
    return Outcome(
        fate=fate,
        program=program(text, length=length),
        rung=rung,
        fitness=fitness,
        features=features or {},
        **fields,
    )


def verdict(stage: str = "exact", split: str = "training", **fields: object) -> Verdict:
    return Verdict(stage=stage, split=split, **{"status": Status.OK, **fields})


def columns(
    fitness: list[float],
    *,
    rung: list[int] | None = None,
    cell: list[int] | None = None,
    joined: list[int] | None = None,
    elite: list[bool] | None = None,
    program: list[int] | None = None,
    signature: list[int] | None = None,
    length: list[int] | None = None,
    objectives: list[list[float]] | None = None,
    parent: list[int] | None = None,
    tries: list[int] | None = None,
    failures: list[int] | None = None,
    cases: list[list[float]] | None = None,
) -> Columns:
    size = len(fitness)
    ranks, signatures = rung or [1] * size, signature or [0] * size
    keys = [
        (r, s) if s else (-1, slot)
        for slot, (r, s) in enumerate(zip(ranks, signatures, strict=True))
    ]
    names = list(dict.fromkeys(keys))
    heads = [keys.index(name) for name in names]
    return Columns(
        program=np.array(program or range(1, size + 1), np.int64),
        rung=np.array(ranks, np.int64),
        fitness=np.array(fitness, np.float64),
        length=np.array(length or [5] * size, np.int64),
        cell=np.array(cell or range(size), np.int64),
        signature=np.array(signatures, np.int64),
        joined=np.array(joined or range(size), np.int64),
        elite=np.array(elite or [False] * size, np.bool_),
        parent=np.array(parent or [0] * size, np.int64),
        tries=np.array(tries or [0] * size, np.int64),
        failures=np.array(failures or [0] * size, np.int64),
        cluster=np.array([names.index(key) for key in keys], np.int64),
        objectives=np.array(objectives or np.zeros((size, 0)), np.float64),
        features=np.zeros((size, 0)),
        cases=np.array(
            [np.array(one, "<f4").tobytes() for one in cases or [[]] * size], np.object_
        ),
        clusters=Clusters(
            rung=np.array([ranks[head] for head in heads], np.int64),
            fitness=np.array([fitness[head] for head in heads], np.float64),
        ),
    )


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    return SimpleNamespace(program=program, evaluated=evaluated, verdict=verdict, columns=columns)


@pytest.fixture
def new_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def create(**settings: object) -> Run:
        run = Run(tmp_path / f"run{len(runs)}.db", Settings(**settings))
        runs.append(run)
        return run

    yield create
    for run in runs:
        run.store.close()


@pytest.fixture
def run(new_run: Callable[..., Run]) -> Run:
    return new_run(islands=2)


@pytest.fixture(scope="session")
def scripted() -> SimpleNamespace:
    """The functions of scripted.py, and its path for running it as a program."""
    return SimpleNamespace(path=SCRIPT, **runpy.run_path(str(SCRIPT), run_name="scripted"))
