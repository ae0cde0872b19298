"""`evolve compare` as its user sees it: to its end, killed, changed, faulty."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Evolve


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(p) for p in (task / "children").read_text().split()]
    return found + [grand for child in found for grand in children(child)]


def traced(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text() for file in folder.rglob("traces/**/*.json")
    }


@pytest.mark.slow
def test_a_comparison_killed_and_taken_up_ends_as_one_that_was_not(
    evolve: Evolve, plan: Callable[..., Path]
) -> None:
    file = plan(measure='"to_target"')
    ended = evolve("compare", file, "--jobs", 2, "--discard")
    assert ended.code == 0, ended.err
    assert "4 of 4 runs" in ended.out
    assert "control: labels permuted" in ended.out
    whole = evolve.folder / "comparisons" / "plan"
    assert len(traced(whole)) == 4
    assert not list(whole.glob("runs/*/*/*/run.db"))
    results = json.loads((whole / "results.json").read_text())
    assert results["runs"] == 4
    assert (whole / "curves.svg").read_text().startswith("<?xml")
    assert (whole / "curves.png").read_bytes().startswith(b"\x89PNG")

    cut = evolve.folder / "cut"
    process = evolve.start("compare", file, "--jobs", 1, "--out", cut)
    deadline = time.monotonic() + 60
    while not list(cut.glob("runs/*/*/*/run.db")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    family = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert family
    while any(Path(f"/proc/{pid}/stat").exists() and not zombie(pid) for pid in family):
        assert time.monotonic() < deadline, "helpers outlive the comparison"
        time.sleep(0.02)
    again = evolve("compare", file, "--out", cut, "--json")
    assert again.code == 0, again.err
    assert again.data == results
    assert traced(cut) == traced(whole)
    assert list(cut.glob("runs/*/*/*/run.db"))


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


@pytest.mark.slow
def test_what_was_fixed_stays_fixed(evolve: Evolve, plan: Callable[..., Path], toy: Path) -> None:
    file = plan()
    assert evolve("compare", file, "--show").code == 0
    assert "not tested: 4 of 4 runs" in evolve("compare", file, "--show").out
    text = file.read_text()
    file.write_text(text + "alpha = 0.5\n")
    refused = evolve("compare", file)
    assert refused.code == 2
    assert "has changed since the first run" in refused.one_line
    file.write_text(text)
    (toy / "seed.py").write_text((toy / "seed.py").read_text() + "\n")
    refused = evolve("compare", file)
    assert refused.code == 2
    assert "problem toy: toy/seed.py has changed" in refused.one_line
    (evolve.folder / "comparisons" / "plan" / "plan.json").write_text("{")
    assert "is damaged" in evolve("compare", file).one_line


@pytest.mark.slow
def test_a_problem_that_fails_ends_the_comparison_with_its_line(
    evolve: Evolve, plan: Callable[..., Path], toy: Path
) -> None:
    (toy / "seed.py").write_text((toy / "seed.py").read_text().replace("3 * 7", "None"))
    ended = evolve("compare", plan(), "--jobs", 1)
    assert ended.code == 3
    assert "gave no result, the last: seed seed.py fails" in ended.one_line
    shown = evolve("compare", plan(), "--show")
    assert shown.code == 1
    assert "no result: default on toy" in shown.out


def test_a_dry_run_says_what_it_comes_to_and_makes_nothing(
    evolve: Evolve, plan: Callable[..., Path]
) -> None:
    ended = evolve("compare", plan(seeds="20"), "--dry-run")
    assert ended.out == (
        "2 methods x 1 problems x 20 seeds: 40 runs of 25 evaluations, 1000 evaluations in all\n"
    )
    problems = '["./toy", {problem = "./toy", name = "dear", seeds = 5}]'
    ended = evolve("compare", plan(seeds="20", problems=problems), "--dry-run")
    assert ended.out == (
        "2 methods x 2 problems x 5 to 20 seeds: 50 runs of 25 evaluations, 1250 evaluations in "
        "all\n"
    )
    assert not (evolve.folder / "comparisons").exists()


def test_a_plan_that_can_find_nothing_is_noted_before_anything_runs(
    evolve: Evolve, plan: Callable[..., Path]
) -> None:
    file = plan(seeds="3", budget="{evals = 2}")
    noted = "note: nothing can come out significant: with 3 seeds no p is below 0.1, "
    ended = evolve("compare", file, "--dry-run")
    assert ended.code == 0
    assert " ".join(ended.out.splitlines()[1:3]).startswith(noted)
    ended = evolve("compare", file, "--jobs", 1, "--json")
    assert ended.code == 0, ended.err
    assert " ".join(ended.err.splitlines()[:2]).startswith(noted)
    assert ended.data["runs"] == 6
