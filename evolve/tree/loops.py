"""Operators on what happens how often: leaving loops, conditions around statements, repetition."""

from __future__ import annotations

import ast

from evolve.tree import statements
from evolve.tree.kinds import Kind
from evolve.tree.places import Slot, Source
from evolve.tree.text import Lines, Splice, statement_text
from evolve.tree.work import Work


def has_loops(source: Source) -> bool:
    return bool(source.slots_where(_in_loop))


def _in_loop(slot: Slot, _: Lines) -> bool:
    return slot.loop is not None


def leave(work: Work) -> list[Splice] | None:
    """`if condition: continue`, or `break`, before a statement in a loop."""
    slots = work.source.slots_where(_may_be_left_before)
    if not slots:
        return None
    slot = work.rng.choice(slots)
    # in a `while`, what makes it end may stand behind
    skips = isinstance(slot.loop, ast.For) and work.rng.random() < 0.6
    body: list[ast.stmt] = [ast.Continue() if skips else ast.Break()]
    test = work.grow.boolean(slot.scope, 1)
    return statements.line_before(work, slot, ast.If(test=test, body=body, orelse=[]))


def _may_be_left_before(slot: Slot, lines: Lines) -> bool:
    if slot.loop is None or isinstance(slot.statement, ast.Break | ast.Continue):
        return False
    return statements.takes_a_line_before(slot, lines)


def enclose(work: Work) -> list[Splice] | None:
    """A condition around a statement that sets nothing new."""
    slots = work.source.slots_where(_may_be_left_out)
    if not slots:
        return None
    slot = work.rng.choice(slots)
    lines = work.lines(slot)
    indentation, newline = lines.indentation(slot.statement.lineno), lines.newline
    test = ast.If(test=work.grow.boolean(slot.scope, 2), body=[ast.Pass()], orelse=[])
    head = statement_text(test, indentation, newline).splitlines(keepends=True)[0]
    start = lines.start_of(slot.statement.lineno)
    assert slot.statement.end_lineno is not None
    end = lines.end_of(slot.statement.end_lineno)
    step = "\t" if indentation.endswith("\t") else "    "
    inner = "".join(
        step + line if line.strip() else line
        for line in lines.text[start:end].splitlines(keepends=True)
    )
    return [Splice(slot.part.file, start, end, head + inner)]


def _may_be_left_out(slot: Slot, lines: Lines) -> bool:
    statement = slot.statement
    if slot.loop is None or statements.ends_a_loop(slot) or not statements.alone(slot, lines):
        return False
    if not isinstance(statement, ast.Expr | ast.AugAssign | ast.Assign | ast.For):
        return False
    if any(
        isinstance(part, ast.Constant | ast.JoinedStr) and part.lineno != part.end_lineno
        for part in ast.walk(statement)
    ):
        return False  # moving the lines of a text would change it
    return not statements.bound_anew(slot) and bool(slot.scope.of_kind(Kind.NUMBER))


def repeat(work: Work) -> list[Splice] | None:
    """A statement once more behind itself."""
    slots = work.source.slots_where(_may_come_twice)
    if not slots:
        return None
    slot = work.rng.choice(slots)
    lines = work.lines(slot)
    assert slot.statement.end_lineno is not None
    end = lines.end_of(slot.statement.end_lineno)
    text = lines.text[lines.start_of(slot.statement.lineno) : end]
    return [Splice(slot.part.file, end, end, text)] if text.endswith("\n") else None


def _may_come_twice(slot: Slot, lines: Lines) -> bool:
    if not slot.function or not statements.alone(slot, lines):
        return False
    if isinstance(slot.statement, ast.Assign):
        return _uses_itself(slot.statement)
    return isinstance(slot.statement, ast.Expr | ast.AugAssign | ast.For)


def _uses_itself(statement: ast.Assign) -> bool:
    match statement.targets:
        case [ast.Name(id=name)]:
            return any(
                isinstance(part, ast.Name) and part.id == name for part in ast.walk(statement.value)
            )
    return False
