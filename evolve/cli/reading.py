"""Commands that read a run, live or ended: ls, best, show."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from evolve import runs
from evolve.bandit import Arm, Markets
from evolve.cli.opening import opened_program, opened_run, unsafe
from evolve.cli.options import below, json_option, print_json, runs_option
from evolve.cycling import cycling
from evolve.endings import INTERRUPTED, KILLED, ending
from evolve.lineage import champion, made_by, objective_of, unvalidated, value_in
from evolve.problem import Objective
from evolve.terminal import clipped, inert, number, shortened, table, wrapped
from islands_db import Reader, StoredProgram, StoreError, Verdict

_TEXT_SHOWN = 20_000
_RETURNS_SHOWN = 5
_STATE_SHOWN, _PATH_SHOWN = 24, 24
_FELL_BEHIND = (
    "* It fell behind the champion on the first draws and was measured on no more, so the values "
    "do not compare."
)
_ALL_FAILED = "* no program passed validation; the value is of the best in training"
_REASON_SHOWN = 400
_SPLITS = ("training", "validation", "test")


@click.command()
@runs_option
@json_option
def ls(root: Path, as_json: bool) -> None:
    """List runs, the latest last."""
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    for folder in runs.existing(root):
        try:
            with Reader(folder.database) as reader:
                meta, counts = reader.meta, reader.counts()
                value, split = _champion_value(reader)
                failed = unvalidated(reader)
                state = "live" if folder.in_use() else ending(reader)
        except StoreError as error:
            data.append({"run": folder.name, "state": "damaged", "fault": str(error)})
            rows.append([folder.name, "?", "damaged", "-", "-"])
            continue
        problem = str(meta.get("problem", "?"))
        data.append(
            {"run": folder.name, "problem": problem, "state": state,
             "evaluated": counts.evaluated, "champion": value, "split": split,
             "unvalidated": failed,
             "unsafe": unsafe(meta)}
        )  # fmt: skip
        mark = "NO SANDBOX, " if unsafe(meta) else ""
        shown = mark + clipped(inert(state), _STATE_SHOWN - len(mark))
        name = f"…/{Path(problem).name}" if len(problem) > _PATH_SHOWN else problem
        measured = f"{number(value)} {split}{' *' if failed else ''}"
        rows.append([folder.name, name, shown, str(counts.evaluated), measured.rstrip()])
    if as_json:
        print_json(data)
        return
    if not rows:
        click.echo(
            f"no runs in {inert(str(root))}/ yet; `evolve run bin_packing --minutes 1` starts one"
        )
        return
    header = ["run", "problem", "state", "evaluated", "champion, in"]
    click.echo("\n".join(table(header, rows, right="---rr", elastic=1)))
    if any(one.get("unvalidated") for one in data):
        click.echo(_ALL_FAILED)
    cut = [str(one["run"]) for one in data if one["state"] in (KILLED, INTERRUPTED)]
    if cut:
        click.echo("killed or interrupted: all that was done is stored; to go on:")
        click.echo(f"  evolve resume {inert(cut[-1])}{below(root)}")


@click.command()
@click.argument("name", required=False)
@click.option("--top", type=click.IntRange(min=1), help="List the best N instead.")
@runs_option
@json_option
def best(name: str | None, top: int | None, root: Path, as_json: bool) -> None:
    """The champion's program (default: of the latest run), as a file you can redirect."""
    with opened_run(name, root) as (folder, reader, objective):
        if top is not None:
            split = "validation" if reader.top(1, "validation") else "training"
            _list(reader, reader.top(top, split), as_json)
            return
        program = reader.program(champion(reader))
        files = reader.files(program.id)
        forgeable, failed = unsafe(reader.meta), unvalidated(reader)
    if as_json:
        plain = {**_plain(program, objective), "files": files}
        print_json({"run": folder.name, "unsafe": forgeable, "unvalidated": failed, **plain})
        return
    if failed:
        said = clipped(inert(failed), _REASON_SHOWN)
        click.echo(f"evolve: {said}; this is the best in training", err=True)
    for path, text in files.items():
        if len(files) > 1:
            click.echo(f"# {inert(path)}")
        click.echo(inert(text, lines=True), nl=not text.endswith("\n"))


@click.command()
@click.argument("target", required=False, metavar="[RUN][:ID]")
@runs_option
@json_option
def show(target: str | None, root: Path, as_json: bool) -> None:
    """One program of a run (default: the champion): verdicts, origin, code.

    ID is a number, the start of a hash, "best" (training) or "champion" (validation).
    """
    with opened_program(target, root) as (folder, reader, objective, program):
        dropped = not reader.has_text(program.id)
        files = {} if dropped else reader.files(program.id)
        line = [one.id for one in reader.lineage(program.id)]
        whole = all(map(reader.has_text, line))
        repeats = cycling([reader.files(id) for id in line] if whole else [])
        returns = [
            {"text": back.text, "deleted_by": line[back.deleted], "back_by": line[back.back]}
            for back in repeats.returns
        ]
        markets = _markets(reader)
        if as_json:
            plain = {**_plain(program, objective), "files": files, "dropped": dropped}
            plain["operators"] = markets
            plain["cycling"] = {"added": repeats.added, "returns": returns}
            print_json({"run": folder.name, "unsafe": unsafe(reader.meta), **plain})
            return
        click.echo(f"program {program.id} of {inert(folder.name)}  {inert(program.hash[:16])}")
        born = (
            f"attempt {program.attempt}, island {program.island}, generation {program.generation}"
        )
        click.echo(f"  {born}, {program.length} syntax-tree nodes")
        parent = "" if program.parent is None else f" from program {program.parent}"
        click.echo(f"  by {inert(made_by(program))}{parent}")
        for operator in dict.fromkeys(program.operator.split("+")):
            known = markets.get(program.proposer, {}).get(operator)
            if known is not None:
                said = (
                    f"    {clipped(inert(operator), 40)} in this run: asked {known['attempts']} "
                    f"times, {known['better']} better than their parents, {known['best']} new "
                    f"bests; {known['share']:.1%} of the next proposals"
                )
                click.echo(wrapped(said, indent=6))
        if repeats.added:
            said = (
                f"  cycling: {len(returns)} of {repeats.added} lines added on the way to it had "
                f"been deleted before ({repeats.share:.0%})"
            )
            click.echo(wrapped(said, indent=4))
        for back in returns[-_RETURNS_SHOWN:]:
            click.echo(
                f"    program {back['back_by']} brought back what {back['deleted_by']} deleted: "
                f"{clipped(inert(str(back['text'])), 60)}"
            )
        click.echo("")
        rows = [_verdict_row(verdict) for verdict in program.verdicts]
        click.echo(
            "\n".join(table(["split", "stage", "status", "values", "tier"], rows, elastic=3))
        )
        for verdict in program.verdicts:
            if verdict.reason:
                click.echo(
                    f"  {inert(verdict.stage)}: {inert(shortened(verdict.reason, _TEXT_SHOWN))}"
                )
            if verdict.stderr.strip():
                click.echo(f"  stderr of {inert(verdict.stage)}:")
                click.echo(inert(shortened(verdict.stderr, _TEXT_SHOWN), lines=True))
        click.echo("")
        for path, text in files.items():
            click.echo(f"--- {inert(path)}")
            click.echo(inert(text, lines=True), nl=not text.endswith("\n"))
        if dropped:
            click.echo("its text was dropped by `evolve gc`")


def _markets(reader: Reader) -> dict[str, dict[str, dict[str, float]]]:
    """By proposer and operator: its share of what comes next, and what it did and won."""
    try:
        markets = msgspec.convert(dict(reader.meta), Markets).opened()
    except msgspec.ValidationError as error:
        raise StoreError(f"{reader.path}: what the run says of its operators: {error}") from None
    return {
        proposer: {
            operator: {
                "share": share,
                "attempts": arm.asked,
                "better": arm.better,
                "best": arm.best,
            }
            for operator, share in market.shares().items()
            for arm in [market.arms.get(operator, Arm())]
        }
        for proposer, market in markets.items()
    }


def _champion_value(reader: Reader) -> tuple[float | None, str]:
    """The champion's value, and the split it is of; "" where there is no champion yet."""
    for split in ("validation", "training"):
        for leader in reader.top(1, split):
            return value_in(leader.verdicts, split, objective_of(reader)), split
    return None, ""


def _verdict_row(verdict: Verdict) -> list[str]:
    values = ", ".join(
        f"{name} {number(value)}" for name, value in list(verdict.values.items())[:2]
    )
    return [verdict.split, verdict.stage, verdict.status.value, values, verdict.tier]


def _list(reader: Reader, programs: list[StoredProgram], as_json: bool) -> None:
    objective = objective_of(reader)
    if as_json:
        print_json([_plain(program, objective) for program in programs])
        return
    draws = [sum(v.split == "validation" for v in program.verdicts) for program in programs]
    rows = []
    for program, drawn in zip(programs, draws, strict=True):
        values = {split: number(value_in(program.verdicts, split, objective)) for split in _SPLITS}
        if 0 < drawn < max(draws):
            values["validation"] += " *"
        rows.append(
            [str(program.id), *values.values(), str(program.length), clipped(program.operator, 20)]
        )
    click.echo("\n".join(table(["id", *_SPLITS, "length", "by"], rows, right="rrrrr-")))
    if any(0 < drawn < max(draws) for drawn in draws):
        click.echo(wrapped(_FELL_BEHIND, indent=2))


def _plain(program: StoredProgram, objective: Objective) -> dict[str, object]:
    from dataclasses import asdict

    values = {split: value_in(program.verdicts, split, objective) for split in _SPLITS}
    return {**asdict(program), **values}
