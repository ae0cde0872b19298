"""Expressions without effects: which they are, where they are always computed, what stands in them.

What is asked for are expressions of names, numbers and items with arithmetic, comparisons,
conditions and functions of arithmetic; for those of lists or arrays signs may have effects.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from evolve.tree.kinds import KNOWN, dotted

_SAFE = (ast.Add, ast.Sub, ast.Mult)
"""Signs between numbers that cannot fail."""
_CANNOT_FAIL = frozenset({"abs", "min", "max", "float"})
_OPAQUE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.JoinedStr)


def read_in(statement: ast.stmt) -> Iterator[ast.expr]:
    """Every expression in a statement and in those within it."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.expr):
            yield node
        if not isinstance(node, _OPAQUE):
            pending += reversed(list(ast.iter_child_nodes(node)))


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


def pure(node: ast.expr) -> bool:
    """Arithmetic, comparisons and conditions of names, numbers and items, with functions of
    arithmetic."""
    match node:
        case ast.Name():
            return True
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.BinOp(left=left, right=right):
            return pure(left) and pure(right)
        case ast.UnaryOp(operand=operand):
            return pure(operand)
        case ast.BoolOp(values=values):
            return all(map(pure, values))
        case ast.Compare(left=left, comparators=others):
            return pure(left) and all(map(pure, others))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return pure(test) and pure(body) and pure(orelse)
        case ast.Subscript(value=ast.Name(), slice=index):
            return pure(index)
        case ast.Call(func=func, args=args, keywords=[]):
            return dotted(func) in KNOWN and all(map(pure, args))
    return False


def cannot_fail(node: ast.expr) -> bool:
    """Whether an expression of numbers has a value whatever they are."""
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
