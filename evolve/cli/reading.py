"""Commands that read a run, live or ended: ls, best, show, lineage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import click

from evolve import runs
from evolve.cli.options import json_option, print_json, runs_option
from evolve.errors import UsageError
from evolve.problem import Objective
from evolve.runs import RunFolder
from evolve.terminal import clipped, inert, number, table
from islands_db import Reader, StoredProgram, StoreError, Verdict

_SPLITS = ("training", "validation", "test")


@click.command()
@runs_option
@json_option
def ls(root: Path, as_json: bool) -> None:
    """List runs, the latest last."""
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    for folder in runs.existing(root):
        try:
            with Reader(folder.database) as reader:
                meta, counts = reader.meta, reader.counts()
                value = _champion_value(reader)
        except StoreError as error:
            data.append({"run": folder.name, "state": "damaged", "fault": str(error)})
            rows.append([folder.name, "?", "damaged", "-", "-"])
            continue
        state = "live" if folder.in_use() else "ended" if counts.attempts else "empty"
        problem = str(meta.get("problem", "?"))
        data.append(
            {"run": folder.name, "problem": problem, "state": state,
             "evaluated": counts.evaluated, "champion": value}
        )  # fmt: skip
        rows.append([folder.name, problem, state, str(counts.evaluated), number(value)])
    if as_json:
        print_json(data)
        return
    if not rows:
        click.echo(f"no runs in {root}/ yet; `evolve run bin_packing --minutes 1` starts one")
        return
    header = ["run", "problem", "state", "evaluated", "validation"]
    click.echo("\n".join(table(header, rows, right="---rr")))


@click.command()
@click.argument("name", required=False)
@click.option("--top", type=click.IntRange(min=1), help="List the best N instead.")
@runs_option
@json_option
def best(name: str | None, top: int | None, root: Path, as_json: bool) -> None:
    """The champion's program (default: of the latest run), as a file you can redirect."""
    with _run(name, root) as (folder, reader, objective):
        if top is not None:
            split = "validation" if reader.top(1, "validation") else "training"
            _list(reader, reader.top(top, split), as_json)
            return
        program = reader.program(_champion(reader))
        files = reader.files(program.id)
    if as_json:
        print_json({"run": folder.name, **_plain(program, objective), "files": files})
        return
    for path, text in files.items():
        if len(files) > 1:
            click.echo(f"# {path}")
        click.echo(inert(text, lines=True), nl=not text.endswith("\n"))


@click.command()
@click.argument("target", required=False, metavar="[RUN][:ID]")
@runs_option
@json_option
def show(target: str | None, root: Path, as_json: bool) -> None:
    """One program of a run (default: the champion): verdicts, origin, code.

    ID is a number, the start of a hash, "best" (training) or "champion" (validation).
    """
    with _program(target, root) as (folder, reader, objective, program):
        files = reader.files(program.id)
        if as_json:
            print_json({"run": folder.name, **_plain(program, objective), "files": files})
            return
        click.echo(f"program {program.id} of {folder.name}  {program.hash[:16]}")
        born = (
            f"attempt {program.attempt}, island {program.island}, generation {program.generation}"
        )
        click.echo(f"  {born}, {program.length} syntax-tree nodes")
        made = f"{program.proposer}: {program.operator}" if program.operator else program.proposer
        parent = "" if program.parent is None else f" from program {program.parent}"
        click.echo(f"  by {inert(made)}{parent}")
        click.echo("")
        rows = [_verdict_row(verdict) for verdict in program.verdicts]
        click.echo("\n".join(table(["split", "stage", "status", "values", "tier"], rows)))
        for verdict in program.verdicts:
            if verdict.reason:
                click.echo(f"  {verdict.stage}: {inert(verdict.reason)}")
            if verdict.stderr.strip():
                click.echo(f"  stderr of {verdict.stage}:\n{inert(verdict.stderr, lines=True)}")
        click.echo("")
        for path, text in files.items():
            click.echo(f"--- {path}")
            click.echo(inert(text, lines=True), nl=not text.endswith("\n"))


@click.command()
@click.argument("target", required=False, metavar="[RUN][:ID]")
@click.option("--diff", "with_diff", is_flag=True, help="With what each step changed.")
@runs_option
@json_option
def lineage(target: str | None, with_diff: bool, root: Path, as_json: bool) -> None:
    """The path from the seed to a program (default: the champion), with what each step gained."""
    from evolve.diff import unified
    from evolve.program import Program

    with _program(target, root) as (folder, reader, objective, program):
        path = reader.lineage(program.id)
        texts = [Program.of(reader.files(step.id)) for step in path]
    changes = ["", *(unified(a, b) for a, b in pairwise(texts))]
    if as_json:
        steps = [
            {**_plain(step, objective), "diff": change}
            for step, change in zip(path, changes, strict=True)
        ]
        print_json({"run": folder.name, "lineage": steps})
        return
    goal = "lower" if objective.direction == "min" else "higher"
    click.echo(
        f"{folder.name}: {len(path) - 1} steps; {objective.name} in training, {goal} is better"
    )
    before: float | None = None
    for index, step in enumerate(path):
        value = _value(step.verdicts, "training", objective)
        validation = _value(step.verdicts, "validation", objective)
        gain = "" if value is None or before is None else _gain(objective, before, value)
        beside = "" if validation is None else f"  validation {number(validation)}"
        who = (
            f"{step.proposer} {step.operator}" if step.operator != step.proposer else step.proposer
        )
        click.echo(
            f"  {step.id:>7}  {clipped(inert(who), 24):<24}  {number(value):>9} {gain:>10}{beside}"
        )
        before = value
        if with_diff and changes[index]:
            hunks = [
                line for line in changes[index].splitlines() if not line.startswith(("---", "+++"))
            ]
            click.echo(
                "\n".join(f"           {_coloured(inert(line, lines=True))}" for line in hunks)
            )
    test = _value(path[-1].verdicts, "test", objective)
    if test is not None:
        click.echo(f"  test {number(test)}")


@contextmanager
def _run(name: str | None, root: Path) -> Iterator[tuple[RunFolder, Reader, Objective]]:
    folder = runs.find(root, name or None)
    with Reader(folder.database) as reader:
        objectives = reader.meta.get("objectives")
        assert isinstance(objectives, list)
        yield folder, reader, Objective.parse(str(objectives[0]))


@contextmanager
def _program(
    target: str | None, root: Path
) -> Iterator[tuple[RunFolder, Reader, Objective, StoredProgram]]:
    name, _, id = (target or "").partition(":")
    if name.isdigit() and not id and not (root / name).exists():
        name, id = "", name  # a bare number means a program of the latest run
    with _run(name, root) as (folder, reader, objective):
        try:
            program = reader.find(id) if id else _champion(reader)
        except StoreError as error:
            raise UsageError(str(error)) from None
        yield folder, reader, objective, reader.program(program)


def _champion(reader: Reader) -> int:
    """The champion where validation has begun, else the best in training."""
    return reader.find("champion" if reader.top(1, "validation") else "best")


def _champion_value(reader: Reader) -> float | None:
    leaders = reader.top(1, "validation")
    objectives = reader.meta.get("objectives")
    if not leaders or not isinstance(objectives, list):
        return None
    return _value(leaders[0].verdicts, "validation", Objective.parse(str(objectives[0])))


def _value(verdicts: tuple[Verdict, ...], split: str, objective: Objective) -> float | None:
    found = [v.values.get(objective.name) for v in verdicts if v.split == split]
    return found[-1] if found else None


def _gain(objective: Objective, before: float, value: float) -> str:
    change = value - before
    mark = "better" if objective.better(value, before) else "worse" if change else "same"
    return f"{change:+.3g} {mark}"


def _coloured(line: str) -> str:
    if line.startswith("+"):
        return click.style(line, fg="green")
    if line.startswith("-"):
        return click.style(line, fg="red")
    return click.style(line, dim=True)


def _verdict_row(verdict: Verdict) -> list[str]:
    values = ", ".join(
        f"{name} {number(value)}" for name, value in list(verdict.values.items())[:2]
    )
    return [verdict.split, verdict.stage, verdict.status.value, values, verdict.tier]


def _list(reader: Reader, programs: list[StoredProgram], as_json: bool) -> None:
    objectives = reader.meta.get("objectives")
    assert isinstance(objectives, list)
    objective = Objective.parse(str(objectives[0]))
    if as_json:
        print_json([_plain(program, objective) for program in programs])
        return
    rows = [
        [
            str(program.id),
            *(number(_value(program.verdicts, split, objective)) for split in _SPLITS),
            str(program.length),
            clipped(program.operator, 20),
        ]
        for program in programs
    ]
    click.echo("\n".join(table(["id", *_SPLITS, "length", "by"], rows, right="rrrrr-")))


def _plain(program: StoredProgram, objective: Objective) -> dict[str, object]:
    from dataclasses import asdict

    values = {split: _value(program.verdicts, split, objective) for split in _SPLITS}
    return {**asdict(program), **values}
