"""A program as a person would write it: what is there twice gets a name, long lines become several.

Programs do what they did. A name is given to what is known to be a number: it is computed from
parameters with annotations and from locals set once. It is computed before its first use, where
that is always reached or where arithmetic cannot fail. A long line is split where nothing in it has
effects. Functions that could notice are left alone, so are statements with comments inside.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from evolve import syntax
from evolve.program import Program, blocks
from evolve.tree import build
from evolve.tree.kinds import KNOWN, dotted
from evolve.tree.purity import always, cannot_fail, has_effects, number, replaced, within
from evolve.tree.text import Lines, Splice, spliced, statement_text

_WIDTH = 88
"""Longer lines become several."""
_SHORT = 10
"""Characters that an expression has at least which gets a name for being there twice."""
_SPLIT, _LONG = 16, 60
"""The same of one that gets a name for its line being long, and at most."""
_WIDEST = 1_500
"""Longer lines are left alone."""
_ROUNDS = 12
"""Names given to parts of one statement, or of one function."""
_PASSES = 4
"""What one pass has made may be worth another."""
_MOST_NODES = 2_000
"""Larger functions are left alone; it takes a second at most."""
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
_NOTICING = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.TryStar, ast.NamedExpr,
    ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.Await, ast.Match, ast.With,
    ast.AsyncFor, ast.AsyncWith, ast.Delete,
)  # fmt: skip
"""What a function must not hold to be tidied."""
_CALLABLE = frozenset(name.partition(".")[0] for name in KNOWN)
_Body = list[ast.stmt]


def tidy(program: Program) -> Program:
    """The program with its blocks tidied, itself where there is nothing to do."""
    files = dict(program.files)
    try:
        for path, text in program.files.items():
            if path.endswith(".py"):
                files[path] = _tidied(path, text)
        return Program.of(files) if files != program.files else program
    except (RecursionError, ValueError):  # too deep or too long to be written out
        return program


def _tidied(path: str, text: str) -> str:
    for _ in range(_PASSES):
        tree = syntax.parse(text)
        if tree is None or syntax.looks_at_names(text):
            return text
        bound = Counter(_bound_in(tree))
        if any(bound[name] > (name == "math") for name in _CALLABLE):
            return text  # `max` may be anybody's
        own = [(b.first, b.last) for b in blocks(Program.of({path: text}))]
        lines, taken = Lines(text), {*bound, *_read_in(tree), *dir(builtins)}
        splices: list[Splice] = []
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and _lies_in(function, own):
                splices += _Tidier(path, lines, function, taken).splices()
        changed = spliced(text, splices)
        if changed == text or syntax.parse(changed) is None:
            return text
        text = changed
    return text


def _bound_in(tree: ast.AST) -> Iterator[str]:
    """Every name that something gives a value to, once for each time."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str() as name):
                yield name
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                yield name
            case ast.alias(name=name, asname=asname):
                yield (asname or name).partition(".")[0]
                if "math" in (name, asname) and asname != name and asname is not None:
                    yield "math"  # another module by this name, or this one by another


def _read_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        for name in ("id", "arg", "attr"):
            word = getattr(node, name, None)
            if isinstance(word, str):
                yield word


def _lies_in(function: ast.FunctionDef, own: Sequence[tuple[int, int]]) -> bool:
    first, last = function.lineno, function.end_lineno or function.lineno
    return any(start <= first and last <= end for start, end in own)


@dataclass(slots=True)
class _Given:
    """A name for an expression, which holds from one of the outermost statements on."""

    name: str
    since: int
    node: ast.expr
    ours: bool
    """It was given here, before that statement; else that statement gave it, for those behind."""

    def holds(self, index: int) -> bool:
        return index >= self.since if self.ours else index > self.since


@dataclass(slots=True)
class _Tidier:
    """Tidies one function.

    Attributes:
        taken: Every name of the file; names that are given are added.
        numbers: Names of numbers that never change, and since which outermost statement they are
            there.
    """

    file: str
    lines: Lines
    function: ast.FunctionDef
    taken: set[str]
    numbers: dict[str, int] = field(default_factory=dict)
    given: dict[str, _Given] = field(default_factory=dict)
    texts: dict[ast.expr, str] = field(default_factory=dict)

    def splices(self) -> list[Splice]:
        nodes = list(ast.walk(self.function))
        if len(nodes) > _MOST_NODES or any(
            isinstance(node, _NOTICING) and node is not self.function for node in nodes
        ):
            return []
        statements = [n for n in nodes if isinstance(n, ast.stmt) and n is not self.function]
        if not all(_begins_its_line(self.lines, statement) for statement in statements):
            return []
        self._find_numbers(nodes)
        self._give_names()
        found: list[Splice] = []
        for index, statement in enumerate(self.function.body):
            ours = [one for one in self.given.values() if one.ours and one.since == index]
            new: _Body = [
                _assigned(one.name, self._named(one.node, index, but=one.name))
                for one in sorted(ours, key=lambda one: len(self.text(one.node)))
            ]
            found += self._statement(statement, index, new)
        return found

    def text(self, node: ast.expr) -> str:
        """A node written out; remembered, as it is asked for again and again."""
        if node not in self.texts:
            self.texts[node] = ast.unparse(node)
        return self.texts[node]

    def _find_numbers(self, nodes: Sequence[ast.AST]) -> None:
        stored = Counter(
            node.id for node in nodes
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        )  # fmt: skip
        arguments = self.function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
        pairs = [*zip(positional, defaults, strict=True),
                 *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]  # fmt: skip
        for argument, default in pairs:
            annotated = argument.annotation
            if stored[argument.arg] or not isinstance(annotated, ast.Name):
                continue
            if annotated.id in _NUMBERS and (default is None or number(default, frozenset())):
                self.numbers[argument.arg] = -1
        for index, statement in enumerate(self.function.body):
            match statement:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    if stored[name] == 1 and number(value, self._there(index)):
                        self.numbers[name] = index
                        if self._deserves(value):
                            one = _Given(name, index, value, False)
                            self.given.setdefault(self.text(value), one)

    def _there(self, index: int) -> Set[str]:
        """Names of numbers that are there before an outermost statement."""
        return {name for name, since in self.numbers.items() if since < index}

    def _give_names(self) -> None:
        """Names for what is computed twice, the most worthwhile first."""
        body = self.function.body
        surely = [{self.text(node) for node, _ in always(statement)} for statement in body]
        roots = [list(self._roots(statement)) for statement in body]
        for _ in range(_ROUNDS):
            counted: Counter[str] = Counter()
            first: dict[str, tuple[int, ast.expr]] = {}
            for index, inside in enumerate(roots):
                pending = [*inside]
                while pending:
                    node = pending.pop()
                    text = self.text(node)
                    known = self.given.get(text)
                    if known is not None and (known.ours or known.holds(index)):
                        continue
                    if known is None and self._deserves(node):
                        counted[text] += 1
                        first.setdefault(text, (index, node))
                    pending += within(node)
            chances = [
                text
                for text, (index, node) in first.items()
                if counted[text] > 1
                and number(node, self._there(index))
                and (text in surely[index] or cannot_fail(node))
            ]
            if not chances:
                break
            text = max(chances, key=lambda one: (len(one) * (counted[one] - 1), one))
            index, node = first[text]
            self.given[text] = _Given(self._name(node), index, node, True)

    def _roots(self, statement: ast.stmt) -> Iterator[ast.expr]:
        """Expressions of a statement, and of those within it, whose parts may get names."""
        for name in ("test", "iter", "value"):
            part = getattr(statement, name, None)
            if isinstance(part, ast.expr) and not self._commented(part):
                yield part
        for name in ("body", "orelse"):
            for inner in getattr(statement, name, None) or []:
                yield from self._roots(inner)

    def _commented(self, node: ast.expr | ast.stmt) -> bool:
        start, end = self.lines.span(node)
        inside = self.lines.text[start:end]
        return "\n" in inside and "#" in inside

    def _deserves(self, node: ast.expr) -> bool:
        """Whether an expression is worth a name if it is there twice."""
        if not number(node, self.numbers.keys()):
            return False
        match node:
            case ast.Name() | ast.Constant() | ast.Compare() | ast.BoolOp():
                return False
            case ast.UnaryOp(op=op):
                return not isinstance(op, ast.Not) and self._deserves(node.operand)
            case ast.Call(func=func) if dotted(func) in _PLAIN:
                return False
        return len(self.text(node)) >= _SHORT and bool(build.names_in(node) - _CALLABLE)

    def _named(self, node: ast.expr, index: int, *, but: str = "") -> ast.expr:
        """The same with names for what has one."""

        def known(part: ast.expr) -> ast.expr | None:
            if isinstance(part, ast.Name | ast.Constant):
                return None
            one = self.given.get(self.text(part))
            if one is None or one.name == but or not one.holds(index):
                return None
            return build.name(one.name)

        return replaced(node, known) if self.given else node

    def _statement(self, statement: ast.stmt, index: int, new: _Body) -> list[Splice]:
        found = [self._put_before(statement, new)] if new else []
        if isinstance(statement, ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign):
            short = self._simple(statement, index)
            if short:
                return [*found, self._written(statement, short)]
        for name in ("test", "iter", "value"):
            part = getattr(statement, name, None)
            if isinstance(part, ast.expr) and not self._commented(part):
                named = self._named(part, index)
                if named is not part:
                    start, end = self.lines.span(part)
                    found.append(Splice(self.file, start, end, ast.unparse(named)))
        for name in ("body", "orelse"):
            for inner in getattr(statement, name, None) or []:
                found += self._statement(inner, index, [])
        return found

    def _simple(self, statement: ast.stmt, index: int) -> _Body:
        """The statements that one with a long line becomes; none where it is not long, shares its
        lines, or holds a comment."""
        value = getattr(statement, "value", None)
        if not isinstance(value, ast.expr) or not _stands_alone(self.lines, statement):
            return []
        if self._commented(statement):
            return []
        named = self._named(value, index)
        now = statement if named is value else _with_value(statement, named)
        short = self._short(now, self.lines.indentation(statement.lineno))
        return short if len(short) > 1 or isinstance(short[0], ast.If) else []

    def _short(self, statement: ast.stmt, indentation: str) -> _Body:
        done: _Body = []
        for _ in range(_ROUNDS):
            value = statement.value  # type: ignore[attr-defined]
            if not _WIDTH < _width(statement, indentation) <= _WIDEST:
                break
            if isinstance(value, ast.IfExp) and not isinstance(statement, ast.AugAssign):
                return [*done, *self._branches(statement, value, indentation)]
            best = self._part(statement, value, indentation)
            if best is None:
                break
            name = build.name(self._name(best))
            done += self._short(_assigned(ast.unparse(name), best), indentation)

            def other(
                part: ast.expr, best: ast.expr = best, name: ast.expr = name
            ) -> ast.expr | None:
                return name if part is best else None

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
        whole = _width(statement, indentation)
        best: tuple[int, ast.expr] | None = None
        # what others do meanwhile, numbers do not notice
        effects = has_effects(value) or isinstance(statement, ast.AugAssign)
        numbers = self.numbers.keys() | {one.name for one in self.given.values()}
        for node, is_value in always(statement):
            text = self.text(node)
            if is_value or isinstance(node, ast.Compare | ast.BoolOp) or len(text) < _SPLIT:
                continue
            if isinstance(node, ast.UnaryOp | ast.Tuple | ast.List | ast.Dict | ast.Set):
                continue
            if len(text) > _LONG and not isinstance(node, ast.IfExp):
                continue
            if has_effects(node) or (effects and not number(node, numbers)):
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
        name, count = stem, 2
        while name in self.taken:
            name, count = f"{stem}_{count}", count + 1
        self.taken.add(name)
        return name

    def _written(self, statement: ast.stmt, instead: _Body) -> Splice:
        assert statement.end_lineno is not None
        indentation = self.lines.indentation(statement.lineno)
        text = "".join(statement_text(one, indentation, self.lines.newline) for one in instead)
        start, end = self.lines.start_of(statement.lineno), self.lines.end_of(statement.end_lineno)
        return Splice(self.file, start, end, text)

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


def _begins_its_line(lines: Lines, statement: ast.stmt) -> bool:
    start, _ = lines.span(statement)
    before = lines.text[lines.start_of(statement.lineno) : start]
    return not before.strip() or lines.text.startswith("elif", start)


def _stands_alone(lines: Lines, statement: ast.stmt) -> bool:
    """Whether nothing stands behind it on its last line, no comment either."""
    assert statement.end_lineno is not None
    _, end = lines.span(statement)
    return not lines.text[end : lines.end_of(statement.end_lineno)].strip()
