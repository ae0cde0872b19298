"""The kinds of values that mutation tells apart, and what annotations, values and uses say of them.

Mutation replaces numbers by numbers, arrays by arrays and so on, and leaves what is unknown alone.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds that mutation tells apart."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    NUMBERS = "numbers"
    TEXTS = "texts"
    ROWS = "rows"
    """A sequence of sequences of numbers."""
    SET = "set"
    """A set of numbers: it has no order and no indices."""
    TABLE = "table"
    """A dict whose values are numbers."""
    ARRAY = "array"
    """A numpy array of numbers, of whatever shape."""
    VECTOR = "vector"
    """A numpy array of numbers with one axis."""
    MATRIX = "matrix"
    """A numpy array of numbers with two axes."""
    MASK = "mask"
    """A numpy array of booleans."""
    OTHER = "other"

    __hash__ = str.__hash__  # that of Enum is a call in Python


@dataclass(frozen=True, slots=True)
class Argument:
    """What a function of the program takes; a number may be an index."""

    kind: Kind
    index: bool


@dataclass(frozen=True, slots=True)
class Primitive:
    """A function to a number that may be called.

    `guards` keep arguments in its domain: for each a template with `_` for it, e.g. "abs(_)".
    `takes` says what its arguments are where they are not just any numbers.
    """

    name: str
    arity: int
    guards: tuple[str, ...] = ()
    takes: tuple[Argument, ...] = ()


_KNOWN = [
    Primitive("abs", 1),
    Primitive("min", 2),
    Primitive("max", 2),
    Primitive("round", 1),
    Primitive("int", 1),
    Primitive("float", 1),
    Primitive("pow", 2, ("1 + abs(_)", "min(_, 4)")),
    Primitive("math.sqrt", 1, ("abs(_)",)),
    Primitive("math.cbrt", 1),
    Primitive("math.log", 1, ("1 + abs(_)",)),
    Primitive("math.log2", 1, ("1 + abs(_)",)),
    Primitive("math.log10", 1, ("1 + abs(_)",)),
    Primitive("math.log1p", 1, ("abs(_)",)),
    Primitive("math.exp", 1, ("min(_, 50)",)),
    Primitive("math.expm1", 1, ("min(_, 50)",)),
    Primitive("math.floor", 1),
    Primitive("math.ceil", 1),
    Primitive("math.trunc", 1),
    Primitive("math.fabs", 1),
    Primitive("math.sin", 1),
    Primitive("math.cos", 1),
    Primitive("math.tan", 1),
    Primitive("math.tanh", 1),
    Primitive("math.atan", 1),
    Primitive("math.erf", 1),
    Primitive("math.hypot", 2),
    Primitive("math.atan2", 2),
    Primitive("math.copysign", 2),
]
KNOWN: Mapping[str, Primitive] = {primitive.name: primitive for primitive in _KNOWN}
_NUMBER_TYPES = frozenset({"int", "float"})
_SEQUENCES = frozenset({"list", "tuple", "Sequence", "Iterable", "Collection"})
_SETS = frozenset({"set", "frozenset", "Set", "AbstractSet"})
_TABLES = frozenset({"dict", "Mapping", "Counter", "defaultdict"})

ARRAYS = frozenset({Kind.ARRAY, Kind.VECTOR, Kind.MATRIX})
"""Arrays of numbers."""
SEQUENCES = frozenset({Kind.NUMBERS, Kind.TEXTS, Kind.ROWS})
_ITEMS: Mapping[Kind, Kind] = {
    Kind.TEXT: Kind.TEXT,
    Kind.NUMBERS: Kind.NUMBER,
    Kind.SET: Kind.NUMBER,
    Kind.TEXTS: Kind.TEXT,
    Kind.ROWS: Kind.NUMBERS,
    Kind.VECTOR: Kind.NUMBER,
    Kind.MATRIX: Kind.VECTOR,
}
_SEQUENCES_OF: Mapping[Kind, Kind] = {
    Kind.NUMBER: Kind.NUMBERS,
    Kind.TEXT: Kind.TEXTS,
    Kind.NUMBERS: Kind.ROWS,
}


ALIASES = ("np", "numpy")
"""What numpy is imported as."""
_LOGICAL = (ast.BitAnd, ast.BitOr, ast.BitXor)


def item_of(kind: Kind) -> Kind:
    """What iteration over something of this kind gives."""
    return _ITEMS.get(kind, Kind.OTHER)


def sequence_of(kind: Kind) -> Kind:
    """A list of things of this kind."""
    return _SEQUENCES_OF.get(kind, Kind.OTHER)


def primitive(name: str) -> Primitive:
    """The primitive of this name; an unknown one is taken to need one argument."""
    return KNOWN.get(name, Primitive(name, 1))


def annotated(annotation: ast.expr | None) -> Kind:
    """What an annotation promises."""
    match annotation:
        case ast.Name(id=name) if name in _NUMBER_TYPES:
            return Kind.NUMBER
        case ast.Name(id="bool"):
            return Kind.BOOLEAN
        case ast.Name(id="str"):
            return Kind.TEXT
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            kinds = {annotated(left), annotated(right)}
            return kinds.pop() if len(kinds) == 1 else Kind.OTHER
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=of):
            if name in ("ndarray", "NDArray"):
                return Kind.ARRAY
            items = of.elts if isinstance(of, ast.Tuple) else [of]
            kinds = {
                annotated(item)
                for item in items
                if not (isinstance(item, ast.Constant) and item.value is ...)
            }
            if name in _TABLES and len(items) == 2 and annotated(items[1]) is Kind.NUMBER:
                return Kind.TABLE
            if name in _SETS and kinds == {Kind.NUMBER}:
                return Kind.SET
            if name not in _SEQUENCES or len(kinds) != 1:
                return Kind.OTHER
            return sequence_of(kinds.pop())
        case ast.Constant(value=str(text)) if text.isidentifier():
            return annotated(ast.Name(id=text))
        case ast.Name(id="ndarray" | "NDArray") | ast.Attribute(attr="ndarray" | "NDArray"):
            return Kind.ARRAY
    return Kind.OTHER


def dotted(node: ast.expr) -> str | None:
    """ "math.sqrt" for such an expression, None for anything but names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else None
    return None


Given = tuple[tuple[str, tuple[tuple[str, Kind], ...]], ...]
"""Kinds of parameters that have been learnt: functions by name, parameters by name. Hashable."""


def parameter_kinds(
    function: ast.FunctionDef, learnt: Mapping[str, Kind] | None = None
) -> dict[str, Kind]:
    """What the parameters of a function are: by their annotations, or else by what has been learnt
    of them, or else by their uses."""
    arguments = [
        *function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs,
    ]  # fmt: skip
    kinds = {argument.arg: annotated(argument.annotation) for argument in arguments}
    silent = {a.arg for a in arguments if a.annotation is None} - _RECEIVERS
    known = {name: kind for name, kind in learnt.items() if name in silent} if learnt else {}
    if silent := silent - known.keys():
        surely, maybe = _numbers_by_use(function, silent)
        kinds |= dict.fromkeys(surely | maybe, Kind.NUMBER)
    return kinds | known


_RECEIVERS = frozenset({"self", "cls"})


def _numbers_by_use(function: ast.FunctionDef, names: set[str]) -> tuple[set[str], set[str]]:
    """Names that stand in arithmetic or are compared in size; names with which nothing is done
    that a number could not bear. The second is a guess: where it is wrong, children fail."""
    surely, borne, uses = set[str](), list[str](), list[str]()
    for node in ast.walk(function):
        sides: Sequence[ast.expr] = ()
        certain = False
        match node:
            case ast.Name(id=name) if name in names:
                uses.append(name)
            case ast.BinOp(left=left, op=op, right=right) if not isinstance(op, _LOGICAL):
                sides, certain = (left, right), isinstance(op, ast.Sub | ast.Mult | ast.Div)
            case ast.AugAssign(target=target, op=op, value=value) if not isinstance(op, _LOGICAL):
                sides = (target, value)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                sides = (operand,)
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = (left, *others)
                certain = len(ops) == 1 and isinstance(ops[0], _OF_SIZE)
                if any(isinstance(op, ast.In | ast.NotIn | ast.Is | ast.IsNot) for op in ops):
                    continue
            case ast.IfExp(body=body, orelse=orelse):
                sides = (body, orelse)
            case ast.Return(value=ast.expr() as value):
                sides = (value,)
            case ast.Call(func=func, args=args) if dotted(func) in KNOWN:
                sides = args
        found = [side.id for side in sides if isinstance(side, ast.Name) and side.id in names]
        if certain:
            surely.update(found)
        if not any(map(_is_no_number, sides)):
            borne += found
    return surely, {name for name in names if uses.count(name) == borne.count(name)}


_OF_SIZE = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NO_NUMBERS = (ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set)


def _is_no_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, int | float)
    return isinstance(node, _NO_NUMBERS)
