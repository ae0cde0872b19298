"""The same in fewer words: what surely does nothing goes, or else a part that perhaps does nothing.

Nothing runs here. That a child behaves as its parent is seen when it is evaluated, on the probe
inputs of a problem that has them; then it takes its parent's place, being shorter.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence, Set
from functools import lru_cache

from evolve import syntax
from evolve.tree import build, purity, statements
from evolve.tree.kinds import Kind
from evolve.tree.places import Slot
from evolve.tree.text import Splice
from evolve.tree.work import Work

_OWN: dict[str, Callable[..., float]] = {"abs": abs, "max": max, "min": min}
_MATH = {"ceil", "exp", "floor", "log", "log1p", "log2", "sqrt"}
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_LONGEST_NUMBER = 7
"""Characters of a number that may stand in place of an expression."""
_DEEPEST = 6


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
        case ast.IfExp(test=test, body=body, orelse=orelse) if (so := _decided(test)) is not None:
            return body if so else orelse
        case ast.IfExp(body=body, orelse=orelse) if build.same(body, orelse):
            return body
        case ast.BoolOp(op=op, values=values):
            return _joined(op, values)
        case ast.UnaryOp(op=ast.USub(), operand=ast.UnaryOp(op=ast.USub(), operand=inner)):
            return inner
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return inner
        case ast.Compare():
            so = _decided(node)
            return None if so is None else ast.Constant(value=so)
        case ast.Call(func=ast.Name(id="min" | "max"), args=[one, other], keywords=[]) if (
            build.same(one, other)
        ):
            return one
        case ast.Call(
            func=ast.Name(id="abs"),
            args=[ast.Call(func=ast.Name(id="abs"), args=[_], keywords=[]) as inner],
        ):
            return inner
        case ast.BinOp(left=left, op=op, right=right) if new := _neutral(left, op, right):
            return new
        case ast.BinOp() | ast.Call():
            return _literal(comes_to(node))
    return None


def _decided(test: ast.expr) -> bool | None:
    """Whether a condition holds, where that is plain."""
    match test:
        case ast.Constant(value=bool(so)):
            return so
        case ast.Compare(left=left, ops=[how], comparators=[right]) if type(how) in _COMPARED:
            a, b = comes_to(left), comes_to(right)
            return None if a is None or b is None else _COMPARED[type(how)](a, b)
    return None


def comes_to(node: ast.expr, depth: int = _DEEPEST) -> float | None:
    """What an expression of nothing but numbers comes to, as long as that is a finite number.

    None for one of more than `depth` levels, so that all of a long sum are soon looked at.
    """
    value = build.value_of(node)
    if value is not None or not depth:
        return value
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            function: Callable[..., float] = _ARITHMETIC[type(op)]
            operands = [left, right]
        case ast.Call(func=ast.Name(id=name), args=[*operands], keywords=[]) if name in _OWN:
            function = _OWN[name]
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="math"), attr=name),
            args=[*operands],
            keywords=[],
        ) if name in _MATH:
            function = getattr(math, name)
        case _:
            return None
    values = [comes_to(operand, depth - 1) for operand in operands]
    if None in values:
        return None
    try:
        found = function(*values)
        return found if math.isfinite(found) else None
    except (ArithmeticError, ValueError, TypeError):
        return None


def _literal(value: float | None) -> ast.expr | None:
    """The very number, if it is short."""
    if value is None or abs(value) >= 10**_LONGEST_NUMBER or len(repr(value)) > _LONGEST_NUMBER:
        return None
    constant = ast.Constant(value=abs(value))
    return ast.UnaryOp(op=ast.USub(), operand=constant) if value < 0 else constant


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
        if not slot.function or not statements.alone(slot, work.lines(slot)):
            continue
        rest = slot.body[slot.index + 1 :]
        if slot.behind and statements.leaves([slot.statement]):
            return [_without(work, slot, slot.behind)]
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
    if statement.value is not None and purity.has_effects(statement.value):
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
