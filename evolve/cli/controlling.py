"""`evolve control`: commands to a live run."""

from __future__ import annotations

from pathlib import Path

import click

from evolve import runs
from evolve.cli.models import tokens_option, usd_option
from evolve.cli.options import MINUTES, Finite, print_json, runs_option
from evolve.control import send
from evolve.errors import UsageError
from evolve.runs import RunFolder

_TAKES = {"inject": "FILE", "hint": "TEXT", "ban": "ID"}


@click.command()
@click.argument("name")
@click.argument(
    "command",
    type=click.Choice(["status", "pause", "go", "stop", "budget", "inject", "hint", "ban"]),
)
@click.argument("argument", required=False, metavar="[FILE | TEXT | ID]")
@click.option("--evals", type=click.IntRange(min=1), help="budget: new total of evaluations.")
@click.option("--minutes", type=MINUTES, help="budget: new total of minutes.")
@usd_option
@tokens_option
@click.option("--target", type=Finite(), help="budget: new target.")
@runs_option
def control(
    name: str,
    command: str,
    argument: str | None,
    evals: int | None,
    minutes: float | None,
    usd: float | None,
    tokens: int | None,
    target: float | None,
    root: Path,
) -> None:
    """Command the live run NAME.

    `inject FILE` hands in a program of your own, `hint TEXT` tells the models something (an empty
    text takes it back), `ban ID` takes a program and all that comes from it out of the search.
    """
    folder = runs.find(root, name)
    arguments: dict[str, object] = {}
    if command == "budget":
        given = {
            "evals": evals, "minutes": minutes, "usd": usd, "tokens": tokens, "target": target
        }  # fmt: skip
        arguments = {k: v for k, v in given.items() if v is not None}
    if command in _TAKES and argument is None:
        raise UsageError(f"{command}: which? `evolve control RUN {command} {_TAKES[command]}`")
    match command, argument:
        case "inject", str(file):
            from evolve.loading import program_in

            arguments["files"] = dict(program_in(Path(file)).files)
        case "hint", str(text):
            arguments["text"] = text
        case "ban", str(program):
            arguments["program"] = _number_of(folder, program)
    print_json(send(folder.socket, command, **arguments))


def _number_of(folder: RunFolder, program: str) -> int:
    from islands_db import Reader, StoreError

    with Reader(folder.database) as reader:
        try:
            return reader.find(program)
        except StoreError as error:
            raise UsageError(str(error)) from None
