"""Commands for whoever writes a problem: problems, new, check."""

from __future__ import annotations

from pathlib import Path

import click

from evolve.cli.options import json_option, print_json, set_option, settings_of, unsafe_option
from evolve.terminal import inert, table, wrapped


@click.command()
@json_option
def problems(as_json: bool) -> None:
    """List the problems that have a name here."""
    from evolve.errors import EvolveError
    from evolve.loading import available, load

    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    for name, folder in available().items():
        try:
            problem = load(name).problem
        except EvolveError as error:
            data.append({"problem": name, "folder": str(folder), "fault": str(error)})
            rows.append([name, "does not load", str(error)])
            continue
        objective = problem.objectives[0]
        parameters = {k: v if isinstance(v, tuple) else (v,) for k, v in problem.parameters.items()}
        data.append(
            {
                "problem": name,
                "folder": str(folder),
                "objective": f"{objective.direction} {objective.name}",
                "parameters": {k: [str(x) for x in v] for k, v in parameters.items()},
                "shorthand": problem.shorthand,
            }
        )
        rows.append([name, f"{objective.direction} {objective.name}", ""])
        rows += [["", f"  {k}", " | ".join(map(str, v))] for k, v in parameters.items()]
    if as_json:
        print_json(data)
        return
    click.echo("\n".join(table(["problem", "objective, parameters", "values"], rows)))
    click.echo("\nYour own: `evolve new NAME` writes a folder, `evolve run ./NAME` runs it.")


@click.command()
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path), default=Path(), help="Where to put it.")
@json_option
def new(name: str, into: Path, as_json: bool) -> None:
    """Write a problem folder NAME that runs as it stands."""
    from evolve.authoring import write_problem

    folder = write_problem(name, into)
    if as_json:
        print_json({"folder": str(folder), "files": sorted(p.name for p in folder.iterdir())})
        return
    shown = folder if folder.is_absolute() else f"./{folder}"
    click.echo(f"wrote {shown}: " + ", ".join(sorted(p.name for p in folder.iterdir())))
    click.echo(f"  evolve check {shown}            is it sound?")
    click.echo(f"  evolve run {shown} --minutes 1  evolve it")


@click.command()
@click.argument("problem")
@set_option
@unsafe_option
@json_option
def check(problem: str, settings: tuple[str, ...], unsafe: bool, as_json: bool) -> int:
    """Say whether PROBLEM is sound, and what a run would cost. Exit code 1: it is not.

    Runs each seed five times, feeds the stages the known-bad programs, and times a stage.
    """
    from evolve.apart import apart
    from evolve.authoring import check_problem
    from evolve.loading import load

    findings = apart(lambda: check_problem(load(problem, settings_of(settings)), unsafe=unsafe))
    sound = all(finding.fine is not False for finding in findings)
    if as_json:
        print_json(
            {
                "sound": sound,
                "findings": [
                    {"what": f.what, "fine": f.fine, "detail": f.detail} for f in findings
                ],
            }
        )
        return 0 if sound else 1
    marks = {True: "ok", False: "BAD", None: "note"}
    for finding in findings:
        line = f"{marks[finding.fine]:<5} {inert(finding.what)}: {inert(finding.detail)}"
        click.echo(wrapped(line, indent=6))
    click.echo("sound" if sound else "not sound")
    return 0 if sound else 1
