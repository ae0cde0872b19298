"""Random expressions over what holds values: sequences, texts, tables, arrays and their items.

Indices are names that stand in indices elsewhere in the program, or the two ends; what is out of
range fails as a child.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from evolve.tree import build
from evolve.tree.kinds import ARRAYS, SEQUENCES, Kind, item_of
from evolve.tree.places import Scope

if TYPE_CHECKING:
    from evolve.tree.grow import Grower

INDEXED = SEQUENCES | {Kind.TEXT, Kind.VECTOR, Kind.MATRIX}
_HOLDING = (
    *(Kind.TEXT, Kind.NUMBERS, Kind.TEXTS, Kind.ROWS, Kind.SET, Kind.TABLE),
    *(Kind.ARRAY, Kind.VECTOR, Kind.MATRIX),
)
_ARRAY_METHODS = ("max", "min", "mean", "sum", "std")
_BY_A_FUNCTION = 0.2
"""Share of new numbers that a function of the program gives, where one takes what is there."""
_ANY_NUMBER = 0.08
"""Share of new indices that are a number never seen in one: most are none, but the rest would never
be found."""
_ITEM_NAMES = ("item", "entry", "part", "each")


def holders(scope: Scope) -> list[str]:
    """Names of what holds numbers, or can be measured by one."""
    return [name for name, kind in scope.names.items() if kind in _HOLDING]


def number(grow: Grower, scope: Scope) -> ast.expr | None:
    """A number taken from something that has a name, or one that measures it."""
    known = holders(scope)
    return measure(grow, scope, grow.rng.choice(known)) if known else None


def measured(grow: Grower, scope: Scope) -> ast.expr | None:
    """Sometimes a call of a function of the program: `distance(points[i], points[j])`."""
    known = [helper for helper in scope.helpers if helper.takes]
    if not known or grow.rng.random() >= _BY_A_FUNCTION:
        return None
    function = grow.rng.choice(known)
    arguments: list[ast.expr] = []
    for argument in function.takes:
        made: ast.expr | None
        if argument.index:
            made = index(grow, scope)
        elif argument.kind is Kind.NUMBER:
            made = grow.number(scope, 0)
        else:
            made = some(grow, argument.kind, scope)
        if made is None:
            return None
        arguments.append(made)
    return build.call(function.name, arguments)


def measure(grow: Grower, scope: Scope, name: str) -> ast.expr | None:
    rng, kind, base = grow.rng, scope.names[name], build.name(name)
    if kind in ARRAYS:
        if kind is Kind.ARRAY or rng.random() < 0.35:
            return _method(base, rng.choice(_ARRAY_METHODS))
        if kind is Kind.VECTOR:
            return _item(base, index(grow, scope))
        if rng.random() < 0.25:
            return _method(_item(base, index(grow, scope)), rng.choice(_ARRAY_METHODS))
        both = [index(grow, scope), index(grow, scope)]
        if build.same(*both):
            return None
        return _item(base, ast.Tuple(elts=both, ctx=ast.Load()))
    if kind is Kind.TABLE:
        key = _key(grow, scope)
        if key is None or rng.random() < 0.1:
            return build.call("len", [base])
        get = ast.Attribute(value=base, attr="get", ctx=ast.Load())
        return ast.Call(func=get, args=[key, ast.Constant(value=0)], keywords=[])
    if kind is Kind.NUMBERS:
        if rng.random() < 0.6:
            return _item(base, index(grow, scope))
        return build.call(rng.choice(("len", "sum", "max", "min")), [base])
    if kind is Kind.ROWS:
        if rng.random() < 0.6:
            ends = ast.Constant(value=rng.choice((0, 1)))
            return _item(_item(base, index(grow, scope)), ends)
        return build.call("len", [base])
    if kind is Kind.TEXT and rng.random() < 0.4 and grow.letters:
        letter = ast.Constant(value=rng.choice(grow.letters))
        counting = ast.Attribute(value=base, attr="count", ctx=ast.Load())
        return ast.Call(func=counting, args=[letter], keywords=[])
    return build.call("len", [base])


def membership(grow: Grower, scope: Scope) -> ast.expr | None:
    """`key in table`, or `item in sequence`."""
    rng = grow.rng
    known = [name for name in holders(scope) if scope.names[name] not in ARRAYS]
    if not known:
        return None
    name = rng.choice(known)
    kind = scope.names[name]
    item = _key(grow, scope) if kind is Kind.TABLE else grow.name(scope, item_of(kind))
    if item is None or build.same(item, build.name(name)):
        return None
    op = ast.In() if rng.random() < 0.6 else ast.NotIn()
    return ast.Compare(left=item, ops=[op], comparators=[build.name(name)])


def some(grow: Grower, kind: Kind, scope: Scope) -> ast.expr | None:
    """A text or a sequence: one that has a name, an item of another, or a part of one."""
    rng = grow.rng
    choice = rng.random()
    if choice < 0.3 or kind not in scope.names.values():
        above = [name for name, its in scope.names.items() if item_of(its) is kind]
        if above:
            name = rng.choice(above)
            if scope.names[name] is not Kind.TEXT or kind is Kind.TEXT:
                return _item(build.name(name), index(grow, scope))
    base = grow.name(scope, kind)
    if base is None or choice > 0.65 or kind not in INDEXED:
        return base
    return part(grow, base)


def part(grow: Grower, base: ast.expr) -> ast.expr:
    """Most of a sequence, or the whole backwards."""
    rng = grow.rng
    choice = rng.random()
    if choice < 0.25:
        bounds = ast.Slice(step=build.number(-1))
    elif choice < 0.6:
        bounds = ast.Slice(lower=build.number(rng.choice((1, 1, 2))))
    elif choice < 0.85:
        bounds = ast.Slice(upper=build.number(rng.choice((-1, -1, -2))))
    else:
        bounds = ast.Slice(upper=build.number(abs(round(grow.value())) or 1))
    return _item(base, bounds)


def index(grow: Grower, scope: Scope) -> ast.expr:
    """A name that stands in indices, perhaps a step away, or one of the ends."""
    rng = grow.rng
    known = [name for name in grow.indices if scope.names.get(name) is Kind.NUMBER]
    if not known or rng.random() < 0.15:
        return build.number(rng.choice((0, -1)))
    others = [name for name in scope.of_kind(Kind.NUMBER) if name not in known]
    if others and rng.random() < _ANY_NUMBER:
        return build.name(rng.choice(others))
    made = build.name(rng.choice(known))
    if rng.random() < 0.12:
        op = rng.choice((ast.Add, ast.Sub))()
        return build.binary(made, op, build.number(1)) or made
    return made


def sorting_key(grow: Grower, scope: Scope, kind: Kind) -> ast.Lambda | None:
    """`lambda item: ...` with a number that depends on the item."""
    names = [name for name in _ITEM_NAMES if name not in scope.names]
    if not names:
        return None
    item = names[0]
    inner = scope.with_names({item: kind})
    for _ in range(4):
        made: ast.expr | None
        if kind is Kind.NUMBER:
            made = grow.number(inner, 1)
        else:
            made = measure(grow, inner, item) if kind in INDEXED else None
            if made is not None and grow.rng.random() < 0.4:
                made = grow.arithmetic(made, inner, 1)
        if made is not None and item in build.names_in(made):
            parameters = ast.arguments(
                posonlyargs=[], args=[ast.arg(arg=item)], kwonlyargs=[], kw_defaults=[], defaults=[]
            )
            return ast.Lambda(args=parameters, body=made)
    return None


def _key(grow: Grower, scope: Scope) -> ast.expr | None:
    text = grow.name(scope, Kind.TEXT)
    if text is not None:
        return text
    known = [name for name in grow.indices if scope.names.get(name) is Kind.NUMBER]
    return build.name(grow.rng.choice(known)) if known else None


def _item(base: ast.expr, index: ast.expr) -> ast.expr:
    return ast.Subscript(value=base, slice=index, ctx=ast.Load())


def _method(base: ast.expr, name: str) -> ast.expr:
    return ast.Call(func=ast.Attribute(value=base, attr=name, ctx=ast.Load()), args=[], keywords=[])
