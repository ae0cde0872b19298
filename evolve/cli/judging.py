"""The command that judges: evaluate (one program file)."""

from __future__ import annotations

from pathlib import Path

import click

from evolve.cli.options import json_option, print_json, set_option, settings_of, unsafe_option
from evolve.errors import FaultError, UsageError
from evolve.terminal import inert, number, table


@click.command()
@click.argument("problem")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--split", type=click.Choice(["training", "validation", "test"]), default="training",
    show_default=True, help="Which draw.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Its seed.")
@set_option
@unsafe_option
@json_option
def evaluate(
    problem: str,
    file: Path,
    split: str,
    seed: int,
    settings: tuple[str, ...],
    unsafe: bool,
    as_json: bool,
) -> int:
    """Judge one program FILE by PROBLEM's stages and print its verdict. Exit code 1: not valid."""
    from evolve.apart import apart
    from evolve.evaluation import judge, stages_of
    from evolve.loading import load, program_in
    from evolve.messages import Judged
    from evolve.problem import SplitKind
    from evolve.worker import open_sandbox
    from islands_db import Status

    program = program_in(file)
    kind = SplitKind(split)

    def judged_by_stages() -> Judged:
        task = load(problem, settings_of(settings))
        if not stages_of(task, kind):
            raise UsageError(f"{task.problem.name} has no {split} evaluation")
        with open_sandbox(task, unsafe=unsafe) as sandbox:
            return judge(task, sandbox, dict(program.files), split=kind, seed=seed)

    judged = apart(judged_by_stages)
    last = judged.verdicts[-1]
    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "program": program.hash,
                "valid": last.status is Status.OK,
                "rung": judged.rung,
                "verdicts": [asdict(verdict) for verdict in judged.verdicts],
            }
        )
    else:
        rows = [
            [v.stage, v.status.value, ", ".join(f"{k} {number(x, 6)}" for k, x in v.values.items()),
             f"{v.wall_s:.3f} s", v.tier]
            for v in judged.verdicts
        ]  # fmt: skip
        click.echo("\n".join(table(["stage", "status", "values", "wall", "tier"], rows)))
        if last.reason:
            click.echo(f"{last.status.value}: {inert(last.reason)}")
        if last.stderr.strip():
            click.echo(inert(last.stderr, lines=True))
    if last.status is Status.EVALUATOR_ERROR:
        raise FaultError(last.reason)
    return 0 if last.status is Status.OK else 1
