"""A program as a person would write it: what is there twice gets a name, long lines become several.

What programs do stays the same: only expressions without effects get names, those of numbers,
names and functions of arithmetic. An expression that might fail is not moved to where it is always
computed from where it is not. Whoever tidies still measures the result, as arguments may be of
types for which signs have effects.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evolve import syntax
from evolve.program import Program, blocks
from evolve.tree import build
from evolve.tree.kinds import KNOWN, dotted
from evolve.tree.purity import always, cannot_fail, pure, read_in, replaced
from evolve.tree.text import Lines, Splice, spliced, statement_text

_WIDTH = 88
"""Longer lines become several."""
_SHORT = 10
"""Characters that an expression has at least which gets a name for being there twice."""
_SPLIT, _LONG = 16, 60
"""The same of one that gets a name for its line being long, and at most."""
_ROUNDS = 12
"""Names given to parts of one statement."""
_NAMES: dict[type[ast.AST], str] = {
    ast.Add: "total", ast.Sub: "gap", ast.Mult: "product", ast.Div: "ratio",
    ast.FloorDiv: "whole", ast.Mod: "rest", ast.Pow: "power", ast.IfExp: "part",
}  # fmt: skip
_CALLED = {
    "max": "larger", "min": "smaller", "abs": "size", "math.sqrt": "root", "math.log": "logarithm",
    "math.log1p": "logarithm", "math.log2": "logarithm", "math.exp": "exponential",
}  # fmt: skip
_PLAIN = frozenset({"float", "int", "round"})
"""Functions of which no result gets a name."""
_NUMBERS = frozenset({"int", "float", "bool"})
"""Annotations of what cannot change in place."""
_SIMPLE = (ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign)
_BUILTINS = frozenset(name.partition(".")[0] for name in KNOWN)
_Body = list[ast.stmt]


def tidy(program: Program) -> Program:
    """The program with its blocks tidied, itself where there is nothing to do."""
    files = dict(program.files)
    for path, text in program.files.items():
        own = [(block.first, block.last) for block in blocks(program) if block.file == path]
        try:
            changed = _tidied(path, text, own) if path.endswith(".py") and own else text
        except RecursionError:  # an expression too deep to be written out
            continue
        if syntax.parse(changed) is not None:
            files[path] = changed
    return Program.of(files) if files != program.files else program


def _tidied(path: str, text: str, own: Sequence[tuple[int, int]]) -> str:
    tree = syntax.parse(text)
    if tree is None:
        return text
    lines = Lines(text)
    nodes = list(ast.walk(tree))
    taken = {word for node in nodes for word in _words(node)}
    splices: list[Splice] = []
    for function in nodes:
        if isinstance(function, ast.FunctionDef) and _lies_in(function, own):
            splices += _Tidier(path, lines, function, taken).splices()
    return spliced(text, splices) if splices else text


def _words(node: ast.AST) -> Iterator[str]:
    for name in ("id", "arg", "name", "attr", "asname"):
        word = getattr(node, name, None)
        if isinstance(word, str):
            yield word


def _lies_in(function: ast.FunctionDef, own: Sequence[tuple[int, int]]) -> bool:
    first, last = function.lineno, function.end_lineno or function.lineno
    return any(start <= first and last <= end for start, end in own)


@dataclass(slots=True)
class _Tidier:
    """Tidies one function.

    Attributes:
        taken: Every name of the file; names that are given are added.
    """

    file: str
    lines: Lines
    function: ast.FunctionDef
    taken: set[str]
    known: dict[str, str] = field(default_factory=dict)
    """What a name stands for that is set once, as text."""
    fixed: frozenset[str] = frozenset()
    """Names that have one value as long as the function runs."""
    texts: dict[ast.expr, str] = field(default_factory=dict)

    def text(self, node: ast.expr) -> str:
        """A node of the function, written out; remembered, as it is asked for again and again."""
        if node not in self.texts:
            self.texts[node] = ast.unparse(node)
        return self.texts[node]

    def splices(self) -> list[Splice]:
        nodes = list(ast.walk(self.function))
        inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.NamedExpr,
                 ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.Await)  # fmt: skip
        if any(isinstance(node, inner) and node is not self.function for node in nodes):
            return []
        stored = Counter(
            node.id for node in nodes
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        )  # fmt: skip
        parameters = set(syntax.parameters(self.function.args))
        outermost = {
            target.id
            for statement in self.function.body
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        once = {name for name in outermost if stored[name] == 1} - parameters
        self.fixed = frozenset((parameters - stored.keys()) | once) - self._changeable(nodes)
        return self._body(self.function.body, outermost=True)

    def _changeable(self, nodes: Sequence[ast.AST]) -> set[str]:
        """Names of what might change in place: it has items or fields, or others get it."""
        found: list[ast.AST] = []
        for node in nodes:
            match node:
                case ast.Subscript(value=value) | ast.Attribute(value=value):
                    found.append(value)
                case ast.Call(func=func) if dotted(func) not in KNOWN:
                    found += [*node.args, *(keyword.value for keyword in node.keywords)]
                case ast.Assign(value=ast.Name() as value):
                    found.append(value)
        arguments = self.function.args
        numbers = {
            argument.arg
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
            if isinstance(argument.annotation, ast.Name) and argument.annotation.id in _NUMBERS
        }
        return {node.id for node in found if isinstance(node, ast.Name)} - numbers

    def _body(self, body: _Body, *, outermost: bool = False) -> list[Splice]:
        found: list[Splice] = []
        set_here = set(syntax.parameters(self.function.args)) if outermost else set[str]()
        for index, statement in enumerate(body):
            new = self._before(body[index:], set_here) if outermost else []
            found += self._statement(statement, new)
            if outermost:
                self._remember(statement)
                set_here |= build.stored_in(statement)
                set_here |= {name for one in new for name in build.stored_in(one)}
        return found

    def _remember(self, statement: ast.stmt) -> None:
        """Notes what a statement gave a name to."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in self.fixed:
                if _deserves(value) and build.names_in(value) <= self.fixed | _BUILTINS:
                    self.known.setdefault(self.text(value), name)

    def _before(self, rest: _Body, set_here: set[str]) -> _Body:
        """Names for what this statement computes and it, or those behind it, compute again."""
        new: _Body = []
        within = {self.text(node) for node in read_in(rest[0])}
        surely = {self.text(node) for node, _ in always(rest[0])}
        usable = (set_here & self.fixed) | _BUILTINS
        counted: Counter[str] = Counter()
        nodes: dict[str, ast.expr] = {}
        for statement in rest:
            for node in read_in(statement):
                text = self.text(node)
                if text in within and _deserves(node) and build.names_in(node) <= usable:
                    counted[text] += 1
                    nodes.setdefault(text, node)
        chances = [
            text
            for text, count in counted.items()
            if count > 1
            and text not in self.known
            and not (isinstance(rest[0], ast.Assign) and text == self.text(rest[0].value))
            and (text in surely or cannot_fail(nodes[text]))
        ]
        # the shorter first, so that the longer ones are said with their names
        for text in sorted(chances, key=lambda one: (len(one), one)):
            if counted[text] > max(
                (counted[other] for other in chances if text in other and other != text), default=0
            ):
                new.append(self._called(nodes[text]))
        return new

    def _called(self, node: ast.expr) -> ast.stmt:
        """Gives a name to an expression."""
        name = self._name(node)
        statement = _assigned(name, self._named(node))
        self.known[self.text(node)] = name
        self.fixed |= {name}
        return statement

    def _named(self, node: ast.expr) -> ast.expr:
        """The same with names for what has one."""
        return replaced(node, self._known)

    def _known(self, part: ast.expr) -> ast.expr | None:
        if not self.known or isinstance(part, ast.Name | ast.Constant):
            return None
        name = self.known.get(self.text(part))
        return None if name is None else build.name(name)

    def _statement(self, statement: ast.stmt, new: _Body) -> list[Splice]:
        if isinstance(statement, _SIMPLE) and _stands_alone(self.lines, statement):
            tidied = self._simple(statement)
            if new or not (len(tidied) == 1 and build.same(tidied[0], statement)):
                return [self._written(statement, [*new, *tidied])]
            return []
        found = [self._put_before(statement, new)] if new else []
        for name in ("test", "iter", "value"):
            part = getattr(statement, name, None)
            if isinstance(part, ast.expr) and self.known:
                named = self._named(part)
                if not build.same(named, part):
                    start, end = self.lines.span(part)
                    found.append(Splice(self.file, start, end, ast.unparse(named)))
        for name in ("body", "orelse"):
            inner = getattr(statement, name, None)
            if isinstance(inner, list):
                found += self._body(inner)
        return found

    def _simple(self, statement: ast.stmt) -> _Body:
        """A statement with names for what has one; several where its line is long."""
        value = getattr(statement, "value", None)
        if value is None:
            return [statement]
        named = self._named(value)
        now = statement if build.same(named, value) else _with_value(statement, named)
        return self._short(now, self.lines.indentation(statement.lineno))

    def _short(self, statement: ast.stmt, indentation: str) -> _Body:
        done: _Body = []
        for _ in range(_ROUNDS):
            value = statement.value  # type: ignore[attr-defined]
            if _width(statement, indentation) <= _WIDTH:
                break
            if isinstance(value, ast.IfExp) and not isinstance(statement, ast.AugAssign):
                return [*done, *self._branches(statement, value, indentation)]
            best = self._part(statement, value, indentation)
            if best is None:
                break
            name = self._name(best)
            done += self._short(_assigned(name, best), indentation)
            text = ast.unparse(best)

            def other(part: ast.expr, text: str = text, name: str = name) -> ast.expr | None:
                same = part.__class__ not in (ast.Name, ast.Constant) and ast.unparse(part) == text
                return build.name(name) if same else None

            statement = _with_value(statement, replaced(value, other))
        return [*done, statement]

    def _branches(self, statement: ast.stmt, value: ast.IfExp, indentation: str) -> _Body:
        deeper = indentation + "    "
        first = self._short(_with_value(statement, value.body), deeper)
        leaves = isinstance(statement, ast.Return)
        second = _with_value(statement, value.orelse)
        rest = self._short(second, indentation if leaves else deeper)
        if leaves:
            return [ast.If(test=value.test, body=first, orelse=[]), *rest]
        return [ast.If(test=value.test, body=first, orelse=rest)]

    def _part(self, statement: ast.stmt, value: ast.expr, indentation: str) -> ast.expr | None:
        """The part that leaves the shortest lines when it gets one of its own."""
        best: tuple[int, ast.expr] | None = None
        whole = _width(statement, indentation)
        for node, is_value in always(statement):
            text = ast.unparse(node)
            if is_value or not _deserves(node) or len(text) < _SPLIT:
                continue
            if len(text) > _LONG and not isinstance(node, ast.IfExp):
                continue
            longest = max(whole - len(text), len(text) - (20 if isinstance(node, ast.IfExp) else 0))
            if best is None or longest < best[0]:
                best = longest, node
        return None if best is None else best[1]

    def _name(self, node: ast.expr) -> str:
        match node:
            case ast.BinOp(op=op):
                stem = _NAMES.get(op.__class__, "value")
            case ast.Call(func=func):
                called = dotted(func) or "value"
                stem = _CALLED.get(called, f"{called.rpartition('.')[2]}_value")
            case ast.UnaryOp(operand=operand):
                return self._name(operand)
            case _:
                stem = _NAMES.get(node.__class__, "value")
        name, number = stem, 2
        while name in self.taken:
            name, number = f"{stem}_{number}", number + 1
        self.taken.add(name)
        return name

    def _written(self, statement: ast.stmt, instead: _Body) -> Splice:
        assert statement.end_lineno is not None
        indentation = self.lines.indentation(statement.lineno)
        text = "".join(
            statement_text(ast.fix_missing_locations(one), indentation, self.lines.newline)
            for one in instead
        )
        start = self.lines.start_of(statement.lineno)
        return Splice(self.file, start, self.lines.end_of(statement.end_lineno), text)

    def _put_before(self, statement: ast.stmt, new: _Body) -> Splice:
        indentation = self.lines.indentation(statement.lineno)
        text = "".join(statement_text(one, indentation, self.lines.newline) for one in new)
        start = self.lines.start_of(statement.lineno)
        return Splice(self.file, start, start, text)


def _assigned(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=value, lineno=0)


def _with_value(statement: ast.stmt, value: ast.expr) -> ast.stmt:
    parts = {name: getattr(statement, name) for name in statement._fields}
    return statement.__class__(**{**parts, "value": value}, lineno=0)


def _width(statement: ast.stmt, indentation: str) -> int:
    return len(indentation) + max(map(len, ast.unparse(statement).split("\n")))


def _stands_alone(lines: Lines, statement: ast.stmt) -> bool:
    """Whether its lines hold nothing else, no comment either."""
    assert statement.end_lineno is not None
    start, end = lines.span(statement)
    before = lines.text[lines.start_of(statement.lineno) : start]
    return not before.strip() and not lines.text[end : lines.end_of(statement.end_lineno)].strip()


def _deserves(node: ast.expr) -> bool:
    """Whether an expression is worth a name if it is there twice."""
    match node:
        case ast.Name() | ast.Constant() | ast.Compare() | ast.BoolOp():
            return False
        case ast.UnaryOp(op=op):
            return not isinstance(op, ast.Not) and _deserves(node.operand)
        case ast.Call(func=func) if dotted(func) in _PLAIN:
            return False
    return pure(node) and bool(build.names_in(node)) and len(ast.unparse(node)) >= _SHORT
