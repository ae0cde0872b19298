"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from evolve.errors import UsageError

F = TypeVar("F", bound=Callable[..., object])

runs_option: Callable[[F], F] = click.option(
    "--runs", "root", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
    help="Folder that holds the runs.",
)  # fmt: skip
json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="JSON output.")
set_option: Callable[[F], F] = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the problem."
)
unsafe_option: Callable[[F], F] = click.option(
    "--unsafe-no-sandbox", "unsafe", is_flag=True,
    help="Run candidates without isolation: they can read your files and keys, use the network, "
    "and forge data. Every verdict is marked.",
)  # fmt: skip


def settings_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE pairs as a mapping.

    Raises:
        UsageError: a pair has no "=".
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {pair}: expected NAME=VALUE")
        found[name] = value
    return found


def print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2))
