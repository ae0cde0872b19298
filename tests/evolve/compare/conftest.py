"""Traces of runs that never were, for what only reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evolve.compare import Trace
from evolve.compare import plan as plans


@pytest.fixture
def plan(tmp_path: Path, toy: Path) -> Callable[..., Path]:
    """Writes a plan on the toy problem; keywords replace its keys, None leaves one out."""

    def write(name: str = "plan.toml", more: str = "", **keys: str | None) -> Path:
        given = {
            "problems": '[{problem = "./toy", target = 900}]',
            "methods": '["default", "best_of_n"]',
            "seeds": "2",
            "budget": "{evals = 25}",
            **keys,
        }
        file = tmp_path / name
        lines = [f"{key} = {value}" for key, value in given.items() if value is not None]
        file.write_text("\n".join(lines) + "\n" + more)
        return file

    return write


@pytest.fixture
def traces() -> Callable[..., list[Trace]]:
    """Traces of a whole plan; `value(method, problem, seed)` is where each run ends."""

    def make(comparison: plans.Comparison, value: Callable[[str, str, int], float]) -> list[Trace]:
        return [
            Trace(
                method=cell.method,
                problem=cell.problem,
                seed=cell.seed,
                steps=[(1.0, 979.0), (5.0, value(cell.method, cell.problem, cell.seed))],
                spent=25.0,
                final=value(cell.method, cell.problem, cell.seed),
                split="test",
                fates={"seed": 1, "evaluated": 24, "duplicate": 5},
            )
            for cell in comparison.cells
        ]

    return make
