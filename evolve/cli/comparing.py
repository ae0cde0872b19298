"""The command that compares methods: compare."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from evolve.cli.options import json_option
from evolve.cores import usable_cores
from evolve.errors import first_leaf


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder; by default comparisons/NAME of the plan.",
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Runs at once; one per core by default.")
@click.option("--discard", is_flag=True, help="Remove each run's folder once its curve is kept.")
@click.option("--dry-run", is_flag=True, help="Check the plan and say what it comes to.")
@click.option("--show", is_flag=True, help="Show what there is; start nothing.")
@json_option
def compare(
    plan: Path,
    out: Path | None,
    jobs: int | None,
    discard: bool,
    dry_run: bool,
    show: bool,
    as_json: bool,
) -> int:
    """Compare methods on problems over seeds, as the file PLAN fixes it.

    The same command goes on where it was cut off, and shows the results when all is done.
    """
    from evolve.compare import (
        Folder,
        Matrix,
        Trace,
        evaluated,
        hopeless,
        plans,
        showing,
        write_results,
    )
    from evolve.terminal import inert, wrapped

    comparison = plans.read(plan)
    note = hopeless(comparison)
    said = wrapped(f"note: {note}", indent=2) if note else ""
    if dry_run:
        cells = comparison.cells
        seeds = showing.seeds_of([contest.seeds for contest in comparison.contests.values()])
        click.echo(
            f"{len(comparison.methods)} methods x {len(comparison.contests)} problems x "
            f"{seeds}: {len(cells)} runs of {comparison.limit:g} {comparison.unit}, "
            f"{len(cells) * comparison.limit:g} {comparison.unit} in all"
        )
        if said:
            click.echo(said)
        return 0
    folder = Folder(out or Path("comparisons") / plan.stem)
    began = time.monotonic()

    def tell(done: int, total: int, trace: Trace) -> None:
        line = showing.progress(done, total, trace, time.monotonic() - began)
        click.echo(line, err=as_json)

    with folder.lock():
        folder.fix(comparison)
        if not show:
            if said:
                click.echo(said, err=as_json)
            matrix = Matrix(
                comparison=comparison,
                folder=folder,
                jobs=jobs or len(usable_cores()),
                discard=discard,
                tell=tell,
            )
            try:
                asyncio.run(matrix.run())
            except BaseExceptionGroup as errors:
                raise first_leaf(errors) from None
        traces = folder.read(comparison)
        results = evaluated(comparison, traces)
        files = write_results(folder, comparison, traces, results)
    if as_json:
        click.echo(files[0].read_text(encoding="utf-8"))
    else:
        click.echo("")
        click.echo("\n".join(showing.shown(results)))
        click.echo("")
        for file in files:
            click.echo(inert(str(file)))
    return 1 if results.faults else 0
