"""What an expression gives: a number, a boolean, numbers in a sequence or in a numpy array, or
something unknown.

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
    NUMBERS = "numbers"
    ARRAY = "array"
    """A numpy array of numbers, of whatever shape."""
    MASK = "mask"
    """A numpy array of booleans."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Primitive:
    """A function from numbers to a number that may be called.

    `guards` keep arguments in its domain: for each a template with `_` for it, e.g. "abs(_)".
    """

    name: str
    arity: int
    guards: tuple[str, ...] = ()


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
_NUMBER_OF_NUMBERS = frozenset({"sum", "min", "max", "len"})
_NUMBER_FROM_ANYTHING = frozenset({"len", "int", "float", "math.dist", "math.fsum", "math.prod"})
_NUMBER_TYPES = frozenset({"int", "float"})
_SEQUENCES = frozenset({"list", "tuple", "set", "Sequence", "Iterable", "Collection", "frozenset"})


ALIASES = ("np", "numpy")
"""What numpy is imported as."""
_ELEMENTWISE = frozenset((
    "abs", "absolute", "add", "arctan", "ceil", "clip", "cos", "cumsum", "divide", "exp",
    "expm1", "fabs", "floor", "log", "log10", "log1p", "log2", "maximum", "minimum", "mod",
    "multiply", "negative", "power", "round", "roll", "sign", "sin", "sort", "sqrt", "square",
    "subtract", "tanh",
))  # fmt: skip
_REDUCING = frozenset((
    "sum", "max", "min", "mean", "median", "std", "var", "prod", "argmax", "argmin", "ptp",
    "any", "all",
))  # fmt: skip
_MAKING = frozenset((
    "arange", "array", "asarray", "empty", "empty_like", "full", "full_like", "linspace",
    "ones", "ones_like", "zeros", "zeros_like",
))  # fmt: skip
_ARRAYS = frozenset({Kind.ARRAY, Kind.MASK})
_SINGLE = frozenset({Kind.NUMBER, Kind.BOOLEAN})
_LOGICAL = (ast.BitAnd, ast.BitOr, ast.BitXor)


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
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            kinds = {annotated(left), annotated(right)}
            return kinds.pop() if len(kinds) == 1 else Kind.OTHER
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=of):
            if name in ("ndarray", "NDArray"):
                return Kind.ARRAY
            items = of.elts if isinstance(of, ast.Tuple) else [of]
            numbers = [
                annotated(item) is Kind.NUMBER
                for item in items
                if not (isinstance(item, ast.Constant) and item.value is ...)
            ]
            return Kind.NUMBERS if name in _SEQUENCES and all(numbers) else Kind.OTHER
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


class Reading:
    """What expressions give where names have these kinds and functions return those.

    Args:
        known: What expressions give that are read with the same names; added to.
    """

    def __init__(
        self,
        names: Mapping[str, Kind],
        functions: Mapping[str, Kind],
        known: dict[ast.expr, Kind],
    ) -> None:
        self._names = names
        self._functions = functions
        self._known = known

    def of(self, node: ast.expr) -> Kind:
        """What an expression gives."""
        kind = self._known.get(node)
        if kind is None:
            kind = self._known[node] = self._read(node)
        return kind

    def _read(self, node: ast.expr) -> Kind:
        match node:
            case ast.Constant(value=bool()):
                return Kind.BOOLEAN
            case ast.Constant(value=int() | float()):
                return Kind.NUMBER
            case ast.Name(id=name):
                return self._names.get(name, Kind.OTHER)
            case ast.BinOp(left=left, op=op, right=right):
                sides = {self.of(left), self.of(right)}
                if isinstance(op, _LOGICAL) and sides == {Kind.MASK}:
                    return Kind.MASK
                return _elementwise(sides)
            case ast.UnaryOp(op=ast.Not()):
                return Kind.BOOLEAN
            case ast.UnaryOp(op=op, operand=operand):
                kind = self.of(operand)
                if kind is Kind.MASK and isinstance(op, ast.Invert):
                    return Kind.MASK
                return _elementwise({kind})
            case ast.Compare(left=left, ops=ops, comparators=others):
                if all(isinstance(op, ast.In | ast.NotIn | ast.Is | ast.IsNot) for op in ops):
                    return Kind.BOOLEAN
                compared = {self.of(n) for n in (left, *others)}
                if Kind.OTHER in compared:
                    return Kind.OTHER
                return Kind.MASK if compared & _ARRAYS else Kind.BOOLEAN
            case ast.BoolOp(values=values):
                return _common([self.of(value) for value in values])
            case ast.IfExp(body=body, orelse=orelse):
                return _common([self.of(body), self.of(orelse)])
            case ast.Call(func=ast.Attribute(value=of, attr=method)) if (
                method in _REDUCING and self.of(of) in _ARRAYS
            ):
                return Kind.NUMBER
            case ast.Call(func=func, args=args):
                return self._returned(dotted(func), args)
            case ast.Subscript(value=value, slice=index) if not isinstance(index, ast.Slice):
                kind = self.of(value)
                if kind is Kind.ARRAY and self.of(index) is Kind.MASK:
                    return Kind.ARRAY
                return Kind.NUMBER if kind is Kind.NUMBERS else Kind.OTHER
            case ast.Attribute(value=value, attr="size") if self.of(value) in _ARRAYS:
                return Kind.NUMBER
            case ast.List(elts=elts) | ast.Tuple(elts=elts) if elts:
                kinds = {self.of(item) for item in elts}
                return Kind.NUMBERS if kinds == {Kind.NUMBER} else Kind.OTHER
            case ast.Attribute() if dotted(node) in ("math.pi", "math.e", "math.inf", "math.tau"):
                return Kind.NUMBER
            case ast.NamedExpr(value=value):
                return self.of(value)
        return Kind.OTHER

    def _returned(self, name: str | None, arguments: list[ast.expr]) -> Kind:
        if name is None:
            return Kind.OTHER
        if name in self._functions:
            return self._functions[name]
        if name in _NUMBER_FROM_ANYTHING:
            return Kind.NUMBER
        if name == "range":
            return Kind.NUMBERS
        kinds = [self.of(argument) for argument in arguments]
        if name in _NUMBER_OF_NUMBERS and kinds == [Kind.NUMBERS]:
            return Kind.NUMBER
        root, _, function = name.rpartition(".")
        if root in ALIASES:
            return _returned_by_numpy(function, kinds)
        if name == "abs" and kinds == [Kind.ARRAY]:
            return Kind.ARRAY
        if name in KNOWN and all(kind in (Kind.NUMBER, Kind.BOOLEAN) for kind in kinds):
            return Kind.NUMBER
        if name in ("sorted", "list", "tuple") and kinds == [Kind.NUMBERS]:
            return Kind.NUMBERS
        return Kind.OTHER


def kind_of(node: ast.expr, names: Mapping[str, Kind], functions: Mapping[str, Kind]) -> Kind:
    """What an expression gives, where names have these kinds and functions return those."""
    return Reading(names, functions, {}).of(node)


def _elementwise(kinds: set[Kind]) -> Kind:
    """What arithmetic on things of these kinds gives."""
    if kinds <= _SINGLE:
        return Kind.NUMBER
    return Kind.ARRAY if kinds <= _SINGLE | _ARRAYS else Kind.OTHER


def _common(kinds: list[Kind]) -> Kind:
    return kinds[0] if len(set(kinds)) == 1 else Kind.OTHER


def _returned_by_numpy(function: str, kinds: list[Kind]) -> Kind:
    if function in _MAKING:
        return Kind.ARRAY
    if function == "where" and len(kinds) == 3:
        return Kind.ARRAY if _elementwise(set(kinds[1:])) is not Kind.OTHER else Kind.OTHER
    if function in _REDUCING and len(kinds) == 1 and kinds[0] in _ARRAYS | {Kind.NUMBERS}:
        return Kind.NUMBER
    return _elementwise(set(kinds)) if function in _ELEMENTWISE and kinds else Kind.OTHER


def returned_kind(function: ast.FunctionDef) -> Kind:
    """What a function returns, by its annotation or else by what stands behind `return`."""
    if function.returns is not None:
        return annotated(function.returns)
    kinds = {
        kind_of(node.value, parameter_kinds(function), {})
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    }
    return kinds.pop() if len(kinds) == 1 else Kind.OTHER


def parameter_kinds(function: ast.FunctionDef) -> dict[str, Kind]:
    """What the parameters of a function are, by their annotations or else by their uses."""
    arguments = [
        *function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs,
    ]  # fmt: skip
    kinds = {argument.arg: annotated(argument.annotation) for argument in arguments}
    silent = {a.arg for a in arguments if a.annotation is None} - _RECEIVERS
    if silent:
        surely, maybe = _numbers_by_use(function, silent)
        kinds |= dict.fromkeys(surely | maybe, Kind.NUMBER)
    return kinds


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
