"""The command that logs a run to a tracker: track."""

from __future__ import annotations

from pathlib import Path

import click

from evolve import runs
from evolve.cli.options import runs_option
from evolve.terminal import inert
from evolve.trackers import TRACKERS, follow, tracker


@click.command()
@click.argument("name", required=False, metavar="[RUN]")
@click.option("--with", "kind", type=click.Choice(list(TRACKERS)), required=True, help="Which.")
@click.option("--to", default="", help="MLflow: address of a store; wandb: a folder.")
@runs_option
def track(name: str | None, kind: str, to: str, root: Path) -> None:
    """Log run NAME (default: the latest) to a tracker: what is there, and while it is live what
    comes. The run does not wait for it."""
    folder = runs.find(root, name)
    logged = follow(folder, tracker(kind, to), going_on=folder.in_use)
    click.echo(f"{inert(folder.name)}: {logged} steps logged to {kind}")
