"""The doctor: what this machine gives, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from evolve import config as configuration
from evolve.cli.models import choice, llm_options
from evolve.cli.options import json_option, print_json
from evolve.config import RunFile
from evolve.cores import usable_cores
from evolve.terminal import inert, table, wrapped

if TYPE_CHECKING:
    from sandbox.conformance import Outcome


@click.command()
@llm_options
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Ask the models of a run file."
)
@json_option
def doctor(
    llm: tuple[str, ...],
    base_urls: tuple[str, ...],
    prices: tuple[str, ...],
    policy: str | None,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Say which sandbox tier this machine gives, what is missing, and what to do about it.

    With --llm it makes the smallest possible call to each model instead, and says what failed.

    Exit code 3: no sandbox can be had here, it did not hold a dozen attacks tried on it, or a
    model did not answer.
    """
    given = configuration.read(config_file) if config_file else RunFile()
    models = choice(given.llm, llm, base_urls, prices)
    if models:
        return _ask_models(msgspec.structs.replace(given, llm=models), as_json=as_json)
    from sandbox import Tier, probe

    found = probe()
    usable = found.tier is not Tier.NONE
    attacks = list(_try_attacks()) if usable else []
    held = sum(attack.held for attack in attacks)
    versions = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "evolve": importlib.metadata.version("evolve"),
        "sqlite": sqlite3.sqlite_version,
        **{name: importlib.metadata.version(name) for name in ("numpy", "numba", "sqlite-utils")},
    }
    compiler = _compiler()
    free_bytes = shutil.disk_usage(Path.cwd()).free
    if as_json:
        print_json(
            {
                "tier": found.tier.value,
                "refusal": found.refusal,
                "not_a": found.not_a,
                "layers": [
                    {
                        "layer": layer.name,
                        "works": layer.works,
                        "without": layer.without,
                        "remedy": layer.remedy,
                    }
                    for layer in found.layers
                ],
                "attacks": {attack.name: attack.held for attack in attacks},
                "compiler": compiler,
                "versions": versions,
                "cores": len(usable_cores()),
                "disk_free_bytes": free_bytes,
                "root": os.geteuid() == 0,
            }
        )
        return 0 if usable and held == len(attacks) else 3
    click.echo(f"sandbox tier {found.tier.value}")
    rows = [
        [layer.name, "works" if layer.works else "MISSING", layer.detail] for layer in found.layers
    ]
    click.echo("\n".join(table(["layer", "here", "detail"], rows)))
    for layer in found.layers:
        if not layer.works:
            click.echo(f"\nwithout {layer.name}: {inert(layer.without)}\n  {inert(layer.remedy)}")
    if found.not_a:
        click.echo("\n" + wrapped(f"tier A is not to be had: {inert(found.not_a)}", indent=2))
    if found.refusal:
        reason = found.refusal.removesuffix("; see `evolve doctor`")
        click.echo("\n" + wrapped(f"refused: {inert(reason)}", indent=2))
    if attacks:
        click.echo(f"\n{held} of {len(attacks)} attacks tried here were held")
    for attack in attacks:
        if not attack.held:
            click.echo(wrapped(f"NOT HELD: {attack.name}: {inert(attack.detail)}", indent=2))
    click.echo("")
    click.echo(wrapped(", ".join(f"{name} {version}" for name, version in versions.items())))
    click.echo(wrapped(f"C compiler: {inert(compiler)}"))
    click.echo(f"{len(usable_cores())} cores, {free_bytes >> 30} GiB free here")
    if sys.platform != "linux":
        click.echo("runs need Linux; reading commands and verify work here")
    if not usable:
        click.echo("no run possible here; see the lines above, or --unsafe-no-sandbox")
    return 0 if usable and held == len(attacks) else 3


def _compiler() -> str:
    """The version of the compiler that candidates in C go through, or why there is none."""
    from sandbox import SandboxError, toolchain

    try:
        return f"gcc {toolchain.compiler().version}"
    except SandboxError as error:
        return f"none: {error}"


def _ask_models(config: RunFile, *, as_json: bool) -> int:
    from evolve.cli.asking import smallest_calls

    found = smallest_calls(config)
    if as_json:
        print_json({"models": found})
    else:
        for one in found:
            word = "works" if one["works"] else "FAILS"
            click.echo(inert(f"{one['model']}  {word}: {one['detail']}"))
    return 0 if all(one["works"] for one in found) else 3


def _try_attacks() -> Iterator[Outcome]:
    """The short form of the sandbox's conformance suite, on this machine."""
    from sandbox import Sandbox, conformance

    project = Path(__file__).resolve().parents[2]
    yield from conformance.run(
        lambda needs: Sandbox(requires=needs, preload=needs),
        conformance.short(),
        folders=[str(project / "problems"), str(project / "evaluators")],
        modules=["evolve", "evaluators", "sandbox", "islands_db", "problems"],
    )
