"""Successive halving: by rank within a stage, and the same whatever the timing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.halving import Halving
from islands_db import Reader, fingerprint

if TYPE_CHECKING:
    from conftest import Evolve

VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), max_size=30)


@given(VALUES, st.sampled_from([0.0, 1.5, 3.0]), st.integers(2, 4))
def test_one_in_eta_goes_on_and_of_equals_the_earlier(
    values: list[float], newcomer: float, eta: int
) -> None:
    halving = Halving(eta, lag=None)
    for attempt, value in enumerate(values):
        halving.note(attempt, "first", value)
        halving.note(attempt, "other", 99.0)
    rank = 1 + sum(value >= newcomer for value in values)
    total = len(values) + 1
    expected = total < eta or rank <= total // eta
    assert halving.promotes(len(values), "first", newcomer) is expected


@given(VALUES, st.integers(1, 5), st.integers(2, 3))
def test_in_order_only_what_is_stored_whatever_the_timing_counts(
    values: list[float], lag: int, eta: int
) -> None:
    # attempt k is judged when k - lag to k - 1 attempts have been told of: all must agree
    answers = []
    for ahead in range(lag):
        halving, said = Halving(eta, lag=lag), []
        told = 0
        for attempt, value in enumerate(values):
            while told <= min(attempt - lag + ahead, attempt - 1):
                halving.note(told, "first", values[told])
                told += 1
            said.append(halving.promotes(attempt, "first", value))
        answers.append(said)
    assert all(said == answers[0] for said in answers)


CASCADE = (
    "@problem.validation(timeout_s=2.0, memory_mb=256)",
    """@problem.stage(timeout_s=2.0, memory_mb=256)
def closer(candidate, *, goal):
    return close(candidate, goal=goal)


@problem.validation(timeout_s=2.0, memory_mb=256)""",
)


@pytest.mark.slow
def test_a_run_halves_its_cascade_the_same_for_any_number_of_workers(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    toy = variant("toy", CASCADE)
    file = evolve.folder / "run.toml"
    file.write_text(f'problem = "{toy}"\nseed = 4\nlag = 6\n[evaluation]\nhalving = 3\n')
    for name, workers in (("one", 1), ("three", 3)):
        command = ("run", "--config", file, "--deterministic", "--workers", workers)
        ended = evolve(*command, "--evals", 60, "--name", name)
        assert ended.code == 0, ended.err
    runs = [evolve.folder / "runs" / name / "run.db" for name in ("one", "three")]
    assert fingerprint(runs[0]) == fingerprint(runs[1])
    with Reader(runs[0]) as reader:
        stages = [stage for _, stage, _ in reader.stage_values()]
        assert reader.program(1).rung == 2
        ranks = {reader.program(n).rung for n in range(2, stages.count("close"))}
    assert ranks == {0, 2}
    assert 2 < stages.count("closer") < 0.75 * stages.count("close")


def test_halving_without_a_second_stage_is_refused(evolve: Evolve, toy: Path) -> None:
    file = evolve.folder / "run.toml"
    file.write_text(f'problem = "{toy}"\n[evaluation]\nhalving = 3\n')
    assert "has one stage" in evolve("run", "--config", file).one_line
    file.write_text(f'problem = "{toy}"\n[evaluation]\nhalving = 1\n')
    assert "lets everything pass" in evolve("run", "--config", file).one_line
