"""The same in fewer words: what surely does nothing goes, or else a part that perhaps does nothing.

Nothing runs here. That a child behaves as its parent is seen when it is evaluated, on the probe
inputs of a problem that has them; then it takes its parent's place, being shorter.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set
from functools import lru_cache

from evolve import syntax
from evolve.tree import build, statements
from evolve.tree.kinds import Kind
from evolve.tree.places import Slot
from evolve.tree.text import Splice
from evolve.tree.work import Work


def simplify(work: Work) -> list[Splice] | None:
    """All that surely does nothing goes at once; where there is no such thing, one part goes."""
    return _idle_statements(work) or _idle_expressions(work) or _cut(work)


def parts(node: ast.expr) -> list[ast.expr]:
    """What an expression is cut to when one of its operands, branches or arguments is left."""
    match node:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.BoolOp(op=op, values=values):
            rest = [values[:i] + values[i + 1 :] for i in range(len(values))]
            return [kept[0] if len(kept) == 1 else ast.BoolOp(op=op, values=kept) for kept in rest]
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.UnaryOp(operand=operand) if not isinstance(operand, ast.Constant):
            return [operand]
        case ast.Call(args=[*args], keywords=[]):
            return [argument for argument in args if not isinstance(argument, ast.Starred)]
    return []


def simpler(node: ast.expr) -> ast.expr | None:
    """An expression of numbers or conditions that gives the same; None where none is seen."""
    match node:
        case ast.IfExp(test=ast.Constant(value=bool(known)), body=body, orelse=orelse):
            return body if known else orelse
        case ast.IfExp(body=body, orelse=orelse) if build.same(body, orelse):
            return body
        case ast.BoolOp(op=op, values=values):
            return _joined(op, values)
        case ast.UnaryOp(op=ast.USub(), operand=ast.UnaryOp(op=ast.USub(), operand=inner)):
            return inner
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return inner
        case ast.Call(func=ast.Name(id="min" | "max"), args=[one, other], keywords=[]):
            return one if build.same(one, other) else None
        case ast.Call(
            func=ast.Name(id="abs"),
            args=[ast.Call(func=ast.Name(id="abs"), args=[_], keywords=[]) as inner],
        ):
            return inner
        case ast.BinOp(left=left, op=op, right=right):
            return _neutral(left, op, right)
    return None


def _joined(op: ast.boolop, values: Sequence[ast.expr]) -> ast.expr | None:
    """A junction without what was said before, and without what decides nothing."""
    idle = isinstance(op, ast.And)
    kept: list[ast.expr] = []
    for value in values:
        decides = isinstance(value, ast.Constant) and value.value is (not idle)
        if decides and not kept:
            return value
        known = isinstance(value, ast.Constant) and value.value is idle
        if not known and not any(build.same(value, other) for other in kept):
            kept.append(value)
    if len(kept) == len(values) or not kept:
        return None
    return kept[0] if len(kept) == 1 else ast.BoolOp(op=op, values=kept)


def _neutral(left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr | None:
    one, other = build.value_of(left), build.value_of(right)
    match op:
        case ast.Add() | ast.Sub() | ast.Mult() if one is not None and other is not None:
            return build.binary(left, op, right)
        case ast.Add() | ast.Sub() if other == 0:
            return left
        case ast.Add() if one == 0:
            return right
        case ast.Mult() | ast.Pow() if other == 1:
            return left
        case ast.Mult() if one == 1:
            return right
    return None


def _idle_expressions(work: Work) -> list[Splice] | None:
    splices: list[Splice] = []
    inside: set[int] = set()
    for site in work.source.sites:  # the outer ones come before those inside
        if id(site.node) in inside or site.kind not in (Kind.NUMBER, Kind.BOOLEAN):
            continue
        new = simpler(site.node)
        if new is not None:
            splices += work.put(site, new) or []
            inside |= {id(node) for node in ast.walk(site.node)}
    return splices or None


def _idle_statements(work: Work) -> list[Splice] | None:
    """Splices that take out one run of statements: not reached, or of no consequence."""
    read: dict[str, set[str]] = {}
    for slot in work.source.slots:
        if not slot.function or not statements.alone(work, slot):
            continue
        rest = slot.body[slot.index + 1 :]
        if rest and statements.leaves([slot.statement]):
            return [_without(work, slot, rest)]
        if (file := slot.part.file) not in read:
            read[file] = _read(work.source.program.files[file])
        if rest and (
            _does_nothing(slot.statement, rest) or _is_not_read(slot.statement, read[file])
        ):
            return [_without(work, slot, [slot.statement])]
    return None


def _does_nothing(statement: ast.stmt, rest: Sequence[ast.stmt]) -> bool:
    """It sets a name to itself, or leaves just as the statements behind it would."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=value)):
            return name == value
        case ast.AugAssign(op=ast.Add() | ast.Sub(), value=value):
            return build.value_of(value) == 0
        case ast.AugAssign(op=ast.Mult(), value=value):
            return build.value_of(value) == 1
        case ast.If(body=body, orelse=[]) if statements.leaves(body):
            return len(body) == len(rest) and all(map(build.same, body, rest))
    return False


def _is_not_read(statement: ast.stmt, read: Set[str]) -> bool:
    """It only sets locals that nothing reads."""
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
        return False
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return all(isinstance(target, ast.Name) and target.id not in read for target in targets)


def _read(text: str) -> set[str]:
    """Names that are read, or that belong to more than one function."""
    return set().union(*(_read_in(piece.text) for piece in syntax.pieces(text) or ()))


@lru_cache(maxsize=4096)
def _read_in(text: str) -> frozenset[str]:
    found = set[str]()
    for node in syntax.piece_nodes(text):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                found.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                found.update(names)
    return frozenset(found)


def _without(work: Work, slot: Slot, gone: Sequence[ast.stmt]) -> Splice:
    lines = work.lines(slot)
    start, last = lines.start_of(gone[0].lineno), gone[-1].end_lineno
    assert last is not None
    return Splice(slot.part.file, start, lines.end_of(last), "")


def _cut(work: Work) -> list[Splice] | None:
    """One part less: of an expression, a statement, or a condition around statements."""
    sites = [
        (site, part)
        for site in work.source.sites
        if not site.held and site.kind is not Kind.OTHER
        for part in parts(site.node)
        if site.scope.kind_of(part) is site.kind
    ]
    choice = work.rng.random()
    if sites and choice < 0.6:
        return work.put(*work.rng.choice(sites))
    return statements.delete(work) if choice < 0.8 else statements.unwrap(work)
