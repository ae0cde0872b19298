"""Random expressions over numpy arrays: elementwise, so that shapes stay what they are.

Arrays of as many axes are taken to fit each other; where they do not, the child fails.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from evolve.tree import build, containers
from evolve.tree.kinds import ALIASES, Kind
from evolve.tree.places import Scope

if TYPE_CHECKING:
    from evolve.tree.grow import Grower

_ONE: Mapping[str, str] = {
    "abs": "_",
    "sqrt": "abs(_)",
    "log1p": "abs(_)",
    "exp": "minimum(_, 50)",
    "floor": "_",
    "tanh": "_",
    "sign": "_",
}
"""Functions of one array, and what keeps their argument in the domain; inner names are numpy's."""
_TWO = ("minimum", "maximum")
_OF_ROWS = ("min", "max", "mean", "sum")
_TRIES = 8


def numpy_at(scope: Scope) -> str | None:
    """What numpy is called there; None where it is not imported."""
    return next((name for name in ALIASES if name in scope.modules), None)


def array(grow: Grower, kind: Kind, scope: Scope, depth: int) -> ast.expr | None:
    """An array from an expression at most this deep; None where there is none to begin with."""
    rng = grow.rng
    known = named(grow, kind, scope)
    if known is None or depth <= 0 or rng.random() < 0.2:
        return known
    for _ in range(_TRIES):
        inner = array(grow, kind, scope, depth - 1)
        if inner is None:
            return None
        choice = rng.random()
        if choice < 0.6:
            made = arithmetic(grow, inner, kind, scope, depth)
        elif choice < 0.85:
            made = called(grow, inner, kind, scope, depth)
        else:
            made = chosen(grow, inner, kind, scope, depth)
        if made is not None:
            return made
    return known


def named(grow: Grower, kind: Kind, scope: Scope) -> ast.expr | None:
    """An array that has a name; one with one axis may be a row of a matrix, or made of its rows."""
    matrices = scope.of_kind(Kind.MATRIX) if kind is Kind.VECTOR else []
    if not matrices or (scope.of_kind(kind) and grow.rng.random() < 0.6):
        return grow.name(scope, kind)
    matrix = build.name(grow.rng.choice(matrices))
    if grow.rng.random() < 0.6:
        row = containers.index(grow, scope)
        return ast.Subscript(value=matrix, slice=row, ctx=ast.Load())
    function = ast.Attribute(value=matrix, attr=grow.rng.choice(_OF_ROWS), ctx=ast.Load())
    axis = ast.keyword(arg="axis", value=build.number(grow.rng.choice((0, 1))))
    return ast.Call(func=function, args=[], keywords=[axis])


def some_kind(grow: Grower, scope: Scope) -> Kind:
    """A kind of arrays that have a name there."""
    known = [kind for kind in (Kind.ARRAY, Kind.VECTOR, Kind.MATRIX) if scope.of_kind(kind)]
    return grow.rng.choice(known) if known else Kind.ARRAY


def operand(grow: Grower, kind: Kind, scope: Scope, depth: int) -> ast.expr:
    """What an array is joined to: a number, or another array."""
    made = array(grow, kind, scope, depth) if grow.rng.random() < 0.5 else None
    return made or grow.number(scope, depth)


def arithmetic(
    grow: Grower, left: ast.expr, kind: Kind, scope: Scope, depth: int
) -> ast.expr | None:
    """An array joined to a number or to another array."""
    rng = grow.rng
    choice = rng.random()
    right = operand(grow, kind, scope, depth - 1)
    if choice < 0.7:
        op: ast.operator = rng.choice((ast.Add, ast.Sub, ast.Mult))()
        if rng.random() < 0.3:
            left, right = right, left
        return build.binary(left, op, right)
    if choice < 0.92:
        if build.value_of(right) == 0:
            return None
        return build.binary(left, rng.choice((ast.Div, ast.Div, ast.FloorDiv, ast.Mod))(), right)
    # as floats: powers of integers overflow without a word
    base = build.binary(left, ast.Mult(), ast.Constant(value=1.0)) or left
    return build.binary(base, ast.Pow(), build.number(rng.choice((2, 2, 3))))


def called(
    grow: Grower, argument: ast.expr, kind: Kind, scope: Scope, depth: int
) -> ast.expr | None:
    """A function of an array, element by element."""
    numpy = numpy_at(scope)
    if numpy is None:
        return build.call("abs", [argument])
    if grow.rng.random() < 0.4:
        other = operand(grow, kind, scope, depth - 1)
        return build.call(f"{numpy}.{grow.rng.choice(_TWO)}", [argument, other])
    function = grow.rng.choice(list(_ONE))
    template = ast.parse(_ONE[function], mode="eval").body
    if isinstance(template, ast.Call):
        assert isinstance(template.func, ast.Name)
        template.func = build.name(f"{numpy}.{template.func.id}")
    guarded = build.rebuilt(
        template, lambda n: argument if isinstance(n, ast.Name) and n.id == "_" else None
    )
    assert isinstance(guarded, ast.expr)
    return build.call(f"{numpy}.{function}", [guarded])


def chosen(grow: Grower, one: ast.expr, kind: Kind, scope: Scope, depth: int) -> ast.expr | None:
    """`where` of a mask, an array and something else."""
    numpy = numpy_at(scope)
    test = mask(grow, kind, scope, depth - 1)
    if numpy is None or test is None:
        return None
    branches = [one, operand(grow, kind, scope, depth - 1)]
    grow.rng.shuffle(branches)
    return build.call(f"{numpy}.where", [test, *branches])


def mask(grow: Grower, kind: Kind, scope: Scope, depth: int) -> ast.expr | None:
    """A comparison of arrays, or two of them joined."""
    rng = grow.rng
    left = array(grow, kind, scope, depth)
    if left is None:
        return None
    right = grow.constant() if rng.random() < 0.5 else operand(grow, kind, scope, depth - 1)
    op = rng.choice((ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq))()
    made = build.compare(left, op, right)
    if made is not None and depth > 0 and rng.random() < 0.2:
        return joined(grow, made, kind, scope, depth - 1)
    return made


def joined(grow: Grower, one: ast.expr, kind: Kind, scope: Scope, depth: int) -> ast.expr | None:
    """A mask and (or: or) another one."""
    other = mask(grow, kind, scope, depth)
    if other is None or build.same(one, other):
        return None
    op = grow.rng.choice((ast.BitAnd(), ast.BitOr()))
    return ast.BinOp(left=one, op=op, right=other)
