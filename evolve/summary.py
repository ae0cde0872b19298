"""What is said at the end of a run: the test score, what it stands beside, how to go on."""

from __future__ import annotations

import shlex
from fractions import Fraction
from pathlib import Path

import click

from evolve.closing import TestResult
from evolve.commands import INTERRUPTED
from evolve.drafting import SEED
from evolve.lineage import unvalidated
from evolve.live import market, money, waste
from evolve.loading import Task
from evolve.problem import Objective
from evolve.runs import RunFolder
from evolve.session import Ended
from evolve.standing import standings
from evolve.status import Status
from evolve.terminal import clipped, duration, inert, number, telling, wrapped
from islands_db import Reader

_FIGURE = 13
"""Columns of a figure in the table of the test."""
_REASON_SHOWN = 400


def plain_summary(folder: RunFolder, ended: Ended) -> dict[str, object]:
    """The end of a run as JSON data."""
    name = ended.status.objective
    test: dict[str, object] | None = None
    if ended.test is not None:
        test = {
            "seed": ended.test.seed,
            "status": ended.test.champion.status.value,
            "champion": ended.test.champion.values.get(name),
            "exact": ended.test.champion.exact.get(name),
            "metrics": dict(ended.test.champion.values),
            "seed_program": _value(ended.test, name),
            "baselines": {b.name: b.values.get(name) for b in ended.test.baselines},
        }
    return {
        "run": folder.name,
        "path": str(folder.path),
        "ended": ended.reason,
        "champion": None if ended.standing is None else ended.standing.program,
        "champion_value": None if ended.standing is None else ended.standing.value,
        "champion_split": ended.status.champion_split,
        "unvalidated": _unvalidated(folder) if ended.standing is None else "",
        "test": test,
        "certificate": str(folder.certificate) if folder.certificate.exists() else None,
        "longest_block_ms": round(ended.longest_block_ms, 2),
        "status": ended.status.plain(),
    }


def print_summary(
    folder: RunFolder, task: Task, ended: Ended, root: Path, *, below_panel: bool = False
) -> None:
    """The end of a run for a person; below the live panel nothing of it is said again."""
    objective = task.problem.objectives[0]
    status = ended.status
    at = "" if root == Path("runs") else f" --runs {inert(shlex.quote(str(root)))}"
    name = inert(folder.name)
    click.echo("")
    click.echo(
        f"{name}: {ended.reason}; {_count(status.evaluated, 'program')} evaluated "
        f"in {duration(status.elapsed_s)} ({_count(status.attempts, 'proposal')})"
    )
    if not below_panel:
        _print_panel(status)
    if status.tier == "none":
        click.echo("  every verdict is marked: run without a sandbox, data could have been forged")
    if ended.reason == INTERRUPTED:
        click.echo(f"  everything is stored; go on with: evolve resume {name}{at}")
    if ended.standing is None:
        why = _unvalidated(folder) or "no valid program yet"
        click.echo(wrapped(f"  {clipped(inert(why), _REASON_SHOWN)}", indent=4))
        return
    if ended.test is not None and ended.test.champion.values:
        _print_test(task, ended.test, objective)
    else:
        click.echo(
            f"  champion: program {ended.standing.program}, "
            f"{objective.name} {number(ended.standing.value)} in {status.champion_split}"
        )
    if _is_seed(folder, ended.standing.program):
        click.echo("  the champion is the seed program: nothing better was found")
    click.echo("")
    click.echo(f"  its code          evolve best {name}{at}")
    click.echo(f"  where it is from  evolve lineage {name}{at} --diff")
    if folder.certificate.exists():
        click.echo(f"  check the claim   evolve verify {inert(_near(folder.certificate))}")


def _print_panel(status: Status) -> None:
    for line in [*market(status), *money(status)]:
        click.echo(f"  {inert(line)}")
    if spilt := waste(status):
        click.echo(f"  wasted: {spilt}")
    if status.alarm:
        click.echo(f"  ALARM: {status.alarm}")


def _unvalidated(folder: RunFolder) -> str:
    with Reader(folder.database) as reader:
        return unvalidated(reader)


def _is_seed(folder: RunFolder, program: int) -> bool:
    with Reader(folder.database) as reader:
        return reader.program(program).proposer == SEED


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _print_test(task: Task, test: TestResult, objective: Objective) -> None:
    name = objective.name
    value = test.champion.values[name]
    goal = "lower" if objective.direction == "min" else "higher"
    click.echo("")
    click.echo(f"  {name} ({goal} is better) in the test, made once after the search")
    rows: list[tuple[str, float, str]] = [("champion", value, "this run")]
    seed_value = _value(test, name)
    if seed_value is not None:
        rows.append(("the seed program", seed_value, "same test"))
    rows += [(b.name, b.values[name], "same test") for b in test.baselines if name in b.values]
    records = [
        r for r in task.problem.known_records(task.parameters) if r.objective in (None, name)
    ]
    figures = [figure for _, figure, _ in rows]
    digits = telling([*figures, *(float(record.value) for record in records)])
    for label, figure, note in rows:
        click.echo(f"    {inert(label):<34} {number(figure, digits):>{_FIGURE}}  {note}")
    if not records:
        return
    click.echo("  published values, as their sources measured them")
    for record in records:
        label = clipped(inert(record.who), 34)
        note = "  claimed" if record.claimed else ""
        click.echo(f"    {label:<34} {number(float(record.value), digits):>{_FIGURE}}{note}")
        click.echo(f"      {clipped(inert(record.source), 72)}")
    exact = Fraction(test.champion.exact[name])
    for found in standings([objective], {name: exact}, records):
        who = clipped(inert(found.best.who), 34)
        click.echo(f"  the champion is {found.word} the best known ({who})")


def _value(test: TestResult, name: str) -> float | None:
    return None if test.seed_program is None else test.seed_program.values.get(name)


def _near(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the current folder has gone
        return str(path)
