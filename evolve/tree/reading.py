"""What an expression gives, where the kinds of names are known."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from evolve.tree.kinds import (
    ALIASES,
    ARRAYS,
    KNOWN,
    SEQUENCES,
    Kind,
    annotated,
    dotted,
    item_of,
    parameter_kinds,
    sequence_of,
)

RETURN = "return"
"""Stands for what a function returns, among the names of its parameters."""
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
_ARRAYS = ARRAYS | {Kind.MASK}
_VECTORS = frozenset({"argsort", "bincount", "diff", "flatnonzero", "arange", "linspace", "unique"})
_SAME_METHODS = frozenset({"copy", "astype", "clip", "round", "cumsum"})
_TEXT_METHODS = frozenset((
    "capitalize", "lower", "lstrip", "replace", "rstrip", "strip", "title", "upper",
    "removeprefix", "removesuffix", "join", "zfill", "ljust", "rjust", "center", "casefold",
))  # fmt: skip
_COUNTING_METHODS = frozenset({"count", "index", "find", "rfind", "rindex"})
_ASKING_METHODS = frozenset((
    "startswith", "endswith", "isalpha", "isdigit", "isupper", "islower", "isspace", "isalnum",
))  # fmt: skip
_SINGLE = frozenset({Kind.NUMBER, Kind.BOOLEAN})
_COMPUTED = _SINGLE | _ARRAYS
_ADDED = SEQUENCES | {Kind.TEXT}
_SLICED = _ADDED | ARRAYS
_ASKING = frozenset({ast.In, ast.NotIn, ast.Is, ast.IsNot})
_LOGICAL = (ast.BitAnd, ast.BitOr, ast.BitXor)

_NUMBER_FROM_ANYTHING = frozenset({
    "len", "int", "float", "ord", "math.dist", "math.fsum", "math.prod", "math.gcd", "math.comb",
})  # fmt: skip
_RETURNED = {
    "range": Kind.NUMBERS,
    "str": Kind.TEXT,
    "chr": Kind.TEXT,
    "repr": Kind.TEXT,
    "bool": Kind.BOOLEAN,
    "any": Kind.BOOLEAN,
    "all": Kind.BOOLEAN,
    "isinstance": Kind.BOOLEAN,
}
_KEEPING = frozenset({"sorted", "list", "tuple", "reversed"})
_ITERATED = SEQUENCES | {Kind.TEXT, Kind.VECTOR, Kind.SET}
_LITERALS: Mapping[type, Kind] = {
    bool: Kind.BOOLEAN,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
}


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

    def within(self, bound: Mapping[str, Kind]) -> Reading:
        """The same where further names have a value: in a lambda or a comprehension."""
        return Reading({**self._names, **bound}, self._functions, self._known)

    def _read(self, node: ast.expr) -> Kind:
        match node:
            case ast.Constant(value=value):
                return _LITERALS.get(type(value), Kind.OTHER)
            case ast.Name(id=name):
                return self._names.get(name, Kind.OTHER)
            case ast.BinOp(left=left, op=op, right=right):
                return self._joined(op, self.of(left), self.of(right))
            case ast.UnaryOp(op=ast.Not()):
                return Kind.BOOLEAN
            case ast.UnaryOp(op=op, operand=operand):
                kind = self.of(operand)
                if kind is Kind.MASK and isinstance(op, ast.Invert):
                    return Kind.MASK
                return _elementwise({kind})
            case ast.Compare(left=left, ops=ops, comparators=others):
                if _ASKING.issuperset(map(type, ops)):
                    return Kind.BOOLEAN
                compared = {self.of(n) for n in (left, *others)}
                if Kind.OTHER in compared:
                    return Kind.OTHER
                return Kind.MASK if compared & _ARRAYS else Kind.BOOLEAN
            case ast.BoolOp(values=values):
                return _common([self.of(value) for value in values])
            case ast.IfExp(body=body, orelse=orelse):
                return _common([self.of(body), self.of(orelse)])
            case ast.Call():
                return self._called(node)
            case ast.Subscript(value=value, slice=index):
                return self._indexed(self.of(value), index)
            case ast.Attribute(value=value, attr=attribute) if self.of(value) in _ARRAYS:
                named = {"size": Kind.NUMBER, "ndim": Kind.NUMBER, "shape": Kind.NUMBERS}
                return self.of(value) if attribute == "T" else named.get(attribute, Kind.OTHER)
            case ast.Set(elts=elts):
                numbers = all(self.of(item) is Kind.NUMBER for item in elts)
                return Kind.SET if numbers else Kind.OTHER
            case ast.SetComp(elt=elt, generators=generators):
                number = self.inside(generators).of(elt) is Kind.NUMBER
                return Kind.SET if number else Kind.OTHER
            case ast.List(elts=elts) | ast.Tuple(elts=elts) if elts:
                return sequence_of(_common([self.of(item) for item in elts]))
            case (
                ast.ListComp(elt=elt, generators=made) | ast.GeneratorExp(elt=elt, generators=made)
            ):
                return sequence_of(self.inside(made).of(elt))
            case ast.DictComp(value=value, generators=generators):
                number = self.inside(generators).of(value) is Kind.NUMBER
                return Kind.TABLE if number else Kind.OTHER
            case ast.Attribute() if dotted(node) in ("math.pi", "math.e", "math.inf", "math.tau"):
                return Kind.NUMBER
            case ast.NamedExpr(value=value):
                return self.of(value)
        return Kind.OTHER

    def inside(self, generators: Sequence[ast.comprehension]) -> Reading:
        """What holds behind the `for`s of a comprehension."""
        reading = self
        for generator in generators:
            reading = reading.within(reading.bound(generator.target, generator.iter))
        return reading

    def bound(self, target: ast.expr, iterated: ast.expr) -> dict[str, Kind]:
        """Names that `for target in iterated` sets, and what they are."""
        bound: dict[str, Kind] = {}
        parts = self._parts(iterated)
        if isinstance(target, ast.Name):
            bound[target.id] = self._item(iterated)
        elif isinstance(target, ast.Tuple):
            for item, kind in zip_longest(target.elts[: len(target.elts)], parts):
                if isinstance(item, ast.Name):
                    bound[item.id] = kind or Kind.OTHER
                elif isinstance(item, ast.expr):
                    bound |= dict.fromkeys(_stored(item), Kind.OTHER)
        else:
            bound |= dict.fromkeys(_stored(target), Kind.OTHER)
        return bound

    def _item(self, iterated: ast.expr) -> Kind:
        kind = self.of(iterated)
        match iterated:
            case ast.Name() if kind is Kind.TABLE:
                return Kind.OTHER
        return item_of(kind)

    def _parts(self, iterated: ast.expr) -> list[Kind]:
        """What the items of an iterable are unpacked to, as far as can be seen."""
        match iterated:
            case ast.Call(func=ast.Name(id="enumerate"), args=[of, *_]):
                return [Kind.NUMBER, self._item(of)]
            case ast.Call(func=ast.Name(id="zip"), args=args):
                return [self._item(argument) for argument in args]
            case ast.Call(func=ast.Attribute(value=of, attr="items"), args=[]):
                return [Kind.OTHER, Kind.NUMBER] if self.of(of) is Kind.TABLE else []
        return [Kind.NUMBER] * 8 if self.of(iterated) is Kind.ROWS else []

    def _joined(self, op: ast.operator, left: Kind, right: Kind) -> Kind:
        if left is right is Kind.NUMBER and not isinstance(op, ast.MatMult):
            return Kind.NUMBER
        if isinstance(op, _LOGICAL) and left is right is Kind.MASK:
            return Kind.MASK
        if isinstance(op, ast.MatMult):
            ranks = left, right
            if ranks == (Kind.VECTOR, Kind.VECTOR):
                return Kind.NUMBER
            return Kind.VECTOR if Kind.VECTOR in ranks and Kind.MATRIX in ranks else Kind.OTHER
        if left is right and left in _ADDED:
            return left if isinstance(op, ast.Add) else Kind.OTHER
        if isinstance(op, ast.Mult) and {left, right} & SEQUENCES and Kind.NUMBER in (left, right):
            return left if left in SEQUENCES else right
        return _elementwise({left, right})

    def _indexed(self, kind: Kind, index: ast.expr) -> Kind:
        if isinstance(index, ast.Slice):
            return kind if kind in _SLICED else Kind.OTHER
        if kind in ARRAYS:
            if self.of(index) is Kind.MASK:
                return Kind.ARRAY if kind is Kind.ARRAY else Kind.VECTOR
            if isinstance(index, ast.Tuple):
                sliced = sum(isinstance(part, ast.Slice) for part in index.elts)
                if kind is not Kind.MATRIX or len(index.elts) != 2:
                    return Kind.OTHER
                return (Kind.NUMBER, Kind.VECTOR, Kind.MATRIX)[sliced]
            if self.of(index) in (Kind.NUMBERS, Kind.VECTOR):
                return kind
            return item_of(kind)
        return Kind.NUMBER if kind is Kind.TABLE else item_of(kind)

    def _called(self, node: ast.Call) -> Kind:
        match node.func:
            case ast.Attribute(value=of, attr=method):
                kind = self.of(of)
                if kind is not Kind.OTHER:
                    return self._method(kind, method, node)
        return self._returned(dotted(node.func), node)

    def _method(self, kind: Kind, method: str, node: ast.Call) -> Kind:
        if kind in _ARRAYS:
            if method in _REDUCING:
                if not (node.args or node.keywords):
                    return Kind.NUMBER
                return Kind.VECTOR if kind is Kind.MATRIX else Kind.OTHER
            if method in _SAME_METHODS:
                return kind
            listed = {Kind.VECTOR: Kind.NUMBERS, Kind.MATRIX: Kind.ROWS}
            return listed.get(kind, Kind.OTHER) if method == "tolist" else Kind.OTHER
        if method in _COUNTING_METHODS:
            return Kind.NUMBER
        if kind is Kind.TEXT:
            if method in _ASKING_METHODS:
                return Kind.BOOLEAN
            if method in ("split", "splitlines"):
                return Kind.TEXTS
            return Kind.TEXT if method in _TEXT_METHODS else Kind.OTHER
        if kind is Kind.TABLE:
            if method == "get" and len(node.args) == 2:
                return self.of(node.args[1])
            return Kind.NUMBERS if method == "values" else Kind.OTHER
        if method == "copy":
            return kind
        return item_of(kind) if method == "pop" else Kind.OTHER

    def _returned(self, name: str | None, node: ast.Call) -> Kind:
        if name is None:
            return Kind.OTHER
        if name in self._functions:
            return self._functions[name]
        if name in _NUMBER_FROM_ANYTHING:
            return Kind.NUMBER
        if name in _RETURNED:
            return _RETURNED[name]
        kinds = [self.of(argument) for argument in node.args]
        if name in ("min", "max", "sum") and len(kinds) == 1 and kinds[0] in _ITERATED:
            return item_of(kinds[0])
        root, _, function = name.rpartition(".")
        if root in ALIASES:
            return _returned_by_numpy(function, kinds, bool(node.keywords))
        if name == "abs" and kinds and kinds[0] in ARRAYS:
            return kinds[0]
        if name in KNOWN and kinds and all(kind in _SINGLE for kind in kinds):
            return Kind.NUMBER
        if name in ("set", "frozenset") and len(kinds) == 1:
            return Kind.SET if item_of(kinds[0]) is Kind.NUMBER else Kind.OTHER
        if name in _KEEPING and len(kinds) == 1:
            return sequence_of(item_of(kinds[0]))
        return Kind.OTHER


def kind_of(node: ast.expr, names: Mapping[str, Kind], functions: Mapping[str, Kind]) -> Kind:
    """What an expression gives, where names have these kinds and functions return those."""
    return Reading(names, functions, {}).of(node)


def _stored(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]


def _elementwise(kinds: set[Kind]) -> Kind:
    """What arithmetic on things of these kinds gives."""
    if kinds <= _SINGLE:
        return Kind.NUMBER
    if not kinds <= _COMPUTED:
        return Kind.OTHER
    if Kind.ARRAY in kinds:
        return Kind.ARRAY
    if Kind.MATRIX in kinds:
        return Kind.MATRIX
    return Kind.VECTOR if Kind.VECTOR in kinds else Kind.ARRAY


def _common(kinds: list[Kind]) -> Kind:
    return kinds[0] if len(set(kinds)) == 1 else Kind.OTHER


def _returned_by_numpy(function: str, kinds: list[Kind], keywords: bool) -> Kind:
    if function in _VECTORS:
        return Kind.VECTOR if kinds and kinds[0] is not Kind.ARRAY else Kind.ARRAY
    if function in ("array", "asarray", "zeros_like", "ones_like", "full_like") and kinds:
        ranked = {Kind.NUMBERS: Kind.VECTOR, Kind.ROWS: Kind.MATRIX}
        return ranked.get(kinds[0], kinds[0] if kinds[0] in ARRAYS else Kind.ARRAY)
    if function in ("zeros", "ones", "empty", "full") and kinds and kinds[0] is Kind.NUMBER:
        return Kind.VECTOR
    if function in _MAKING:
        return Kind.ARRAY
    if function == "where" and len(kinds) == 3:
        made = _elementwise(set(kinds[1:]))
        return Kind.ARRAY if made is Kind.NUMBER else made
    if function in _REDUCING:
        if keywords or len(kinds) != 1:
            return Kind.VECTOR if kinds and kinds[0] is Kind.MATRIX else Kind.OTHER
        return Kind.NUMBER if kinds[0] in _ARRAYS | {Kind.NUMBERS, Kind.ROWS} else Kind.OTHER
    return _elementwise(set(kinds)) if function in _ELEMENTWISE and kinds else Kind.OTHER


def returned_kind(function: ast.FunctionDef, learnt: Mapping[str, Kind] | None = None) -> Kind:
    """What a function returns, by its annotation or else by what stands behind `return`."""
    if function.returns is not None:
        return annotated(function.returns)
    if learnt and RETURN in learnt:
        return learnt[RETURN]
    names = parameter_kinds(function, learnt)
    kinds = {
        kind_of(node.value, names, {})
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    }
    return kinds.pop() if len(kinds) == 1 else Kind.OTHER
