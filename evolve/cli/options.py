"""Options that several commands share."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from evolve.errors import UsageError
from evolve.terminal import inert


class Finite(click.FloatRange):
    """A float in a range that is neither infinite nor no number at all."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


MINUTES = Finite(min=0, min_open=True)

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


def settings_of(pairs: tuple[str, ...], *, option: str = "--set") -> dict[str, str]:
    """NAME=VALUE pairs as a mapping.

    Raises:
        UsageError: a pair has no "=".
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {pair}: expected NAME=VALUE")
        found[name] = value
    return found


def below(root: Path) -> str:
    """How a command that is shown names the folder of runs; nothing where it need not."""
    return "" if root == Path("runs") else f" --runs {inert(shlex.quote(str(root)))}"


def print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2))
