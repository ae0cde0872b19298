"""Commands that say where a program came from: lineage, why."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs

from evolve.cli.differing import changed_lines, hunk_lines, standing
from evolve.cli.opening import opened_program, opened_run
from evolve.cli.options import below, json_option, print_json, runs_option
from evolve.errors import UsageError
from evolve.lineage import Step, divided, leap, made_by, steps, value_in
from evolve.problem import Objective, SplitKind
from evolve.terminal import (
    clipped,
    columns,
    duration,
    inert,
    number,
    paint,
    shortened,
    signed,
    table,
)
from islands_db import Call, Reader, Status, StoredProgram, StoredProposal, Verdict

if TYPE_CHECKING:
    from evolve.branches import Branch

_SEED = "seed"
_BRANCHES_SHOWN = 3
_TEXT_SHOWN = 20_000
"""Characters of an answer or a message; --json has all of it."""


@click.command()
@click.argument("target", required=False, metavar="[RUN][:ID]")
@click.option("--diff", "with_diff", is_flag=True, help="With what each step changed.")
@click.option("--tree", is_flag=True, help="With the branches that led nowhere.")
@runs_option
@json_option
def lineage(target: str | None, with_diff: bool, tree: bool, root: Path, as_json: bool) -> None:
    """The path from the seed to a program (default: the champion), with what each step gained."""
    with opened_program(target, root) as (folder, reader, objective, program), reader.snapshot():
        path = steps(reader, objective, reader.lineage(program.id))
        line = [step.program.id for step in path]
        beside = _branches(reader, line, objective) if tree else {}
        roots = {b.root: b for found in beside.values() for b in found[:_BRANCHES_SHOWN]}
        names = {} if as_json else {id: made_by(reader.program(id)) for id in roots}
    if as_json:
        plain = [
            {**_plain(step), "branches": [asdict(b) for b in beside.get(step.program.id, [])]}
            if tree
            else _plain(step)
            for step in path
        ]
        print_json({"run": folder.name, "objective": asdict(objective), "lineage": plain})
        return
    goal = "lower" if objective.direction == "min" else "higher"
    first = "the seed" if path[0].program.proposer == _SEED else "the first"
    far = first if len(path) == 1 else f"{_steps(len(path) - 1)} from {first}"
    click.echo(
        f"{inert(folder.name)}: program {program.id}, {far}; {objective.name}, {goal} is better"
    )
    lines = _path_table(path, margin=2 if tree else 0)
    click.echo(("  " if tree else "") + paint(lines[0], bold=True))
    for step, row in zip(path, lines[1:], strict=True):
        click.echo(("* " if tree else "") + _by_gain(row, step))
        if with_diff:
            for text in hunk_lines(step.diff):
                click.echo(("| " if tree else "") + f"      {text}")
        for dead_end in _branch_lines(beside.get(step.program.id, []), names):
            click.echo(paint(dead_end, dim=True))
    test, before = path[-1].test, path[0].test if len(path) > 1 else None
    if test is not None:
        beside_it = "" if before is None else f" ({first}: {number(before)})"
        click.echo(f"in the test, made once after the search: {number(test)}{beside_it}")
    if len(path) > 1:
        click.echo(
            "gain: how much better than the step before (validation: than the last one there)"
        )
        if any(s.training_gain is None and s.training is not None for s in path[1:]):
            click.echo("  none is told where the two reached different stages")
        click.echo(
            "gained in training by "
            + ", by ".join(f"{p.kind} {signed(p.gain)} in {_steps(p.steps)}" for p in divided(path))
        )
    most = leap(path, objective)
    if most is not None:
        click.echo(
            f"it owes most to program {most.step.program.id}, by "
            f"{clipped(inert(most.step.by), 30)}: from {number(most.before)} to "
            f"{number(most.after)}"
        )
        for changed in changed_lines(most.step.diff):
            click.echo(f"  {changed}")
        it = f"{inert(folder.name)}:{most.step.program.id}"
        click.echo(f"  how it came to be: evolve why {it}{below(root)}")


@click.command()
@click.argument("target", required=False, metavar="[RUN][:ID]")
@click.option("--attempt", type=click.IntRange(min=0), help="Of an attempt, also a failed one.")
@runs_option
@json_option
def why(target: str | None, attempt: int | None, root: Path, as_json: bool) -> None:
    """How a program came to be (default: the champion): parent, answer, verdicts, cost."""
    if attempt is not None:
        with opened_run((target or "").partition(":")[0] or None, root) as (_, reader, objective):
            found = reader.proposals(attempt=attempt)
            if not found:
                raise UsageError(f"{reader.path.parent.name}: no attempt {attempt}")
            stored = found[0].program
            if stored is None:
                calls = reader.calls(attempt=attempt)
                if as_json:
                    plain = [structs.asdict(call) for call in calls]
                    print_json({"proposal": asdict(found[0]), "program": None, "calls": plain})
                else:
                    _print_failed(found[0], calls)
                return
            _explain(reader, objective, reader.program(stored), as_json)
        return
    with opened_program(target, root) as (_, reader, objective, program), reader.snapshot():
        _explain(reader, objective, program, as_json)


def _steps(count: int) -> str:
    return f"{count} step{'s' * (count != 1)}"


def _path_table(path: Sequence[Step], *, margin: int) -> list[str]:
    """A header and a line for each step, at most as wide as the terminal."""
    paid = any(step.cost_usd for step in path)
    validated = any(step.validation is not None for step in path)
    header = ["program", "by", "lines", "training", "gain"]
    header += ["validation", "gain"] if validated else []
    header += ["cost $"] if paid else []
    rows = []
    for step in path:
        lines = f"+{step.added} -{step.removed}" if step.before else ""
        row = [str(step.program.id), inert(step.by), lines]
        row += [number(step.training), signed(step.training_gain)]
        row += [number(step.validation), signed(step.validation_gain)] if validated else []
        row += [number(step.cost_usd) if step.cost_usd else ""] if paid else []
        rows.append(row)
    return table(header, rows, right="r-" + "r" * (len(header) - 2), elastic=1, margin=margin)


def _by_gain(row: str, step: Step) -> str:
    gain = step.training_gain
    if not gain:
        return row
    return paint(row, fg="green" if gain > 0 else "red")


def _branches(reader: Reader, line: Sequence[int], objective: Objective) -> dict[int, list[Branch]]:
    from evolve.branches import branches  # with numpy, which a mere line does not need

    return branches(reader.history(), line, objective)


def _branch_lines(beside: Sequence[Branch], names: dict[int, str]) -> Iterator[str]:
    for branch in beside[:_BRANCHES_SHOWN]:
        rest = branch.programs - 1
        after = f", {rest} after it" if rest else ""
        best = f", best {number(branch.best_value)}"
        best += f" in program {branch.best}" if branch.best != branch.root else ""
        yield f"|\\ {branch.root} by {clipped(inert(names[branch.root]), 24)}{after}{best}"
    more = beside[_BRANCHES_SHOWN:]
    if more:
        programs = sum(branch.programs for branch in more)
        best = f"best {number(more[0].best_value)} in program {more[0].best}"
        yield f"|\\ {len(more)} more, {programs} programs in all, {best}"


def _explain(reader: Reader, objective: Objective, program: StoredProgram, as_json: bool) -> None:
    proposals = reader.proposals(program=program.id)
    made = next(p for p in proposals if p.attempt == program.attempt)
    parent = None if program.parent is None else reader.program(program.parent)
    line = [program] if parent is None else [parent, program]
    dropped = [one.id for one in line if not reader.has_text(one.id)]
    last = None if dropped else steps(reader, objective, line)[-1]
    children = reader.offspring(program.id)
    calls = reader.calls(attempt=program.attempt)
    cases, parents = reader.cases(program.id), tuple[float, ...]()
    if parent is not None and _last_stage(parent) == _last_stage(program):
        parents = reader.cases(parent.id)
    if as_json:
        print_json(
            {
                **(_without_text(program, made, objective) if last is None else _plain(last)),
                "dropped": dropped,
                "cases": _as_scored(cases, objective),
                "parent_program": None if parent is None else asdict(parent),
                "parent_cases": _as_scored(parents, objective),
                "proposal": asdict(made),
                "calls": [structs.asdict(call) for call in calls],
                "proposed_again": [asdict(p) for p in proposals if p is not made],
                "children": children,
            }
        )
        return
    click.echo(
        f"program {program.id} of {inert(reader.path.parent.name)}: {standing(program, objective)}"
    )
    _print_origin(made, parent, objective)
    again = len(proposals) - 1
    click.echo(f"  {children} children; proposed again {again} times")
    if last is not None and last.diff:
        _heading(f"what it changed: +{last.added} -{last.removed} lines")
        for changed in hunk_lines(last.diff):
            click.echo(f"  {changed}")
    for id in dropped:
        click.echo(f"  the text of program {id} was dropped by `evolve gc`")
    _heading("what the stages said")
    _print_verdicts(program.verdicts)
    if cases and len(cases) == len(parents):
        pairs = list(zip(cases, parents, strict=True))
        ahead, behind = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
        click.echo(f"of {len(cases)} test cases ahead of its parent in {ahead}, behind in {behind}")
    _print_calls(calls)
    _print_answer(made)


def _last_stage(program: StoredProgram) -> str:
    """The training stage that its score and its cases are of."""
    scored = (v.stage for v in program.verdicts if v.split == "training" and v.status is Status.OK)
    return next(reversed([*scored]), "")


def _as_scored(cases: Sequence[float], objective: Objective) -> list[float]:
    """Cases in the objective's own direction; they are stored so that higher is better."""
    return [0.0 - case if objective.direction == "min" else case for case in cases]


def _print_verdicts(verdicts: Sequence[Verdict]) -> None:
    header = ["split", "stage", "status", "values", "CPU, memory"]
    rows = [
        [v.split, v.stage, v.status.value, _values(v.values), _meters(v.cpu_s, v.memory_bytes)]
        for v in verdicts
    ]
    click.echo("\n".join(table(header, rows, elastic=3)))
    draws = Counter(verdict.stage for verdict in verdicts)
    told: set[str] = set()
    for verdict in verdicts:
        said = {"reason": verdict.reason, "stderr": verdict.stderr}
        if verdict.stage not in told:  # on other draws a stage says much the same again
            said["feedback"] = verdict.feedback
        told.add(verdict.stage)
        first = f", first of {draws[verdict.stage]} draws" if draws[verdict.stage] > 1 else ""
        for what, text in said.items():
            if text.strip():
                of = f"{what} of {inert(verdict.stage)}{first if what == 'feedback' else ''}:"
                click.echo(paint(of, bold=True))
                click.echo(_indented(text, fold=what != "stderr"))


def _print_failed(proposal: StoredProposal, calls: Sequence[Call]) -> None:
    fate = "under way" if proposal.fate is None else proposal.fate.value
    beside = "" if proposal.duplicate_of is None else f" of program {proposal.duplicate_of}"
    click.echo(f"attempt {proposal.attempt}: {fate}{beside}")
    if proposal.reason:
        click.echo(_indented(proposal.reason))
    click.echo(f"  by {inert(_by(proposal))} on island {proposal.island}", nl=False)
    click.echo("" if proposal.parent is None else f", from program {proposal.parent}")
    _print_calls(calls)
    _print_answer(proposal)


def _print_origin(made: StoredProposal, parent: StoredProgram | None, objective: Objective) -> None:
    file = f" {clipped(inert(made.note), 40)}" if made.proposer == _SEED and made.note else ""
    click.echo(f"  by {inert(_by(made))}{file}, attempt {made.attempt} on island {made.island}")
    if parent is not None:
        click.echo(f"  from program {parent.id}: {standing(parent, objective)}")
    if made.inspirations:
        click.echo(f"  shown beside it: programs {', '.join(map(str, made.inspirations))}")
    cost = f"{made.cost_usd:.4g} dollars" if made.cost_usd else "no dollars"
    spent = duration(made.propose_s) if made.propose_s >= 1 else f"{made.propose_s:.3f} s"
    click.echo(f"  the proposal took {spent} and {cost}")


def _print_calls(calls: Sequence[Call]) -> None:
    """What models were asked, what they said and what it cost; of prompts the hash is kept."""
    if not calls:
        return
    _heading("calls to models")
    rows = [
        [
            call.answered_by or call.model,
            call.state.value,
            str(call.input),
            str(call.output),
            "unknown" if call.cost_usd is None else f"{call.cost_usd:.4g}",
            f"{call.latency_s:.1f} s",
            call.prompt[:12],
        ]
        for call in calls
    ]
    header = ["model", "state", "tokens in", "out", "dollars", "took", "prompt"]
    click.echo("\n".join(table(header, rows, right="--rrrr-", elastic=0)))
    for call in calls:
        for what, text in (("reason", call.reason), ("answer", call.answer or "")):
            if text.strip():
                click.echo(paint(f"{what}, turn {call.turn}:", bold=True))
                click.echo(_indented(text))


def _print_answer(proposal: StoredProposal) -> None:
    if proposal.note.strip() and proposal.note != proposal.operator and proposal.proposer != _SEED:
        _heading("what the proposer was given beside the program")
        click.echo(_indented(proposal.note))
    if proposal.diff.strip():
        _heading("what it answered")
        click.echo(_indented(proposal.diff))


def _heading(text: str) -> None:
    click.echo("")
    click.echo(paint(text, bold=True))


def _by(proposal: StoredProposal) -> str:
    same = proposal.operator in ("", proposal.proposer)
    return proposal.proposer if same else f"{proposal.proposer} {proposal.operator}"


def _values(values: object) -> str:
    assert isinstance(values, dict)
    return ", ".join(f"{name} {number(value)}" for name, value in list(values.items())[:2])


def _meters(cpu_s: float, memory_bytes: int) -> str:
    return f"{cpu_s:.2f} s, {memory_bytes >> 20} MiB"


def _indented(text: str, *, fold: bool = False) -> str:
    lines = inert(shortened(text, _TEXT_SHOWN), lines=True).rstrip("\n").split("\n")
    if fold:
        lines = [part for line in lines for part in textwrap.wrap(line, columns() - 2) or [""]]
    return "\n".join(f"  {line}" for line in lines)


def _without_text(
    program: StoredProgram, made: StoredProposal, objective: Objective
) -> dict[str, object]:
    return {
        **asdict(program),
        "by": made_by(program),
        **{split.value: value_in(program.verdicts, split, objective) for split in SplitKind},
        "cost_usd": made.cost_usd,
        "answer": program.diff,
    }


def _plain(step: Step) -> dict[str, object]:
    return {
        **asdict(step.program),
        "by": step.by,
        "added": step.added,
        "removed": step.removed,
        "training": step.training,
        "training_gain": step.training_gain,
        "validation": step.validation,
        "validation_gain": step.validation_gain,
        "test": step.test,
        "cost_usd": step.cost_usd,
        "diff": step.diff,
        "kind": step.kind,
        "answer": step.program.diff,
    }
