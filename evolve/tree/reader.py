"""Walks a piece of a program: the places inside its blocks, and what has a value at each."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve import syntax
from evolve.tree.kinds import (
    ARRAYS,
    Argument,
    Kind,
    Primitive,
    dotted,
    item_of,
    parameter_kinds,
    sequence_of,
)
from evolve.tree.places import Part, Scope, Site, Slot
from evolve.tree.reading import RETURN, Reading, returned_kind
from evolve.tree.within import (
    WITH_CHILDREN,
    assigned,
    bound_names,
    children,
    index_parts,
    is_base_of_power,
    is_docstring,
)


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """What a whole file says of its functions."""

    functions: Mapping[str, Kind]
    parameters: Mapping[str, Sequence[str]]
    learnt: Mapping[str, Mapping[str, Kind]]


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """What is known where a piece begins; the same object for the same knowledge."""

    names: tuple[tuple[str, Kind], ...]
    helpers: tuple[Primitive, ...]
    modules: frozenset[str]
    definitions: tuple[tuple[str, ast.expr], ...]


_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LEANING = frozenset({ast.Call, ast.Attribute})
_NAMING = _LEANING | {ast.Name}
_BUILTINS = frozenset(dir(builtins))
_TESTS = frozenset({ast.Compare, ast.BoolOp})
_LEFT_ALONE = frozenset({ast.GeneratorExp, ast.Lambda, ast.Starred})
"""No sites; a generator may lean on the parentheses of a call."""
_WHOLE_KEYWORDS = frozenset({"axis", "decimals", "minlength", "ndigits", "num", "shape", "size"})
_KEYED = frozenset({"sorted", "min", "max", "sort"})


class Reader:
    """Walks one piece of a file and notes every place inside its blocks."""

    def __init__(
        self,
        part: Part,
        inside: Sequence[tuple[int, int]],
        module: Module,
        before: Before,
        indices: frozenset[str],
        *,
        named: bool,
    ) -> None:
        self.part = part
        self.named = named
        """Some expression of it may give a name to what is in it."""
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

    def named_in(self, statement: ast.stmt, scope: Scope) -> dict[str, Kind]:
        """Names that `:=` sets in the expressions of a statement, and what they are."""
        own = [getattr(statement, field, None) for field in ("value", "test", "iter")]
        return {
            node.target.id: self.read(node.value, scope)
            for expression in own
            if isinstance(expression, ast.expr)
            for node in ast.walk(expression)
            if isinstance(node, ast.NamedExpr)
        }

    def last_beside(self, statements: Sequence[ast.stmt], index: int) -> int:
        """Index of the last of some statements that lies in one block with that of an index."""
        end = next(b for a, b in self.blocks if a <= statements[index].lineno <= b)
        while index + 1 < len(statements) and (statements[index + 1].end_lineno or 0) <= end:
            index += 1
        return index

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
        last = len(statements) - 1
        for index, statement in enumerate(statements):
            scope = self.scope(names)
            self.whole = around
            self.whole = self.inside(statement)
            if self.whole and not around:
                last = self.last_beside(statements, index)
            if self.whole and not is_docstring(statement):
                self.part.slots.append(
                    Slot(
                        self.part,
                        statement,
                        statements,
                        index,
                        last,
                        scope,
                        self.returns,
                        self.name,
                        outermost,
                        self.around,
                    )
                )
            if self.named and (bound := self.named_in(statement, scope)):
                names = {**names, **bound}
                scope = self.scope(names)
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
                bound = {name: Kind.OTHER for target in targets for name in bound_names(target)}
                held = bool(bound) and all(map(self.is_index, bound))
                self.expression(value, statement, "value", scope, held=held)
                for target in targets:
                    self.indexed(target, scope)
                    if isinstance(target, ast.Tuple):
                        bound |= dict.fromkeys(
                            bound_names(target), item_of(self.read(value, scope))
                        )
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
                bound = {name: Kind.OTHER for with_ in items for name in bound_names(with_)}
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
        changed = assigned(loop.body)
        for name in changed:
            self.define(name)
        around, self.around = self.around, loop
        self.body(loop.body, names)
        self.around = around
        for name in changed:
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
        left_alone = which in _LEFT_ALONE or (self.named and _gives_a_name(node))
        if not left_alone and (self.whole or self.inside(node)):
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
                for index, around, field in index_parts(node):
                    self.expression(index, around, field, scope, held=True, depth=depth + 1)
        elif isinstance(node, ast.Call):
            self.call(node, scope, depth + 1)
        if which not in WITH_CHILDREN:
            return
        within = held and not is_base_of_power(parent, node)
        passed = self.passed_as_index(node) if isinstance(node, ast.Call) else ()
        for child, child_name, is_test, is_held in children(node):
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
            for index, parent, field in index_parts(target):
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
                held = keyword.arg in _WHOLE_KEYWORDS
                self.expression(value, keyword, "value", scope, held=held, depth=depth)
            elif keyword.arg == "key" and {function, method} & _KEYED:
                of = node.func.value if method == "sort" else (node.args or [node.func])[0]  # type: ignore[attr-defined]
                kind = item_of(self.read(of, scope))
                bound = dict.fromkeys(syntax.parameters(value.args), kind)
                inner = scope.with_names(bound)
                self.expression(value.body, value, "body", inner, depth=depth)


def _gives_a_name(node: ast.expr) -> bool:
    """Whether there is a `:=` in it, on which more may lean than can be seen."""
    return any(isinstance(part, ast.NamedExpr) for part in ast.walk(node))


def _met(a: dict[str, Kind] | None, b: dict[str, Kind] | None) -> dict[str, Kind] | None:
    """Names that have a value whichever of two ways was taken."""
    if a is None or b is None:
        return b if a is None else a
    return {name: kind if b[name] is kind else Kind.OTHER for name, kind in a.items() if name in b}
