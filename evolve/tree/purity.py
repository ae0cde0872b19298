"""Expressions without effects: which they are, and where they are always computed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Set

from evolve.tree.kinds import KNOWN, dotted

_SAFE = (ast.Add, ast.Sub, ast.Mult)
"""Signs between numbers that cannot fail."""
_CANNOT_FAIL = frozenset({"abs", "min", "max"})
_OF_SEVERAL = frozenset({"min", "max"})
"""Functions that take something else than numbers where they are given one argument."""
_OPAQUE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.JoinedStr)


def within(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions directly in an expression that `replaced` goes on to."""
    if isinstance(node, _OPAQUE):
        return
    for name in node._fields:
        value = getattr(node, name, None)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.expr):
                yield part


def always(statement: ast.stmt) -> Iterator[tuple[ast.expr, bool]]:
    """Expressions that are computed whenever a statement is run, each with whether it is all of
    the statement's value."""
    whole = (getattr(statement, name, None) for name in ("value", "test", "iter"))
    if isinstance(statement, ast.While):
        return
    pending = [(node, True) for node in whole if isinstance(node, ast.expr)]
    while pending:
        node, is_value = pending.pop()
        yield node, is_value
        parts: list[ast.AST] = [*ast.iter_child_nodes(node)]
        match node:
            case ast.IfExp(test=test):
                parts = [test]
            case ast.BoolOp(values=[first, *_]):
                parts = [first]
            case ast.Compare(left=left, comparators=[first, *_]):
                parts = [left, first]
            case _ if isinstance(node, _OPAQUE):
                parts = []
        pending += [(part, False) for part in reversed(parts) if isinstance(part, ast.expr)]


def number(node: ast.expr, names: Set[str]) -> bool:
    """Whether an expression gives a number, or whether something holds, without effects.

    Args:
        names: Names of numbers; expressions of others are not looked through.
    """
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.Call(func=func, args=args, keywords=[]):
            called = dotted(func)
            few = called in _OF_SEVERAL and len(args) < 2
            return called in KNOWN and not few and all(number(arg, names) for arg in args)
        case ast.BinOp(left=left, right=right):
            return number(left, names) and number(right, names)
        case ast.UnaryOp(operand=operand):
            return number(operand, names)
        case ast.BoolOp() | ast.Compare() | ast.IfExp():
            return all(number(part, names) for part in within(node))
    return False


def has_effects(node: ast.expr) -> bool:
    """Whether something might happen when an expression is computed: it calls, or asks objects."""
    match node:
        case ast.Call(func=func, args=args, keywords=[]) if dotted(func) in KNOWN:
            return any(map(has_effects, args))
        case ast.Call() | ast.Attribute() | ast.Await() | ast.NamedExpr():
            return True
    return isinstance(node, _OPAQUE) or any(map(has_effects, within(node)))


def cannot_fail(node: ast.expr) -> bool:
    """Whether an expression of numbers has a value whatever they are (below 10^308)."""
    match node:
        case ast.Name() | ast.Constant():
            return True
        case ast.BinOp(left=left, op=op, right=right):
            return isinstance(op, _SAFE) and cannot_fail(left) and cannot_fail(right)
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            return cannot_fail(operand)
        case ast.Compare(left=left, comparators=others):
            return cannot_fail(left) and all(map(cannot_fail, others))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return all(map(cannot_fail, (test, body, orelse)))
        case ast.BoolOp(values=values):
            return all(map(cannot_fail, values))
        case ast.Call(func=func, args=args, keywords=[]):
            return dotted(func) in _CANNOT_FAIL and all(map(cannot_fail, args))
    return False


def replaced(node: ast.expr, by: Callable[[ast.expr], ast.expr | None]) -> ast.expr:
    """An expression with parts replaced, the outermost first; nothing that is there is changed."""
    new = by(node)
    if new is not None:
        return new
    if isinstance(node, _OPAQUE):
        return node
    parts: dict[str, object] = {}
    changed = False
    for name in node._fields:
        value = getattr(node, name, None)
        other: object = value
        if isinstance(value, ast.expr):
            other = replaced(value, by)
        elif isinstance(value, list):
            other = [replaced(v, by) if isinstance(v, ast.expr) else v for v in value]
            if all(a is b for a, b in zip(other, value, strict=True)):
                other = value
        changed = changed or other is not value
        parts[name] = other
    if not changed:
        return node
    new = node.__class__()
    for name, other in parts.items():
        setattr(new, name, other)
    return new
