"""Reads a program: finds the places in its EVOLVE-BLOCKs and follows what has a value there."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from evolve import syntax
from evolve.program import Block, Program, blocks
from evolve.tree.kinds import (
    Kind,
    Primitive,
    Reading,
    dotted,
    parameter_kinds,
    returned_kind,
)
from evolve.tree.places import Scope, Site, Slot, Source, TreeError
from evolve.tree.text import Lines

_NAME = re.compile(r"[^\W\d]\w*")


@lru_cache(maxsize=1024)
def source(program: Program) -> Source:
    """The places of a program.

    Raises:
        TreeError: No block is in a Python file that parses, or there is nothing to change in any.
    """
    found = Source(program)
    refused = ""
    for path in dict.fromkeys(block.file for block in blocks(program)):
        text = program.files[path]
        tree = syntax.parse(text) if path.endswith(".py") else None
        if tree is None:
            refused = refused or f"{path} does not parse as Python"
            continue
        lines = found.lines[path] = Lines(text)
        own = [block for block in blocks(program) if block.file == path]
        try:
            _Reader(found, path, lines, own).module(tree)
        except RecursionError:
            refused = refused or f"{path} nests too deeply"
            continue
        found.names |= frozenset(_NAME.findall(text))
    if not found.sites and not found.slots:
        raise TreeError(refused or "the EVOLVE-BLOCKs hold no expression that could be changed")
    return found


_SKIPPED = (ast.JoinedStr, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class _Reader:
    """Walks one file and notes every place inside its blocks."""

    def __init__(self, found: Source, path: str, lines: Lines, own: list[Block]) -> None:
        self.found = found
        self.path = path
        self.lines = lines
        self.blocks = own
        self.functions: dict[str, Kind] = {}
        self.helpers: list[Primitive] = []
        self.modules: set[str] = set()
        self.definitions: dict[str, ast.expr] = {}
        self.kinds: dict[ast.expr, Kind] = {}
        self.returns = Kind.OTHER
        self.name = ""
        self.outer: frozenset[str] = frozenset()

    def module(self, tree: ast.Module) -> None:
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef):
                self.functions[statement.name] = returned_kind(statement)
        self.body(tree.body, {})

    def inside(self, node: ast.expr | ast.stmt) -> bool:
        last = node.end_lineno or node.lineno
        return any(block.first <= node.lineno and last <= block.last for block in self.blocks)

    def scope(self, names: Mapping[str, Kind]) -> Scope:
        return Scope(
            dict(names),
            frozenset(names.keys() - self.outer),
            self.functions,
            tuple(self.helpers),
            frozenset(self.modules),
            dict(self.definitions),
        )

    def body(
        self, statements: list[ast.stmt], names: dict[str, Kind], *, outermost: bool = False
    ) -> dict[str, Kind] | None:
        """Notes the places of a body; the names that have a value behind it, None if none is
        reached."""
        for index, statement in enumerate(statements):
            scope = self.scope(names)
            if self.inside(statement) and not _is_docstring(statement):
                self.found.slots.append(
                    Slot(
                        self.path,
                        statement,
                        statements,
                        index,
                        scope,
                        self.returns,
                        self.name,
                        outermost,
                    )
                )
            after = self.statement(statement, names, scope)
            if after is None:
                return None
            names = after
        return names

    def statement(
        self, statement: ast.stmt, names: dict[str, Kind], scope: Scope
    ) -> dict[str, Kind] | None:
        match statement:
            case ast.Return(value=value):
                if value is not None:
                    self.expression(value, statement, "value", scope)
                return None
            case ast.Raise() | ast.Break() | ast.Continue():
                return None
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                self.expression(value, statement, "value", scope)
                if name in names:
                    self.definitions.pop(name, None)
                else:
                    self.definitions[name] = value
                return {**names, name: scope.kind_of(value)}
            case ast.Assign(targets=targets, value=value):
                self.expression(value, statement, "value", scope)
                bound = {name: Kind.OTHER for target in targets for name in _bound(target)}
                if isinstance(value, ast.Tuple) and len(targets) == 1:
                    target = targets[0]
                    if isinstance(target, ast.Tuple) and len(target.elts) == len(value.elts):
                        for item, part in zip(target.elts, value.elts, strict=True):
                            if isinstance(item, ast.Name):
                                bound[item.id] = scope.kind_of(part)
                return {**names, **bound}
            case ast.AugAssign(target=target, value=value):
                self.expression(value, statement, "value", scope)
                if isinstance(target, ast.Name):
                    self.check_names(target, scope)
                    self.definitions.pop(target.id, None)
                    kinds = names.get(target.id), scope.kind_of(value)
                    stays = kinds[0] is Kind.ARRAY and kinds[1] in (Kind.ARRAY, Kind.MASK)
                    if kinds[1] is not Kind.NUMBER and not stays:
                        return {**names, target.id: Kind.OTHER}
                return names
            case ast.If(test=test, body=body, orelse=orelse):
                self.expression(test, statement, "test", scope, test=True)
                return _met(self.body(body, dict(names)), self.body(orelse, dict(names)))
            case ast.While(test=test, body=body):
                self.expression(test, statement, "test", scope, test=True)
                self.loop(body, names)
                return names
            case ast.For(target=target, iter=iterated, body=body):
                self.expression(iterated, statement, "iter", scope)
                numbers = scope.kind_of(iterated) is Kind.NUMBERS
                kind = Kind.NUMBER if numbers and isinstance(target, ast.Name) else Kind.OTHER
                self.loop(body, {**names, **dict.fromkeys(_bound(target), kind)})
                return names
            case ast.With(body=body, items=items):
                bound = {name: Kind.OTHER for with_ in items for name in _bound(with_)}
                return self.body(body, {**names, **bound})
            case ast.Try(body=body):
                self.body(body, dict(names))
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
                return names
            case ast.Assert(test=test):
                self.expression(test, statement, "test", scope, test=True)
                return names
        return names

    def loop(self, body: list[ast.stmt], names: dict[str, Kind]) -> None:
        for name in _assigned(body):
            self.definitions.pop(name, None)
        self.body(body, dict(names))
        for name in _assigned(body):
            self.definitions.pop(name, None)

    def function(self, function: ast.FunctionDef, names: dict[str, Kind]) -> None:
        outer = self.definitions, self.returns, self.name, self.outer
        self.definitions, self.name = {}, function.name
        # setting a name from around the function would make another, local one
        self.outer = frozenset(names)
        self.returns = returned_kind(function)
        parameters = dict.fromkeys(syntax.parameters(function.args), Kind.OTHER)
        parameters |= parameter_kinds(function)
        self.outer -= parameters.keys()
        self.body(function.body, {**names, **parameters}, outermost=True)
        numeric = all(kind is Kind.NUMBER for kind in parameters.values())
        plain = not (function.args.vararg or function.args.kwarg or function.args.kwonlyargs)
        if numeric and plain and parameters and self.returns is Kind.NUMBER:
            self.helpers.append(Primitive(function.name, len(parameters)))
        self.definitions, self.returns, self.name, self.outer = outer

    def check_names(self, node: ast.expr, scope: Scope) -> None:
        """Notes a name, or that of a function called, that may have no value."""
        while isinstance(node, ast.Call | ast.Attribute):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name) and not (
            node.id in scope.names
            or node.id in scope.functions
            or node.id in scope.modules
            or hasattr(builtins, node.id)
        ):
            self.found.doubtful.add(node.id)

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
        if isinstance(node, _SKIPPED):
            return
        kind = Reading(scope.names, scope.functions, self.kinds).of(node)
        if test and kind is Kind.OTHER and isinstance(node, ast.Compare | ast.BoolOp):
            kind = Kind.BOOLEAN
        if self.inside(node):
            if isinstance(node, ast.Constant) and kind is Kind.NUMBER:
                assert isinstance(node.value, int | float)
                self.found.constants.append(node.value)
            self.found.sites.append(Site(self.path, node, parent, name, kind, scope, held, depth))
        self.check_names(node, scope)
        within = held and not _is_base_of_power(parent, node)
        for child, child_name, is_test, is_held in _children(node):
            self.expression(
                child,
                node,
                child_name,
                scope,
                test=is_test or (test and isinstance(node, ast.BoolOp)),
                held=within or is_held,
                depth=depth + 1,
            )


def _children(node: ast.expr) -> Iterator[tuple[ast.expr, str, bool, bool]]:
    """Expressions in an expression: node, field, is it a test, is it held."""
    bits = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            power, integer = isinstance(op, ast.Pow), isinstance(op, bits)
            yield left, "left", False, integer or _is_base_of_power(node, left)
            yield right, "right", False, integer or power
        case ast.UnaryOp(op=op, operand=operand):
            yield operand, "operand", isinstance(op, ast.Not), isinstance(op, ast.Invert)
        case ast.BoolOp(values=values):
            for value in values:
                yield value, "values", False, False
        case ast.Compare(left=left, comparators=comparators):
            yield left, "left", False, False
            for value in comparators:
                yield value, "comparators", False, False
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield test, "test", True, False
            yield body, "body", False, False
            yield orelse, "orelse", False, False
        case ast.Call(func=func, args=args):
            integer = dotted(func) in ("range", "math.comb", "math.factorial", "math.gcd")
            for value in args:
                if not isinstance(value, ast.Starred):
                    yield value, "args", False, integer
        case ast.Subscript(value=value, slice=index):
            yield value, "value", False, False
            if not isinstance(index, ast.Slice | ast.Tuple):
                yield index, "slice", False, True
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            for value in elts:
                yield value, "elts", False, False


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
    return [
        node.id
        for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _assigned(body: list[ast.stmt]) -> list[str]:
    return [name for statement in body for name in _bound(statement)]


def _met(a: dict[str, Kind] | None, b: dict[str, Kind] | None) -> dict[str, Kind] | None:
    """Names that have a value whichever of two ways was taken."""
    if a is None or b is None:
        return b if a is None else a
    return {name: kind if b[name] is kind else Kind.OTHER for name, kind in a.items() if name in b}
