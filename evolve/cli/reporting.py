"""The command that shows a whole run in one file: report."""

from __future__ import annotations

import os
from pathlib import Path

import click

from evolve import runs
from evolve.cli.options import runs_option
from evolve.errors import MachineError, UsageError
from evolve.terminal import inert


@click.command()
@click.argument("name", required=False, metavar="[RUN]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write it.")
@click.option("--md", "as_markdown", is_flag=True, help="Markdown with PNG plots beside it.")
@runs_option
def report(name: str | None, output: Path | None, as_markdown: bool, root: Path) -> None:
    """Write one HTML file that shows run NAME (default: the latest), live or ended.

    The file needs no network and holds no scripts. By default it lies in the run's folder.
    """
    if output is not None and not output.name:
        raise UsageError(f"-o {str(output)!r}: expected the name of a file")
    folder = runs.find(root, name)
    try:
        from evolve.report import gather, html, write_markdown
    except ModuleNotFoundError as error:
        raise MachineError(
            f"a report needs {error.name}: install it with `pip install 'evolve[report]'`"
        ) from None
    from evolve import certificate

    certificate.bound_this_process()
    target = output or folder.path / ("report.md" if as_markdown else "report.html")
    facts = gather(folder)
    try:
        if as_markdown:
            for file in write_markdown(facts, target):
                click.echo(inert(str(file)))
            return
        partial = target.with_name(f"{target.name}.part")
        partial.write_text(html(facts), encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        raise MachineError(f"cannot write {target}: {error.strerror}") from None
    size = target.stat().st_size
    click.echo(f"{inert(str(target))}: {size / 1000:.0f} kB, opens in any browser")
