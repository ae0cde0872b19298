"""Commands that take runs elsewhere or put them together: export, import, merge, salvage."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from evolve import runs
from evolve.cli.options import json_option, print_json, runs_option
from evolve.errors import UsageError
from evolve.origins import MIXED
from evolve.runs import RunFolder
from evolve.terminal import inert

_SAME = ("problem", "parameters", "objectives", "identity")
"""What runs must agree in to be merged: by name of the stored value."""


@click.command()
@click.argument("name", required=False, metavar="[RUN]")
@click.option(
    "--format", "kind", type=click.Choice(["jsonl", "parquet"]), default="jsonl",
    show_default=True, help="How the files are written; parquet needs the extra of that name.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The folder; by default RUN-export."
)
@runs_option
@json_option
def export(name: str | None, kind: str, output: Path | None, root: Path, as_json: bool) -> None:
    """Write everything a run holds as plain files: proposals, programs, verdicts, edges, calls.

    One state of the run, which may be live. docs/data.md says what stands in which file.
    """
    from islands_db import export_run

    folder = runs.find(root, name)
    output = output or Path(f"{folder.name}-export")
    rows = export_run(folder.database, output, format=kind)
    if as_json:
        print_json({"run": folder.name, "folder": str(output), "rows": rows})
        return
    shown = ", ".join(f"{rows[part]} {part}" for part in ("proposals", "programs", "verdicts"))
    click.echo(inert(f"{folder.name}: {shown} and all else, in {output}/"))


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the run; by default that of the folder.")
@click.option(
    "--problem", help="The problem's name or folder here, to go on with the run.", metavar="PROBLEM"
)
@runs_option
@json_option
def import_(folder: Path, name: str | None, problem: str | None, root: Path, as_json: bool) -> None:
    """Make a run of the FOLDER that `evolve export` wrote.

    It is checked as a stranger's file is. That its scores were measured nobody can see from it;
    `evolve rescore` measures them again.
    """
    from evolve.program import Program
    from islands_db import JSON, import_run

    def ours(meta: Mapping[str, JSON]) -> dict[str, JSON]:
        # a path from elsewhere must not decide what code runs here
        return {"folder": here(str(meta.get("problem", ""))), "imported": True}

    here = _local(problem)
    with _new(root, name or folder.name.removesuffix("-export")) as run:
        rows = import_run(
            folder, run.database, hash_of=lambda files: Program.of(files).hash, changed=ours
        )
    if as_json:
        print_json({"run": run.name, "path": str(run.path), "rows": rows})
        return
    click.echo(f"{run.name}: {rows['proposals']} proposals, {rows['programs']} programs")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("-o", "--output", "new_name", required=True, help="Name of the new run.")
@runs_option
@json_option
def merge(names: tuple[str, ...], new_name: str, root: Path, as_json: bool) -> None:
    """Put runs of one problem together as a new run; they stay as they are.

    Islands stand beside each other, and each program is there once. Attempts under way stay behind.
    """
    import msgspec

    from evolve import objects
    from evolve.cli.stored import stored_run
    from islands_db import Reader, merge_runs

    folders = [runs.find(root, name) for name in names]
    if len({folder.path for folder in folders}) < max(2, len(folders)):
        raise UsageError("merge: expected two different runs or more")
    metas = []
    for folder in folders:
        with Reader(folder.database) as reader:
            meta = dict(reader.meta)
            banned = {reader.program(program).hash for program in reader.banned()}
        found = objects.best(meta)
        if found is not None and found.program in banned:
            del meta[objects.KEY]
        metas.append(meta)
    for folder, meta in zip(folders[1:], metas[1:], strict=True):
        for key in _SAME:
            if meta.get(key) != metas[0].get(key):
                raise UsageError(
                    f"{folder.name} has another {key} than {folders[0].name}, so their programs "
                    "cannot be compared" + ("; rescore both first" if key == "identity" else "")
                )
    stored = [stored_run(folder) for folder in folders]
    meta = metas[0] | {
        "elapsed_s": sum(run.elapsed_s for run in stored),
        "merged": [folder.name for folder in folders],
        "unsafe": any(run.unsafe for run in stored),
        "imported": any(run.imported for run in stored),
        MIXED: len({run.seed for run in stored}) > 1 or any(run.mixed for run in stored),
    }
    found = objects.best(*metas)
    if found is not None:
        meta[objects.KEY] = msgspec.to_builtins(found)
    with _new(root, new_name) as run:
        merged = merge_runs([folder.database for folder in folders], run.database, meta=meta)
    if as_json:
        from dataclasses import asdict

        mixed = {"needs_rescore": meta[MIXED]}
        print_json({"run": run.name, "path": str(run.path), **asdict(merged), **mixed})
        return
    click.echo(
        f"{run.name}: {merged.attempts} proposals, {merged.programs} programs, "
        f"{merged.doubles} of them in more than one run"
    )
    if merged.left:
        cost = f" with calls of ${merged.left_usd:.4f}" if merged.left_usd else ""
        click.echo(f"  {merged.left} attempts under way stayed behind{cost}")
    if meta[MIXED]:
        click.echo(
            "  the runs had different seeds, so their scores are from different draws: "
            f"`evolve rescore {run.name}` before it goes on"
        )


@click.command()
@click.argument("name", metavar="RUN")
@click.option("-o", "--output", "new_name", required=True, help="Name of the new run.")
@runs_option
@json_option
def salvage(name: str, new_name: str, root: Path, as_json: bool) -> None:
    """Make a new run of all that can be read of a damaged one, which stays as it is."""
    from dataclasses import asdict

    from islands_db import salvage as save

    damaged = runs.find(root, name)
    with _new(root, new_name) as run:
        found = save(damaged.database, run.database)
    if as_json:
        print_json({"run": run.name, "path": str(run.path), **asdict(found)})
        return
    click.echo(f"{run.name}: {found}")


@contextmanager
def _new(root: Path, name: str) -> Iterator[RunFolder]:
    """A new run's folder, locked; gone again if its database does not come to be."""
    folder = runs.create(root, name)
    with folder.lock():
        try:
            yield folder
        except BaseException:
            if not folder.database.exists():
                shutil.rmtree(folder.path, ignore_errors=True)
            raise


def _local(problem: str | None) -> Callable[[str], str]:
    """What tells the folder here of a stored problem name: that of the problem named, or else of
    the one that has the stored name, "" where there is none."""
    from evolve.loading import available, load

    if problem is not None:
        folder = str(load(problem).problem.folder)
        return lambda stored: folder
    known = available()
    return lambda stored: str(known.get(stored.partition(":")[0], ""))
