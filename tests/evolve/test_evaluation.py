"""One program through a problem's stages, in a real sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evolve.evaluation import judge
from evolve.loading import Task, load
from evolve.messages import Judged
from evolve.problem import SplitKind
from evolve.worker import open_sandbox
from islands_db import Status

Judges = Callable[..., Judged]


@contextmanager
def judging(folder: Path) -> Iterator[Judges]:
    task: Task = load(str(folder), {})
    with open_sandbox(task) as sandbox:

        def run(text: str, **options: object) -> Judged:
            files = {"program.py": text}
            return judge(task, sandbox, files, split=SplitKind.TRAINING, seed=1, **options)  # type: ignore[arg-type]

        yield run


@pytest.fixture
def careless(variant: Callable[..., Path]) -> Path:
    """The toy problem with a stage that takes any failure for the answer 0."""
    return variant(
        "toy",
        (
            'found = candidate.call("answer")',
            """try:
        found = candidate.call("answer")
    except Exception:
        found = 0
    candidate.behaves_as(repr(found).encode())""",
        ),
    )


def test_a_twin_is_not_judged_and_anything_else_is(careless: Path) -> None:
    asked: list[int] = []

    def known(behaviour: int) -> int | None:
        asked.append(behaviour)
        return 7 if len(asked) == 2 else None

    with judging(careless) as run:
        first = run("def answer(): return 5", known=known)
        second = run("def answer(): return 2 + 3", known=known)
        third = run("def answer(): return 6", known=known)
    assert (first.behaviour, first.twin_of, first.fitness) == (asked[0], None, -995)
    assert (second.behaviour, second.twin_of, second.verdicts) == (asked[0], 7, ())
    assert asked[0] == asked[1] != asked[2]
    assert third.fitness == -994


def test_a_failed_candidate_shows_no_behaviour_whatever_its_stage_makes_of_it(
    careless: Path,
) -> None:
    with judging(careless) as run:
        for known in (None, lambda _: 7):
            failed = run("def answer(): return 1 // 0", known=known)
            assert failed.verdicts[-1].status is Status.CRASH
            assert (failed.behaviour, failed.twin_of) == (None, None)
