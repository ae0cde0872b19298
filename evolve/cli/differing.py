"""How edits are shown: the command diff, and the lines of a diff for the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import click

from evolve.cli.opening import opened_program
from evolve.cli.options import json_option, print_json, runs_option
from evolve.errors import UsageError
from evolve.lineage import value_in
from evolve.problem import Objective
from evolve.terminal import columns, fitted, folded, inert, number, paint
from islands_db import StoredProgram

_SIDE_BY_SIDE = 120
"""Columns from which two programs stand side by side."""
_CHANGES_SHOWN = 12
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


@click.command()
@click.argument("first", metavar="[RUN:]A")
@click.argument("second", required=False, metavar="[[RUN:]B]")
@click.option("--unified", "as_unified", is_flag=True, help="Not side by side, however wide.")
@runs_option
@json_option
def diff(first: str, second: str | None, as_unified: bool, root: Path, as_json: bool) -> None:
    """What differs between programs A and B; with A alone, between its parent and A.

    Side by side in a terminal of at least 120 columns, unified elsewhere.
    """
    from evolve.changes import hunks
    from evolve.diff import unified
    from evolve.program import Program

    with opened_program(first, root) as (folder, reader, objective, a):
        before, after = a, a
        name = folder.name
        if second is None:
            if a.parent is None:
                raise UsageError(f"program {a.id} has no parent; name two programs")
            before = reader.program(a.parent)
        left = Program.of(reader.files(before.id))
        right = Program.of(reader.files(after.id))
        values = [standing(before, objective), standing(after, objective)]
    if second is not None:
        # an id alone is of the same run as the first
        where = second if ":" in second or "/" in second else f"{folder.path}:{second}"
        with opened_program(where, root) as (other, reader, objective, after):
            right = Program.of(reader.files(after.id))
            values[1] = standing(after, objective)
            name = folder.name if other.path == folder.path else f"{folder.name} and {other.name}"
    if as_json:
        print_json({"a": before.id, "b": after.id, "diff": unified(left, right)})
        return
    click.echo(f"{inert(name)}: program {before.id} ({values[0]}), {after.id} ({values[1]})")
    width = columns()
    if left == right:
        click.echo("the same program")
    elif as_unified or width < _SIDE_BY_SIDE:
        for line in hunk_lines(unified(left, right), headers=True):
            click.echo(line)
    else:
        half = (width - 14) // 2
        for hunk in hunks(left, right):
            click.echo(paint(f"@@ {inert(hunk.path)}", dim=True))
            for row in hunk.rows:
                mark = " " if row.same else "<" if row.right is None else ">"
                mark = "|" if not row.same and None not in (row.left, row.right) else mark
                lefts, rights = folded(_code(row.left), half), folded(_code(row.right), half)
                for index, (old, new) in enumerate(zip_longest(lefts, rights, fillvalue="")):
                    first_line = index == 0
                    old = f"{(row.left_number or '') if first_line else '':>4} {fitted(old, half)}"
                    new = f"{(row.right_number or '') if first_line else '':>4} {new}"
                    if not row.same:
                        old, new = paint(old, fg="red"), paint(new, fg="green")
                    click.echo(f"{old} {mark if first_line else ' '} {new}".rstrip())


def standing(program: StoredProgram, objective: Objective) -> str:
    """Its values in the splits it has been scored in: "training 0.74, validation 0.70"."""
    found = []
    for split in ("training", "validation", "test"):
        value = value_in(program.verdicts, split, objective)
        if value is not None:
            found.append(f"{split} {number(value)}")
    return ", ".join(found) or "no score"


def hunk_lines(unified: str, *, headers: bool = False) -> Iterator[str]:
    """The lines of a unified diff, coloured; without the names of files unless asked for."""
    for kind, line in _marked(unified):
        if kind == "file" and not headers:
            continue
        yield _coloured(kind, inert(line, lines=True))


def changed_lines(unified: str) -> Iterator[str]:
    """What a diff takes out and puts in, without the lines around it; of many the first."""
    lines = [(kind, line) for kind, line in _marked(unified) if kind in ("+", "-")]
    for kind, line in lines[:_CHANGES_SHOWN]:
        yield _coloured(kind, fitted(_code(line), columns() - 2).rstrip())
    if len(lines) > _CHANGES_SHOWN:
        yield f"... and {len(lines) - _CHANGES_SHOWN} more lines"


def _marked(unified: str) -> Iterator[tuple[str, str]]:
    """The lines of a unified diff with what they are: "file", "@", "+", "-" or " "."""
    old = new = 0  # lines that the open hunk still has: its text may look like anything
    for line in unified.split("\n")[:-1]:
        if old <= 0 and new <= 0 and not line.startswith("\\"):
            sizes = _HUNK.match(line)
            if sizes is not None:
                old, new = (int(size or 1) for size in sizes.groups())
            yield "file" if sizes is None else "@", line
            continue
        kind = line[:1]
        old -= kind in ("-", " ")
        new -= kind in ("+", " ")
        yield kind if kind in ("+", "-") else " ", line


def _coloured(kind: str, line: str) -> str:
    if kind in ("+", "-"):
        return paint(line, fg="green" if kind == "+" else "red")
    return paint(line, bold=True) if kind == "file" else paint(line, dim=True)


def _code(line: str | None) -> str:
    return "" if line is None else inert(line.expandtabs(4))
