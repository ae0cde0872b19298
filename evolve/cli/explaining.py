"""The command that measures what made a program good: explain."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli.opening import opened_program
from evolve.cli.options import json_option, print_json, runs_option
from evolve.cores import usable_cores
from evolve.errors import UsageError, first_leaf
from evolve.lineage import made_by
from evolve.terminal import inert, number, paint, signed, table
from islands_db import StoredProgram

if TYPE_CHECKING:
    from evolve.explain import Account, Effect, Hunked
    from evolve.loading import Task
    from evolve.program import Program
    from evolve.runs import RunFolder

_PARTS_SHOWN = 20


@click.command()
@click.argument("target", required=False, metavar="[RUN][:ID]")
@click.option(
    "--tune-evals", type=click.IntRange(min=0), default=200, show_default=True,
    help="Evaluations for tuning the ancestor's numbers.",
)  # fmt: skip
@click.option(
    "--draws", type=click.IntRange(min=2), show_default="128; up to 2,048 while a minute lasts",
    help="Fresh draws at most, where fewer leave an effect unclear.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the minimal program there.")
@click.option("--add", is_flag=True, help="Hand the minimal program in as a child in the run.")
@runs_option
@json_option
def explain(
    target: str | None,
    tune_evals: int,
    draws: int | None,
    workers: int | None,
    out: Path | None,
    add: bool,
    root: Path,
    as_json: bool,
) -> None:
    """What made a program good (default: the champion): structure, constants, or overfit.

    Measures every edit of its lineage again on fresh draws, taken back alone; tunes an ancestor's
    numbers; takes the program's parts out. Needs no model; minutes at most for usual programs.
    """
    from evolve.cli.stored import stored_run
    from evolve.program import Program

    with opened_program(target, root) as (folder, reader, objective, program), reader.snapshot():
        stored = reader.lineage(program.id)
        line = [Program.of(reader.files(one.id)) for one in stored]
    run = stored_run(folder)
    # before minutes are spent
    if add:
        folder.lock().close()
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"cannot write {out}: {out.parent} is no folder")
    tell = (lambda _: None) if as_json else _tell
    work = _measured(
        run.unchanged_task(), line, seed=run.seed, unsafe=run.without_sandbox,
        workers=workers or len(usable_cores()), tune_evals=tune_evals, draws=draws, tell=tell,
    )  # fmt: skip
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        found = asyncio.run(_ended_by_signals(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, on_terminate)
    sign = 1.0 if objective.direction == "max" else -1.0
    if as_json:
        print_json(
            {
                "run": folder.name,
                "program": program.id,
                "objective": asdict(objective),
                "lineage": [one.id for one in stored],
                **asdict(replace(found, minimal=None)),
                "minimal": None if found.minimal is None else dict(found.minimal.files),
            }
        )
    else:
        _print(folder, stored, objective.name, sign, found)
    if found.minimal is not None:
        _offer(folder, program, found, out=out, add=add, quiet=as_json)


async def _ended_by_signals(work: Coroutine[object, object, Account]) -> Account:
    """Work that Ctrl-C or SIGTERM ends once, however often it comes: an exception in the middle of
    the event loop, or a second one, would leave worker processes that nobody waits for."""
    task = asyncio.ensure_future(work)
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(
            one, lambda: None if task.cancelling() else task.cancel()
        )
    return await task


async def _measured(
    task: Task,
    line: Sequence[Program],
    *,
    seed: int,
    unsafe: bool,
    workers: int,
    tune_evals: int,
    draws: int | None,
    tell: object,
) -> Account:
    from evolve.explain import Measure, account
    from evolve.judging import Judge

    assert callable(tell)
    judge = Judge(task, workers=workers, unsafe=unsafe, log=None)
    try:
        await judge.start()
        measure = Measure(task=task, judge=judge, seed=seed)
        return await account(measure, line, tune_evals=tune_evals, draws=draws, tell=tell)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except BaseExceptionGroup as errors:
        raise first_leaf(errors) from None
    finally:
        await judge.stop()


def _tell(line: str) -> None:
    print(f"evolve: {inert(line)}", file=sys.stderr, flush=True)


def _print(
    folder: RunFolder, stored: Sequence[StoredProgram], name: str, sign: float, found: Account
) -> None:
    last = stored[-1]
    click.echo(
        f"{inert(folder.name)}: program {last.id}, {len(stored) - 1} steps from program "
        f"{stored[0].id}; gains in {inert(name)}, positive is better"
    )
    click.echo(paint(f"verdict: {found.verdict}", bold=True))
    click.echo(f"  on fresh draws {_said(found.whole)}; in training {signed(found.whole.training)}")
    click.echo(
        f"  of what the steps gained beyond the best before them, {signed(found.structure)} is by "
        f"structure, {signed(found.constants)} by constants alone"
    )
    if found.retuned is not None:
        one = found.retuned
        click.echo(
            f"  program {stored[one.position].id} with its numbers tuned gains "
            f"{signed(one.gain)}; the lineage from there gained {signed(one.line_gain)}"
        )
    rows = []
    for step in found.steps:
        program = stored[step.position]
        edit = made_by(program)
        if len(step.edits) == 1:
            edit += f": {step.edits[0]}"
        rows.append(
            [str(program.id), step.kind.value, *_figures(step.effect), _noted(step.effect, edit)]
        )
        for hunk in step.hunks:
            joint = "(together) " if hunk.together else ""
            rows.append(["", "", *_figures(hunk.effect), _noted(hunk.effect, joint + hunk.what)])
    if rows:
        _print_table(["program", "kind", "verdict", "training", "fresh", "+-", "edit"], rows)
    if found.parts:
        click.echo("")
        click.echo(paint("the program without each of its statements", bold=True))
        worst = sorted(found.parts, key=_by_what_it_brings)
        rows = [
            [*_figures(part.effect), _noted(part.effect, part.what)]
            for part in worst[:_PARTS_SHOWN]
        ]
        _print_table(["verdict", "training", "fresh", "+-", "statement"], rows)
    if found.kept:
        click.echo(
            f"kept though without effect on fresh draws: {found.kept} of them, since the score "
            "changes in training, or by less than counts"
        )
    click.echo(f"{found.evaluations} evaluations")


def _by_what_it_brings(part: Hunked) -> float:
    return -float("inf") if part.effect.mean is None else -part.effect.mean


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    for line in table(header, rows, elastic=len(header) - 1):
        click.echo(line)


def _figures(effect: Effect) -> list[str]:
    half = None if effect.high is None or effect.mean is None else effect.high - effect.mean
    return [effect.word.value, signed(effect.training), signed(effect.mean), number(half)]


def _noted(effect: Effect, edit: str) -> str:
    """An edit, behind what its figures leave out."""
    sides = [(effect.further, "further"), (effect.behind, "less far")]
    said = " and ".join(f"{word} on {count}" for count, word in sides if count)
    return inert(f"[{said} of {effect.draws}] {edit}" if said and effect.mean is not None else edit)


def _said(effect: Effect) -> str:
    if effect.mean is None or effect.low is None or effect.high is None:
        return effect.word.value
    return (
        f"{signed(effect.mean)} (between {signed(effect.low)} and {signed(effect.high)}, "
        f"{effect.draws} draw{'s' * (effect.draws != 1)})"
    )


def _offer(
    folder: RunFolder,
    program: StoredProgram,
    found: Account,
    *,
    out: Path | None,
    add: bool,
    quiet: bool,
) -> None:
    """Writes the minimal program or hands it in; else says how."""
    minimal = found.minimal
    assert minimal is not None
    if out is not None:
        if len(minimal.files) > 1:
            raise UsageError("--out: the program has several files; use --add")
        try:
            out.write_text(next(iter(minimal.files.values())), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {out}: {error.strerror}") from None
    if add:
        number_of = _added(folder, program, minimal)
        said = f"handed in as attempt {number_of}; it is judged when the run goes on"
    else:
        said = "--out FILE writes it, --add hands it in as a child"
    if not quiet:
        less = f"without {found.removed} nodes that have no effect" if found.removed else "tidied"
        click.echo("")
        click.echo(paint(f"the program {less}; {said}", bold=True))
        for text in minimal.files.values():
            click.echo(inert(text, lines=True).rstrip("\n"))


def _added(folder: RunFolder, program: StoredProgram, minimal: Program) -> int:
    """Begins an attempt with the program as a person's; what is under way keeps its order."""
    import msgspec

    from evolve.drafting import HUMAN
    from islands_db import Sample, Store

    with folder.lock():
        store = Store.open(folder.database)
        try:
            counts = store.counts()
            attempt = counts.attempts + counts.pending
            note = msgspec.json.encode(dict(minimal.files)).decode()
            with store.atomic():
                store.begin(
                    Sample(
                        attempt=attempt,
                        island=program.island,
                        parent=program.id,
                        proposer=HUMAN,
                        note=note,
                    )
                )
        finally:
            store.close()
    return attempt
