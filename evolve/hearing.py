"""What a problem's stages pass to programs: tells the kinds of parameters without annotations.

Every training stage runs with a handle that notes the first call and ends the stage there. Only
trusted code runs: no candidate does, so nothing here rests on what one says. The same problem and
parameters give the same answer, hence it need not be stored with a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np

from evolve import tree
from evolve.evaluation import STAGE_GRACE_S, StageHung, alarm, arguments
from evolve.loading import Task
from evolve.overheard import overheard
from evolve.probes import NUMBERS, Probe, ProbeError
from evolve.tree import Given, Kind
from evolve.tree.echo import Echo
from evolve.tree.kinds import sequence_of

_SEED = 0
"""Of the draw that is looked at; what is learnt are kinds, which no draw should change."""
_MOST_LOOKED_AT = 100


class _Heard(BaseException):
    """Ends a stage that has made its call; not an Exception, so that no stage swallows it."""


class _Listener:
    """Stands for a candidate, and notes what the stage passes to which function."""

    def __init__(self) -> None:
        self.name = ""
        self.kinds: tuple[Kind, ...] = ()

    def call(self, name: str, /, *args: object) -> object:
        self.name, self.kinds = name, tuple(map(kind_of_value, args))
        raise _Heard

    def drive(self, name: str, /, *args: object) -> object:
        """What its driver makes of the arguments is not known here."""
        raise _Heard

    def behaves_as(self, behaviour: bytes) -> None:
        """Nothing has been behaving."""

    @contextmanager
    def fresh(self) -> Iterator[_Listener]:
        yield self


def listen(task: Task) -> Given:
    """Kinds of parameters, of locals and of what functions return, for the functions of all seeds.

    A stage that fails before it calls anything, or takes much longer than it may, teaches nothing;
    that is said when a seed is judged.
    """
    called: dict[str, Sequence[Kind]] = {}
    for stage in task.problem.stages:
        listener = _Listener()
        try:
            with overheard(), alarm(2 * stage.timeout_s + STAGE_GRACE_S):
                stage.function(listener, **arguments(stage, task, _SEED))
        except _Heard:
            called.setdefault(listener.name, listener.kinds)
        except (Exception, SystemExit, StageHung):  # noqa: BLE001, S112  a user's stage may raise anything
            continue
    return tree.learn(list(task.seeds().values()), called)


def doubts(task: Task, given: Given) -> list[str]:
    """Of which seeds the tree proposer makes nothing, and why, in a line each."""
    primitives = task.problem.primitives
    return [
        f"{name}: {why}"
        for name, seed in task.seeds().items()
        if (why := tree.doubt(seed, primitives, given))
    ]


def probe_fault(task: Task) -> str:
    """What is wrong with the problem's probe, as the seeds show it; "" if nothing is."""
    probe = task.problem.probe
    if not isinstance(probe, Probe):
        return ""
    echo = Echo(probe)
    for name, seed in task.seeds().items():
        text, *others = seed.files.values()
        if others:
            continue
        try:
            echo.behaviour(text)
            for number in range(NUMBERS):
                echo.worth(text, number)
        except ProbeError as error:
            return f"{task.problem.name}: {error} (asked about seed {name})"
    return ""


def kind_of_value(value: object) -> Kind:
    """What a value is; of a long sequence or dict the first items decide."""
    match value:
        case bool() | np.bool_():
            return Kind.BOOLEAN
        case int() | float() | np.integer() | np.floating():
            return Kind.NUMBER
        case str():
            return Kind.TEXT
        case np.ndarray() if value.dtype.kind == "b":
            return Kind.MASK
        case np.ndarray() if value.dtype.kind in "iuf":
            return {1: Kind.VECTOR, 2: Kind.MATRIX}.get(value.ndim, Kind.ARRAY)
        case set() | frozenset():
            numbers = all(kind_of_value(x) is Kind.NUMBER for x in islice(value, _MOST_LOOKED_AT))
            return Kind.SET if numbers else Kind.OTHER
        case list() | tuple():
            kinds = {kind_of_value(item) for item in islice(value, _MOST_LOOKED_AT)}
            return sequence_of(kinds.pop()) if len(kinds) == 1 else Kind.OTHER
        case dict() if value:
            first = islice(value.values(), _MOST_LOOKED_AT)
            numbers = all(kind_of_value(item) is Kind.NUMBER for item in first)
            return Kind.TABLE if numbers else Kind.OTHER
    return Kind.OTHER
