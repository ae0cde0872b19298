"""Reads a program: finds the places in its EVOLVE-BLOCKs and follows what has a value there."""

from __future__ import annotations

import ast
import builtins
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from evolve import syntax
from evolve.program import Program, blocks
from evolve.tree.kinds import (
    ARRAYS,
    Argument,
    Given,
    Kind,
    Primitive,
    dotted,
    item_of,
    parameter_kinds,
    sequence_of,
)
from evolve.tree.places import Part, Scope, Site, Slot, Source, TreeError
from evolve.tree.reading import RETURN, Reading, returned_kind
from evolve.tree.text import Lines

_NAME = re.compile(r"[^\W\d]\w*")


@lru_cache(maxsize=1024)
def source(program: Program, given: Given = ()) -> Source:
    """The places of a program; pieces that were read in another one are not read again.

    Args:
        given: What has been learnt of parameters and locals without annotation.

    Raises:
        TreeError: No block is in a Python file that parses, or there is nothing to change in any.
    """
    refused = ""
    lines: dict[str, Lines] = {}
    above: dict[Part, int] = {}
    indices, names = set[str](), set[str]()
    parameters: dict[str, Sequence[str]] = {}
    for path in dict.fromkeys(block.file for block in blocks(program)):
        text = program.files[path]
        pieces = syntax.pieces(text) if path.endswith(".py") else None
        if pieces is None:
            refused = refused or f"{path} does not parse as Python"
            continue
        own = [(block.first, block.last) for block in blocks(program) if block.file == path]
        indices.update(*(_indexed(piece.text) for piece in pieces))
        try:
            module = _module(_functions(pieces, _learnt(given)), _learnt(given))
            above |= _parts(path, pieces, own, module, indices)
        except RecursionError:
            refused = refused or f"{path} nests too deeply"
            continue
        lines[path] = Lines(text)
        parameters |= module.parameters
        names.update(*(_names(piece.text) for piece in pieces))
    found = Source(
        program=program,
        lines=lines,
        above=above,
        sites=[site for part in above for site in part.sites],
        slots=[slot for part in above for slot in part.slots],
        constants=[value for part in above for value in part.constants],
        letters=set().union(*(part.letters for part in above)),
        indices=indices,
        parameters=parameters,
        names=names,
        doubtful=set().union(*(part.doubtful for part in above)),
    )
    if not found.sites and not found.slots:
        raise TreeError(refused or "the EVOLVE-BLOCKs hold no expression that could be changed")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Learnt:
    """Kinds by function and name."""

    kinds: Mapping[str, Mapping[str, Kind]]


@lru_cache(maxsize=64)
def _learnt(given: Given) -> _Learnt:
    return _Learnt({function: dict(kinds) for function, kinds in given})


@dataclass(frozen=True, slots=True, eq=False)
class _Module:
    """What a whole file says of its functions."""

    functions: Mapping[str, Kind]
    parameters: Mapping[str, Sequence[str]]
    learnt: Mapping[str, Mapping[str, Kind]]


_Function = tuple[str, Kind, tuple[str, ...]]
"""Its name, what it returns, its positional parameters."""


@lru_cache(maxsize=1024)
def _module(functions: tuple[_Function, ...], learnt: _Learnt) -> _Module:
    return _Module(
        {name: kind for name, kind, _ in functions},
        {name: positional for name, _, positional in functions},
        learnt.kinds,
    )


def _functions(pieces: Sequence[syntax.Piece], learnt: _Learnt) -> tuple[_Function, ...]:
    """The outermost functions of a file."""
    return tuple(found for piece in pieces for found in _defined(piece.text, learnt))


@lru_cache(maxsize=4096)
def _defined(text: str, learnt: _Learnt) -> tuple[_Function, ...]:
    """The outermost functions of a piece."""
    return tuple(
        (
            statement.name,
            returned_kind(statement, learnt.kinds.get(statement.name)),
            tuple(a.arg for a in (*statement.args.posonlyargs, *statement.args.args)),
        )
        for statement in _tree(text).body
        if isinstance(statement, ast.FunctionDef)
    )


@lru_cache(maxsize=4096)
def _indexed(text: str) -> frozenset[str]:
    """Names that stand in an index in a piece."""
    if "[" not in text:
        return frozenset()
    subscripts = (node for node in syntax.piece_nodes(text) if isinstance(node, ast.Subscript))
    return frozenset().union(*(_index_names(node.slice) for node in subscripts))


@lru_cache(maxsize=4096)
def _names(text: str) -> frozenset[str]:
    return frozenset(_NAME.findall(text))


def _tree(text: str) -> ast.Module:
    tree = syntax.parse_piece(text)
    assert tree is not None
    return tree


@dataclass(frozen=True, slots=True, eq=False)
class _Before:
    """What is known where a piece begins; the same object for the same knowledge."""

    names: tuple[tuple[str, Kind], ...]
    helpers: tuple[Primitive, ...]
    modules: frozenset[str]
    definitions: tuple[tuple[str, ast.expr], ...]


@lru_cache(maxsize=4096)
def _before(
    names: tuple[tuple[str, Kind], ...],
    helpers: tuple[Primitive, ...],
    modules: frozenset[str],
    definitions: tuple[tuple[str, ast.expr], ...],
) -> _Before:
    return _Before(names, helpers, modules, definitions)


def _parts(
    path: str,
    pieces: Sequence[syntax.Piece],
    own: Sequence[tuple[int, int]],
    module: _Module,
    indices: set[str],
) -> dict[Part, int]:
    """What is found in the pieces of a file, each with the lines before it; adds to `indices`."""
    found: dict[Part, int] = {}
    before: _Before | None = _before((), (), frozenset(), ())
    same: dict[str, int] = {}
    for piece in pieces:
        if before is None:
            break  # not reached
        count = piece.text.count("\n") + 1
        inside = tuple(
            (max(first - piece.above, 1), min(last - piece.above, count))
            for first, last in own
            if first <= piece.above + count and last > piece.above
        )
        same[piece.text] = same.get(piece.text, 0) + 1
        known = _names(piece.text) & indices
        part, before = _part(path, piece.text, inside, module, before, known, same[piece.text])
        indices |= part.indices
        found[part] = piece.above
    return found


@lru_cache(maxsize=4096)
def _part(
    path: str,
    text: str,
    inside: tuple[tuple[int, int], ...],
    module: _Module,
    before: _Before,
    indices: frozenset[str],
    which: int,
) -> tuple[Part, _Before | None]:
    """What is found in one piece, and what is known behind it; None if that is not reached.

    Args:
        inside: Its lines, from 1, that lie in blocks.
        which: Where a file holds the same piece several times, each is a part of its own.
    """
    reader = _Reader(Part(path), inside, module, before, indices)
    names = reader.body(_tree(text).body, dict(before.names))
    if names is None:
        return reader.part, None
    after = _before(
        tuple(names.items()), reader.helpers, reader.modules, tuple(reader.definitions.items())
    )
    return reader.part, after


_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LEANING = frozenset({ast.Call, ast.Attribute})
_NAMING = _LEANING | {ast.Name}
_BUILTINS = frozenset(dir(builtins))
_TESTS = frozenset({ast.Compare, ast.BoolOp})
_LEFT_ALONE = frozenset({ast.GeneratorExp, ast.Lambda, ast.Starred})
"""No sites; a generator may lean on the parentheses of a call."""
_KEYED = frozenset({"sorted", "min", "max", "sort"})


class _Reader:
    """Walks one piece of a file and notes every place inside its blocks."""

    def __init__(
        self,
        part: Part,
        inside: Sequence[tuple[int, int]],
        module: _Module,
        before: _Before,
        indices: frozenset[str],
    ) -> None:
        self.part = part
        self.blocks = inside
        self.learnt = module.learnt
        self.functions = module.functions
        self.parameters = module.parameters
        self.indices = indices
        self.helpers = before.helpers
        self.modules = before.modules
        self.definitions = dict(before.definitions)
        self.kinds: dict[ast.expr, Kind] = {}
        self.returns = Kind.OTHER
        self.name = ""
        self.outer: frozenset[str] = frozenset()
        self.around: ast.For | ast.While | None = None
        self.whole = False
        """The statement that is gone through lies in a block with all that is in it."""
        self.last: tuple[object, ...] = ()
        self.scope_of_last: Scope | None = None

    def inside(self, node: ast.expr | ast.stmt) -> bool:
        if self.whole:
            return True
        first, last = node.lineno, node.end_lineno or node.lineno
        for start, end in self.blocks:  # noqa: SIM110  asked of every node; `any` takes twice as long
            if start <= first and last <= end:
                return True
        return False

    def is_index(self, name: str) -> bool:
        return name in self.indices or name in self.part.indices

    def scope(self, names: Mapping[str, Kind]) -> Scope:
        """What may be used by the statement to come; most come with what the one before had."""
        now = (names, self.outer, self.helpers, self.modules, self.definitions)
        if self.scope_of_last is None or not all(map(operator.is_, now, self.last)):
            assignable = frozenset(names.keys() - self.outer)
            scope = Scope(
                names, assignable, self.functions, self.helpers, self.modules, self.definitions
            )
            self.last, self.scope_of_last = now, scope
        return self.scope_of_last

    def define(self, name: str, value: ast.expr | None = None) -> None:
        """Notes what a local is, or that it may be more than one thing; scopes keep what was."""
        if value is not None:
            self.definitions = {**self.definitions, name: value}
        elif name in self.definitions:
            self.definitions = {n: v for n, v in self.definitions.items() if n != name}

    def body(
        self, statements: list[ast.stmt], names: dict[str, Kind], *, outermost: bool = False
    ) -> dict[str, Kind] | None:
        """Notes the places of a body; the names that have a value behind it, None if none is
        reached."""
        around = self.whole
        for index, statement in enumerate(statements):
            scope = self.scope(names)
            self.whole = around
            self.whole = self.inside(statement)
            if self.whole and not _is_docstring(statement):
                self.part.slots.append(
                    Slot(
                        self.part,
                        statement,
                        statements,
                        index,
                        scope,
                        self.returns,
                        self.name,
                        outermost,
                        self.around,
                    )
                )
            after = self.statement(statement, names, scope)
            if after is None:
                self.whole = around
                return None
            names = after
        self.whole = around
        return names

    def statement(
        self, statement: ast.stmt, names: dict[str, Kind], scope: Scope
    ) -> dict[str, Kind] | None:
        match statement:
            case ast.Return(value=value):
                if value is not None:
                    self.expression(value, statement, "value", scope)
                    self.saw(self.name, RETURN, self.read(value, scope))
                return None
            case ast.Raise() | ast.Break() | ast.Continue():
                return None
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                # what is an index further on cannot become any number
                held = self.is_index(name) and self.read(value, scope) is Kind.NUMBER
                self.expression(value, statement, "value", scope, held=held)
                self.define(name, None if name in names else value)
                kind = self.read(value, scope)
                if kind is Kind.OTHER:  # such as a list that is empty at first
                    kind = self.learnt.get(self.name, {}).get(name, kind)
                return {**names, name: kind}
            case ast.Assign(targets=targets, value=value):
                bound = {name: Kind.OTHER for target in targets for name in _bound(target)}
                held = bool(bound) and all(map(self.is_index, bound))
                self.expression(value, statement, "value", scope, held=held)
                for target in targets:
                    self.indexed(target, scope)
                    if isinstance(target, ast.Tuple):
                        bound |= dict.fromkeys(_bound(target), item_of(self.read(value, scope)))
                if isinstance(value, ast.Tuple) and len(targets) == 1:
                    target = targets[0]
                    if isinstance(target, ast.Tuple) and len(target.elts) == len(value.elts):
                        for item, part in zip(target.elts, value.elts, strict=True):
                            if isinstance(item, ast.Name):
                                bound[item.id] = self.read(part, scope)
                return {**names, **bound}
            case ast.AugAssign(target=target, value=value):
                self.expression(value, statement, "value", scope)
                self.indexed(target, scope)
                if isinstance(target, ast.Name):
                    self.check_names(target, scope)
                    self.define(target.id)
                    mine, other = names.get(target.id), self.read(value, scope)
                    stays = mine is other or (mine in ARRAYS and other is Kind.MASK)
                    if other is not Kind.NUMBER and not stays:
                        return {**names, target.id: Kind.OTHER}
                return names
            case ast.If(test=test, body=body, orelse=orelse):
                self.expression(test, statement, "test", scope, test=True)
                return _met(self.body(body, names), self.body(orelse, names))
            case ast.While(test=test):
                self.expression(test, statement, "test", scope, test=True)
                self.loop(statement, names)
                return names
            case ast.For(target=target, iter=iterated):
                self.expression(iterated, statement, "iter", scope)
                self.counted(target, iterated)
                self.loop(statement, {**names, **self.reading(scope).bound(target, iterated)})
                return names
            case ast.With(body=body, items=items):
                bound = {name: Kind.OTHER for with_ in items for name in _bound(with_)}
                return self.body(body, {**names, **bound})
            case ast.Try(body=body):
                self.body(body, names)
                return names
            case ast.FunctionDef():
                self.function(statement, names)
                return {**names, statement.name: Kind.OTHER}
            case ast.ClassDef(body=body):
                for method in body:
                    if isinstance(method, ast.FunctionDef):
                        self.function(method, names)
                return {**names, statement.name: Kind.OTHER}
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                self.modules |= {(alias.asname or alias.name).split(".")[0] for alias in aliases}
                return names
            case ast.Expr(value=value) if not isinstance(value, ast.Constant):
                self.expression(value, statement, "value", scope)
                match value:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[item]
                    ):
                        self.saw(self.name, name, sequence_of(self.read(item, scope)))
                return names
            case ast.Assert(test=test):
                self.expression(test, statement, "test", scope, test=True)
                return names
        return names

    def loop(self, loop: ast.For | ast.While, names: dict[str, Kind]) -> None:
        assigned = _assigned(loop.body)
        for name in assigned:
            self.define(name)
        around, self.around = self.around, loop
        self.body(loop.body, names)
        self.around = around
        for name in assigned:
            self.define(name)

    def function(self, function: ast.FunctionDef, names: dict[str, Kind]) -> None:
        outer = self.definitions, self.returns, self.name, self.outer, self.around
        self.definitions, self.name, self.around = {}, function.name, None
        # setting a name from around the function would make another, local one
        self.outer = frozenset(names)
        learnt = self.learnt.get(function.name)
        self.returns = returned_kind(function, learnt)
        parameters = dict.fromkeys(syntax.parameters(function.args), Kind.OTHER)
        parameters |= parameter_kinds(function, learnt)
        self.outer -= parameters.keys()
        self.body(function.body, {**names, **parameters}, outermost=True)
        plain = not (function.args.vararg or function.args.kwarg or function.args.kwonlyargs)
        known = Kind.OTHER not in parameters.values()
        if plain and known and parameters and self.returns is Kind.NUMBER:
            takes = tuple(Argument(kind, self.is_index(name)) for name, kind in parameters.items())
            if all(argument == Argument(Kind.NUMBER, False) for argument in takes):
                takes = ()
            self.helpers += (Primitive(function.name, len(parameters), takes=takes),)
        self.definitions, self.returns, self.name, self.outer, self.around = outer

    def check_names(self, node: ast.expr, scope: Scope) -> None:
        """Notes a name, or that of a function called, that may have no value."""
        while node.__class__ in _LEANING:
            node = node.func if isinstance(node, ast.Call) else node.value  # type: ignore[attr-defined]
        if isinstance(node, ast.Name) and not (
            node.id in scope.names
            or node.id in scope.functions
            or node.id in scope.modules
            or node.id in _BUILTINS
        ):
            self.part.doubtful.add(node.id)

    def expression(
        self,
        node: ast.expr,
        parent: ast.AST,
        name: str,
        scope: Scope,
        *,
        test: bool = False,
        held: bool = False,
        depth: int = 0,
    ) -> None:
        which = node.__class__
        if which is ast.JoinedStr:
            return
        kind = self.kinds.get(node) or self.reading(scope).of(node)
        if test and kind is Kind.OTHER and which in _TESTS:
            kind = Kind.BOOLEAN
        if which not in _LEFT_ALONE and (self.whole or self.inside(node)):
            if isinstance(node, ast.Constant) and kind is Kind.NUMBER:
                assert isinstance(node.value, int | float)
                self.part.constants.append(node.value)
            elif isinstance(node, ast.Constant) and kind is Kind.TEXT:
                assert isinstance(node.value, str)
                self.part.letters |= {node.value} if len(node.value) == 1 else set()
            self.part.sites.append(Site(self.part, node, parent, name, kind, scope, held, depth))
        if which is ast.Constant:
            return
        if which in _NAMING:
            self.check_names(node, scope)
        if isinstance(node, _COMPREHENSIONS):
            self.comprehension(node, scope, depth + 1)
            return
        if isinstance(node, ast.Subscript):
            if isinstance(node.slice, ast.Slice | ast.Tuple):
                for index, around, field in _indices(node):
                    self.expression(index, around, field, scope, held=True, depth=depth + 1)
        elif isinstance(node, ast.Call):
            self.call(node, scope, depth + 1)
        if which not in _WITH_CHILDREN:
            return
        within = held and not _is_base_of_power(parent, node)
        passed = self.passed_as_index(node) if isinstance(node, ast.Call) else ()
        for child, child_name, is_test, is_held in _children(node):
            self.expression(
                child,
                node,
                child_name,
                scope,
                test=is_test or (test and which is ast.BoolOp),
                held=within or is_held or child in passed,
                depth=depth + 1,
            )

    def passed_as_index(self, node: ast.Call) -> list[ast.expr]:
        """Arguments of a function of the program that it takes an item at."""
        if not isinstance(node.func, ast.Name) or node.func.id not in self.parameters:
            return []
        parameters = self.parameters[node.func.id]
        return [a for a, name in zip(node.args, parameters, strict=False) if self.is_index(name)]

    def reading(self, scope: Scope) -> Reading:
        return Reading(scope.names, scope.functions, self.kinds)

    def read(self, node: ast.expr, scope: Scope) -> Kind:
        """What an expression gives; every one is read with the names of one place only."""
        return self.kinds.get(node) or self.reading(scope).of(node)

    def saw(self, function: str, name: str, kind: Kind) -> None:
        """Notes what something was seen to be, for `learn`."""
        self.part.seen.setdefault(function, {}).setdefault(name, []).append(kind)

    def counted(self, target: ast.expr, iterated: ast.expr) -> None:
        """Notes that a name runs through a range."""
        match target, iterated:
            case ast.Name(id=name), ast.Call(func=ast.Name(id="range")):
                self.part.indices.add(name)

    def indexed(self, target: ast.expr, scope: Scope) -> None:
        """Notes the indices of what is assigned to."""
        if isinstance(target, ast.Subscript):
            for index, parent, field in _indices(target):
                self.expression(index, parent, field, scope, held=True, depth=1)

    def comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        scope: Scope,
        depth: int,
    ) -> None:
        for generator in node.generators:
            self.expression(generator.iter, generator, "iter", scope, depth=depth)
            self.counted(generator.target, generator.iter)
            bound = self.reading(scope).bound(generator.target, generator.iter)
            scope = scope.with_names(bound)
            for test in generator.ifs:
                self.expression(test, generator, "ifs", scope, test=True, depth=depth)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for part in parts:
            self.expression(part, node, "elt", scope, depth=depth)

    def call(self, node: ast.Call, scope: Scope, depth: int) -> None:
        """The keywords of a call; notes what a function of the program is called with."""
        function = dotted(node.func) or ""
        if function in self.parameters:
            for parameter, argument in zip(self.parameters[function], node.args, strict=False):
                self.saw(function, parameter, self.read(argument, scope))
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        for keyword in node.keywords:
            value = keyword.value
            if function in self.parameters and keyword.arg is not None:
                self.saw(function, keyword.arg, self.read(value, scope))
            if not isinstance(value, ast.Lambda):
                self.expression(value, keyword, "value", scope, depth=depth)
            elif keyword.arg == "key" and {function, method} & _KEYED:
                of = node.func.value if method == "sort" else (node.args or [node.func])[0]  # type: ignore[attr-defined]
                kind = item_of(self.read(of, scope))
                bound = dict.fromkeys(syntax.parameters(value.args), kind)
                inner = scope.with_names(bound)
                self.expression(value.body, value, "body", inner, depth=depth)


_BITS = frozenset({ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift})
_WHOLE = frozenset({"range", "math.comb", "math.factorial", "math.gcd"})
"""Functions that take whole numbers only."""
_WITH_CHILDREN = frozenset({
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Subscript, ast.List,
    ast.Tuple,
})  # fmt: skip


def _children(node: ast.expr) -> list[tuple[ast.expr, str, bool, bool]]:
    """Expressions in an expression: node, field, is it a test, is it held."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            power, integer = isinstance(op, ast.Pow), op.__class__ in _BITS
            return [
                (left, "left", False, integer or (power and _is_base_of_power(node, left))),
                (right, "right", False, integer or power),
            ]
        case ast.Call(func=func, args=args):
            integer = dotted(func) in _WHOLE
            of = isinstance(func, ast.Attribute) and not isinstance(func.value, ast.Name)
            found = [(func.value, "value", False, False)] if of else []  # type: ignore[attr-defined]
            plain = [value for value in args if not isinstance(value, ast.Starred)]
            return found + [(value, "args", False, integer) for value in plain]
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


def _indices(node: ast.Subscript) -> Iterator[tuple[ast.expr, ast.AST, str]]:
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


def _index_names(index: ast.expr) -> set[str]:
    """Names that are indices, or near one: those in `i`, `i + 1`, `(i + k) % n` but for n."""
    match index:
        case ast.Name(id=name):
            return {name}
        case ast.Tuple(elts=parts):
            return set().union(*map(_index_names, parts))
        case ast.Slice(lower=lower, upper=upper):
            return set().union(*(_index_names(part) for part in (lower, upper) if part))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return _index_names(left) | _index_names(right)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _index_names(left)
    return set()


def _is_base_of_power(parent: ast.AST, node: ast.expr) -> bool:
    """Whether it is the base of a power that may not be negative: the exponent is not whole."""
    match parent:
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=value)):
            return left is node and not isinstance(value, int)
        case ast.BinOp(left=left, op=ast.Pow()):
            return left is node
    return False


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _bound(target: ast.AST) -> list[str]:
    match target:
        case ast.Name(id=name):
            return [name]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [name for part in parts for name in _bound(part)]
        case ast.Starred(value=inner) | ast.withitem(optional_vars=ast.expr() as inner):
            return _bound(inner)
    return []


def _assigned(body: Sequence[ast.stmt | ast.excepthandler]) -> list[str]:
    """Names that statements set; their expressions are not gone through."""
    found: list[str] = []
    for statement in body:
        match statement:
            case ast.Assign(targets=targets):
                found += [name for target in targets for name in _bound(target)]
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                found += _bound(target)
            case ast.For(target=target):
                found += _bound(target)
            case ast.With(items=items):
                found += [name for item in items for name in _bound(item)]
        for part in ("body", "orelse", "handlers", "finalbody"):
            found += _assigned(getattr(statement, part, ()))
    return found


def _met(a: dict[str, Kind] | None, b: dict[str, Kind] | None) -> dict[str, Kind] | None:
    """Names that have a value whichever of two ways was taken."""
    if a is None or b is None:
        return b if a is None else a
    return {name: kind if b[name] is kind else Kind.OTHER for name, kind in a.items() if name in b}
