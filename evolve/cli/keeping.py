"""Commands that keep a run in good order: gc, rescore."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve import runs
from evolve.cli.options import json_option, print_json, runs_option
from evolve.cores import usable_cores
from evolve.origins import MIXED
from evolve.terminal import inert, number

if TYPE_CHECKING:
    from islands_db import Reader

_COMPUTED = ("baselines", "training_baselines", "references")
"""Meta keys."""


@click.command()
@click.argument("name", required=False, metavar="[RUN]")
@runs_option
@json_option
def gc(name: str | None, root: Path, as_json: bool) -> None:
    """Drop the texts of programs that nothing needs any more, and make the file smaller.

    All proposals, scores, hashes, calls and answers stay, and so do the texts of islands, archives,
    seeds, champions, all that led and the best hundred, all with their ancestors, and of what a
    paid answer was made from.
    """
    from dataclasses import asdict

    from islands_db import collect

    folder = runs.find(root, name)
    with folder.lock():
        found = collect(folder.database)
    if as_json:
        print_json({"run": folder.name, **asdict(found)})
        return
    click.echo(
        f"{inert(folder.name)}: the texts of {found.dropped} programs dropped, {found.kept} kept; "
        f"{found.before / 2**20:.1f} MiB are {found.after / 2**20:.1f} MiB now"
    )


@click.command()
@click.argument("name", required=False, metavar="[RUN]")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes.")
@runs_option
@json_option
def rescore(name: str | None, workers: int | None, root: Path, as_json: bool) -> None:
    """Judge every program of a run again, after its problem or a verifier has changed.

    Old verdicts are kept. The new ones take effect together at the end; cut off before that, the
    run keeps its old scores, and the same command goes on.
    """
    from evolve import objects
    from evolve.cli.stored import stored_run
    from evolve.judging import Judge
    from evolve.loading import identity
    from evolve.rescoring import judge_again
    from islands_db import Reader, Rescoring

    folder = runs.find(root, name)
    with folder.lock():
        stored = stored_run(folder)
        with Reader(folder.database) as reader:
            before = _best(reader)
        task = stored.task()
        identity_now = identity(task)
        judge = Judge(
            task,
            workers=workers or len(usable_cores()),
            unsafe=stored.without_sandbox,
            log=folder.log,
        )
        with Rescoring(folder.database, identity_now) as work:
            asyncio.run(judge_again(work, judge, seed=stored.seed, tell=_tell))
            done = work.done
            # what the old problem's code had computed is computed again when it is needed, and what
            # an old verifier made of an object says nothing: the test hands out another
            work.finish(
                {
                    "identity": identity_now,
                    "unsafe": stored.without_sandbox,
                    MIXED: None,
                    objects.KEY: None,
                    **dict.fromkeys(_COMPUTED),
                }
            )
        with Reader(folder.database) as reader:
            after = _best(reader)
    if as_json:
        print_json(
            {"run": folder.name, "programs": done, "best_before": before, "best_after": after}
        )
        return
    click.echo(f"{inert(folder.name)}: {done} programs judged again; their old verdicts are kept")
    for when, found in (("before", before), ("now", after)):
        values = found["values"]
        assert isinstance(values, Mapping)
        shown = ", ".join(f"{inert(key)} {number(value)}" for key, value in values.items())
        click.echo(f"  best in training {when}: program {found['program']}, {shown}")


def _best(reader: Reader) -> dict[str, object]:
    leaders = reader.top(1)
    if not leaders:
        return {"program": None, "values": {}}
    training = [v for v in leaders[0].verdicts if v.split == "training"]
    return {"program": leaders[0].id, "values": dict(training[-1].values) if training else {}}


def _tell(line: str) -> None:
    print(f"evolve: {inert(line)}", file=sys.stderr)
