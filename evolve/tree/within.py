"""What stands in expressions and statements: parts, indices, names that are set."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from evolve.tree.kinds import ALIASES, dotted

_BITS = frozenset({ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift})
_WHOLE = frozenset({"range", "math.comb", "math.factorial", "math.gcd"})
"""Functions that take whole numbers only."""
_SHAPED = frozenset(
    f"{alias}.{function}" for alias in ALIASES for function in ("empty", "full", "ones", "zeros")
)
"""Functions that take a shape first."""
WITH_CHILDREN = frozenset({
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Subscript, ast.List,
    ast.Tuple,
})  # fmt: skip


def children(node: ast.expr) -> list[tuple[ast.expr, str, bool, bool]]:
    """Expressions in an expression: node, field, is it a test, is it held."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            power, integer = isinstance(op, ast.Pow), op.__class__ in _BITS
            return [
                (left, "left", False, integer or (power and is_base_of_power(node, left))),
                (right, "right", False, integer or power),
            ]
        case ast.Call(func=func, args=args):
            integer = dotted(func) in _WHOLE
            of = isinstance(func, ast.Attribute) and not isinstance(func.value, ast.Name)
            found = [(func.value, "value", False, False)] if of else []  # type: ignore[attr-defined]
            shaped = args[:1] if dotted(func) in _SHAPED else []
            plain = [value for value in args if not isinstance(value, ast.Starred)]
            return found + [(value, "args", False, integer or value in shaped) for value in plain]
        case ast.Compare(left=left, comparators=comparators):
            others = [(value, "comparators", False, False) for value in comparators]
            return [(left, "left", False, False), *others]
        case ast.UnaryOp(op=op, operand=operand):
            return [(operand, "operand", isinstance(op, ast.Not), isinstance(op, ast.Invert))]
        case ast.BoolOp(values=values):
            return [(value, "values", False, False) for value in values]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return [
                (test, "test", True, False),
                (body, "body", False, False),
                (orelse, "orelse", False, False),
            ]
        case ast.Subscript(value=value, slice=index):
            sliced = isinstance(index, ast.Slice | ast.Tuple)
            found = [] if sliced else [(index, "slice", False, True)]
            return [(value, "value", False, False), *found]
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            return [(value, "elts", False, False) for value in elts]
    return []


def index_parts(node: ast.Subscript) -> Iterator[tuple[ast.expr, ast.AST, str]]:
    """Numbers in an index: node, parent, field."""
    parts: list[tuple[ast.expr, ast.AST, str]] = [(node.slice, node, "slice")]
    if isinstance(node.slice, ast.Tuple):
        parts = [(part, node.slice, "elts") for part in node.slice.elts]
    for part, parent, field in parts:
        if not isinstance(part, ast.Slice):
            yield part, parent, field
            continue
        for name in ("lower", "upper", "step"):
            bound = getattr(part, name)
            if bound is not None:
                yield bound, part, name


def index_names(index: ast.expr) -> set[str]:
    """Names that are indices, or near one: those in `i`, `i + 1`, `(i + k) % n` but for n."""
    match index:
        case ast.Name(id=name):
            return {name}
        case ast.Tuple(elts=parts):
            return set().union(*map(index_names, parts))
        case ast.Slice(lower=lower, upper=upper):
            return set().union(*(index_names(part) for part in (lower, upper) if part))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return index_names(left) | index_names(right)
        case ast.BinOp(left=left, op=ast.Mod()):
            return index_names(left)
    return set()


def is_base_of_power(parent: ast.AST, node: ast.expr) -> bool:
    """Whether it is the base of a power that may not be negative: the exponent is not whole."""
    match parent:
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=value)):
            return left is node and not isinstance(value, int)
        case ast.BinOp(left=left, op=ast.Pow()):
            return left is node
    return False


def is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def bound_names(target: ast.AST) -> list[str]:
    match target:
        case ast.Name(id=name):
            return [name]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [name for part in parts for name in bound_names(part)]
        case ast.Starred(value=inner) | ast.withitem(optional_vars=ast.expr() as inner):
            return bound_names(inner)
    return []


def assigned(body: Sequence[ast.stmt | ast.excepthandler]) -> list[str]:
    """Names that statements set; their expressions are not gone through."""
    found: list[str] = []
    for statement in body:
        match statement:
            case ast.Assign(targets=targets):
                found += [name for target in targets for name in bound_names(target)]
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                found += bound_names(target)
            case ast.For(target=target):
                found += bound_names(target)
            case ast.With(items=items):
                found += [name for item in items for name in bound_names(item)]
        for part in ("body", "orelse", "handlers", "finalbody"):
            found += assigned(getattr(statement, part, ()))
    return found
