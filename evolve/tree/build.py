"""Building expressions that are not silly: what folds, cancels or does nothing is not built.

Nodes are shared between trees and never changed once built.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import floor, isfinite, log10

from evolve.tree.kinds import dotted

Rebuild = Callable[[ast.AST], ast.AST | None]

COMPARISONS: tuple[type[ast.cmpop], ...] = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def name(text: str) -> ast.expr:
    """A name, or dotted names."""
    first, *rest = text.split(".")
    node: ast.expr = ast.Name(id=first, ctx=ast.Load())
    for part in rest:
        node = ast.Attribute(value=node, attr=part, ctx=ast.Load())
    return node


def number(value: float) -> ast.expr:
    """A literal; a float of few digits, an int where that is the same."""
    if isinstance(value, float):
        value = rounded(value)
        if value.is_integer() and abs(value) < 1e9:
            value = int(value)
    if value < 0:
        return ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=-value))
    return ast.Constant(value=value)


def rounded(value: float, digits: int = 3) -> float:
    """`value` with this many significant digits."""
    if not isfinite(value) or value == 0:
        return 0.0
    return round(value, digits - 1 - floor(log10(abs(value))))


def value_of(node: ast.expr) -> float | None:
    """The number that a literal stands for, a signed one too."""
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
    return None


def same(a: ast.AST, b: ast.AST) -> bool:
    """Whether two trees are equal but for positions."""
    if a.__class__ is not b.__class__:
        return False
    for field in a._fields:
        mine, other = getattr(a, field, None), getattr(b, field, None)
        if isinstance(mine, ast.AST) and isinstance(other, ast.AST):
            if not same(mine, other):
                return False
        elif isinstance(mine, list) and isinstance(other, list):
            if len(mine) != len(other) or not all(map(same, mine, other)):
                return False
        elif mine != other or mine.__class__ is not other.__class__:
            return False
    return True


def binary(left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr | None:
    """`left op right`, simplified where that is easy; None where it says nothing."""
    a, b = value_of(left), value_of(right)
    if a is not None and b is not None:
        return _folded(a, op, b)
    match op:
        case ast.Add() | ast.Sub() if b is not None and b < 0:
            opposite = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            return ast.BinOp(left=left, op=opposite, right=number(-b))
        case ast.Add() | ast.Sub() if b == 0:
            return None
        case ast.Add() if a == 0:
            return None
        case ast.Mult() if a in (0, 1) or b in (0, 1):
            return None
        case ast.Div() | ast.FloorDiv() if b in (0, 1) or a == 0:
            return None
        case ast.Mod() if b in (0, 1) or a == 0:
            return None
        case ast.Pow() if b in (0, 1) or a in (0, 1):
            return None
        case ast.Sub() | ast.Div() | ast.FloorDiv() | ast.Mod() if same(left, right):
            return None
        case ast.Sub() if a == 0:
            return negative(right)
    return ast.BinOp(left=left, op=op, right=right)


def _folded(a: float, op: ast.operator, b: float) -> ast.expr | None:
    match op:
        case ast.Add():
            return number(a + b)
        case ast.Sub():
            return number(a - b)
        case ast.Mult():
            return number(a * b) if abs(a) < 1e6 and abs(b) < 1e6 else None
        case ast.Div() if b:
            return number(a / b)
    return None


def negative(operand: ast.expr) -> ast.expr:
    """`-operand`, without a double sign."""
    if isinstance(operand, ast.UnaryOp) and isinstance(operand.op, ast.USub):
        return operand.operand
    if isinstance(operand, ast.BinOp) and isinstance(operand.op, ast.Sub):
        return ast.BinOp(left=operand.right, op=operand.op, right=operand.left)
    return ast.UnaryOp(op=ast.USub(), operand=operand)


def compare(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr | None:
    """`left op right`, or None where the answer is known beforehand."""
    if value_of(left) is not None and value_of(right) is not None:
        return None
    if same(left, right):
        return None
    return ast.Compare(left=left, ops=[op], comparators=[right])


def opposite(test: ast.expr) -> ast.expr:
    """What is true when `test` is not."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.Compare(left=left, ops=[op], comparators=comparators) if type(op) in _OPPOSITE:
            return ast.Compare(left=left, ops=[_OPPOSITE[type(op)]()], comparators=comparators)
        case ast.BoolOp(op=op, values=values):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            return ast.BoolOp(op=other, values=[opposite(value) for value in values])
    return ast.UnaryOp(op=ast.Not(), operand=test)


def junction(a: ast.expr, op: ast.boolop, b: ast.expr) -> ast.expr | None:
    """`a and b`, or `a or b`; None when one adds nothing."""
    if same(a, b):
        return None
    values: list[ast.expr] = []
    for part in (a, b):
        flat = isinstance(part, ast.BoolOp) and type(part.op) is type(op)
        values += part.values if flat else [part]  # type: ignore[attr-defined]
    return ast.BoolOp(op=op, values=values)


def conditional(test: ast.expr, body: ast.expr, orelse: ast.expr) -> ast.expr | None:
    """`body if test else orelse`, or None when both are the same."""
    return None if same(body, orelse) else ast.IfExp(test=test, body=body, orelse=orelse)


def call(function: str, arguments: Sequence[ast.expr]) -> ast.expr | None:
    """A call, or None where it does nothing, such as abs(abs(x)) or min(x, x)."""
    if len(arguments) == 2 and same(*arguments):
        return None
    if all(value_of(argument) is not None for argument in arguments):
        return None
    if function.endswith(".where") and len(arguments) == 3 and same(*arguments[1:]):
        return None
    match arguments:
        case [ast.Call(func=func)] if same(func, name(function)):
            return None
    return ast.Call(func=name(function), args=list(arguments), keywords=[])


def silly(node: ast.AST, old: ast.expr, new: ast.expr) -> bool:
    """Whether `new` in the place of its direct part `old` makes an expression say nothing."""

    def now(part: ast.expr) -> ast.expr:
        return new if part is old else part

    match node:
        case ast.BinOp(left=left, op=op, right=right):
            made = binary(now(left), op, now(right))
            return made is None or value_of(made) is not None
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return compare(now(left), op, now(right)) is None
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return isinstance(now(test), ast.Constant) or same(now(body), now(orelse))
        case ast.Call(func=ast.Name(id="range"), args=args):
            return any(value_of(now(argument)) == 0 for argument in args[-1:])
        case ast.Call(func=func, args=args, keywords=[]) if label := dotted(func):
            return call(label, [now(argument) for argument in args]) is None
        case ast.UnaryOp(op=ast.USub()):
            return isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.USub)
        case ast.BoolOp(values=values):
            return any(other is not old and same(other, new) for other in values)
        case ast.If() | ast.While():
            return isinstance(new, ast.Constant)
    return False


def rebuilt(node: ast.AST, change: Rebuild) -> ast.AST:
    """A copy in which `change` has its say on each node: another node, or None to go on inside."""
    changed = change(node)
    if changed is not None:
        return changed
    fields: dict[str, object] = {}
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            value = rebuilt(value, change)
        elif isinstance(value, list):
            value = [rebuilt(v, change) if isinstance(v, ast.AST) else v for v in value]
        fields[field] = value
    if isinstance(node, ast.stmt):
        fields["lineno"] = node.lineno  # ast.unparse looks at it
    return type(node)(**fields)


def replaced(root: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """`root` with the very node `old` exchanged for `new`."""
    result = rebuilt(root, lambda node: new if node is old else None)
    assert isinstance(result, ast.expr)
    return result


def size(node: ast.AST) -> int:
    """Expressions and statements in a tree."""
    return sum(isinstance(part, ast.expr | ast.stmt) for part in ast.walk(node))


@lru_cache(maxsize=1 << 14)
def names_in(node: ast.AST) -> frozenset[str]:
    """All names in a tree."""
    read = frozenset(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
    return read | stored_in(node)


@lru_cache(maxsize=1 << 14)
def stored_in(node: ast.AST) -> frozenset[str]:
    """All names that a tree sets, also by `:=` and by patterns."""
    found = set[str]()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case ast.MatchMapping(rest=str(name)):
                found.add(name)
    return frozenset(found)
