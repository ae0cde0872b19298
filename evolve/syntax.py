"""The normal form of Python source: what two texts share when they are the same program.

Left out: positions, comments, layout, redundant parentheses, docstrings and other statements that
are a mere constant, `pass`. Locals of a function are numbered in order of appearance, so that
renaming them changes nothing; parameters keep their names (a caller may use them as keywords), and
so do names that a function inside declares nonlocal, and everything in a function that could look
at its own names (`locals`, `eval` ...).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

_LOOKS_AT_NAMES = re.compile(r"\b(?:locals|vars|dir|eval|exec|globals)\b")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NOTHING_BOUND = frozenset({ast.Return, ast.Expr, ast.Raise, ast.Assert, ast.Pass})
"""Statements without a target: only an assignment expression in one can bind a name."""
_VALUES = frozenset({"value", "test", "iter", "annotation", "context_expr", "slice"})
"""Fields that hold expressions which are read, not set."""


_BEGINS = re.compile(r"(?:def|class|async)\b|@")
"""How the first line of a function or a class begins; none is the middle of another statement."""


@dataclass(frozen=True, slots=True)
class NormalForm:
    """The canonical text, and for each piece how many lines stand before it and its own nodes."""

    text: str
    pieces: tuple[tuple[int, _Nodes], ...]

    def nodes(self, first: int, last: int) -> int:
        """How many nodes with a position begin in the lines [first, last] of the text."""
        return sum(nodes.within(first - above, last - above) for above, nodes in self.pieces)


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The lines of all nodes of a piece that have a position."""

    lines: tuple[int, ...]
    first: int
    last: int

    def within(self, first: int, last: int) -> int:
        if first <= self.first and self.last <= last:
            return len(self.lines)
        return sum(first <= line <= last for line in self.lines)


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a module that parse by themselves: up to the next function or class.

    Attributes:
        above: Lines of the module before it; the positions in `tree` are those in `text`.
        tree: Shared by all modules with this text in them; it must not be changed.
    """

    above: int
    text: str
    tree: ast.Module


@lru_cache(maxsize=64)
def pieces(text: str) -> tuple[Piece, ...] | None:
    """A module in pieces that are remembered, as most of a child's text is its parent's; None
    where `parse` gives None.

    Each piece ends where no statement, string or bracket is open, or it would not parse; so
    together they parse to what the whole does.
    """
    found: list[Piece] = []
    for above, part in _cut(text):
        tree = parse_piece(part)
        if tree is None:  # a string or a bracket around a line that looks like a function's first
            whole = parse(text)
            return None if whole is None else (Piece(0, text, whole),)
        found.append(Piece(above, part, tree))
    return tuple(found)


def _cut(text: str) -> list[tuple[int, str]]:
    """Parts of a text, each with the number of lines before it."""
    if "\r" in text:  # what ends a line is then another question
        return [(0, text)]
    found: list[tuple[int, str]] = []
    lines = text.split("\n")
    start, decorated = 0, False
    for number, line in enumerate(lines):
        if not line or line[0] not in "dca@" or _BEGINS.match(line) is None:
            continue
        if number and not decorated:
            found.append((start, "\n".join([*lines[start:number], ""])))
            start = number
        decorated = line[0] == "@"
    return [*found, (start, "\n".join(lines[start:]))]


@lru_cache(maxsize=4096)
def parse_piece(text: str) -> ast.Module | None:
    """The same as `parse`, of the text of a piece."""
    return _parse(text)


@lru_cache(maxsize=256)
def piece_nodes(text: str) -> Sequence[ast.AST]:
    """All nodes of a piece in the order of `ast.walk`, which several go through."""
    tree = parse_piece(text)
    found: list[ast.AST] = [] if tree is None else [tree]
    for node in found:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                found.append(value)
            elif isinstance(value, list):
                found += [item for item in value if isinstance(item, ast.AST)]
    return found


@lru_cache(maxsize=16)
def parse(text: str) -> ast.Module | None:
    """The syntax tree, or None where Python refuses the text or gives up on its depth.

    Several ask for the same text one after the other; none of them may change the tree.
    """
    return _parse(text)


def _parse(text: str) -> ast.Module | None:
    try:
        if "\\" not in text:
            return ast.parse(text)
        with warnings.catch_warnings():
            # an invalid escape is the candidate's affair; here it would be printed
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=1024)
def normal_form(text: str) -> NormalForm | None:
    """The normal form, or None for text that does not parse as Python."""
    parts = pieces(text)
    if parts is None:
        return None
    rename = not any(looks_at_names(part.text) for part in parts)
    written: list[str] = []
    nodes: list[tuple[int, _Nodes]] = []
    numbered = 0
    for part in parts:
        form = _piece_form(part.text, rename, numbered)
        if form is None:
            return None
        numbered = form.numbered
        written += [form.text] if form.text else []
        nodes.append((part.above, form.nodes))
    return NormalForm(" ".join(["[", *written, "]"]), tuple(nodes))


@lru_cache(maxsize=4096)
def looks_at_names(text: str) -> bool:
    """Whether a text could look at the names of its own locals."""
    return _LOOKS_AT_NAMES.search(text) is not None


@dataclass(frozen=True, slots=True)
class _PieceForm:
    text: str
    nodes: _Nodes
    numbered: int
    """How many locals have a number, those of the pieces before among them."""


@lru_cache(maxsize=4096)
def _piece_form(text: str, rename: bool, numbered: int) -> _PieceForm | None:
    """The normal form of a piece before which so many locals have been numbered."""
    writer = _written(text, rename)
    if writer is None:
        return None
    out = writer.out
    if numbered and writer.numbers:
        out = [*out]
        for place, number in writer.numbers:
            out[place] = f"%{number + numbered}"
    lines = tuple(writer.lines)
    nodes = _Nodes(lines, min(lines, default=1), max(lines, default=0))
    return _PieceForm(" ".join(out), nodes, numbered + writer.locals)


@lru_cache(maxsize=1024)
def _written(text: str, rename: bool) -> _Writer | None:
    tree = parse_piece(text)
    assert tree is not None
    shared = _declared_nonlocal(text) if "nonlocal" in text else frozenset()
    writer = _Writer(rename=rename, walrus=":=" in text, shared=shared)
    try:
        writer.statements(tree.body, None)
    except RecursionError:
        return None
    return writer


def _declared_nonlocal(text: str) -> frozenset[str]:
    found = (node.names for node in piece_nodes(text) if isinstance(node, ast.Nonlocal))
    return frozenset(chain.from_iterable(found))


@dataclass(slots=True)
class _Scope:
    """Names bound in one scope.

    Attributes:
        names: The number of a renamed local, 0 before its first use, None for a name that stays.
        foreign: Names declared global or nonlocal.
    """

    names: dict[str, int | None]
    outer: _Scope | None
    is_class: bool = False
    foreign: frozenset[str] = field(default_factory=frozenset)


class _Writer:
    """Walks a tree once and writes its canonical tokens.

    `shared` are names that stand in a declaration as plain text, so that they are never renamed.
    """

    __slots__ = ("lines", "locals", "numbers", "out", "rename", "shared", "walrus")

    def __init__(self, *, rename: bool, walrus: bool, shared: frozenset[str]) -> None:
        self.out: list[str] = []
        self.lines: list[int] = []
        self.locals = 0
        self.numbers: list[tuple[int, int]] = []
        """Where in `out` locals stand, and which."""
        self.rename = rename
        self.walrus = walrus
        self.shared = shared

    def body(self, statements: list[ast.stmt], scope: _Scope | None) -> None:
        self.out.append("[")
        self.statements(statements, scope)
        self.out.append("]")

    def statements(self, statements: list[ast.stmt], scope: _Scope | None) -> None:
        for statement in statements:
            if isinstance(statement, ast.Pass):
                continue
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue
            self.node(statement, scope)

    def node(self, node: ast.AST, scope: _Scope | None) -> None:
        kind = node.__class__
        fields = node._fields
        if not fields:  # operators
            self.out.append(kind.__name__)
            return
        if "lineno" in kind._attributes:
            self.lines.append(node.lineno)  # type: ignore[attr-defined]
        if kind is ast.Name:
            self.out.append(self.name(node.id, scope))  # type: ignore[attr-defined]
            return
        if kind is ast.Constant:
            value = node.value  # type: ignore[attr-defined]
            self.out.append(f"{value.__class__.__name__}:{value!r}")
            return
        self.out.append("(" + kind.__name__)
        if kind in _FUNCTIONS:
            self.function(node, scope)  # type: ignore[arg-type]
        elif kind is ast.ClassDef:
            self.class_(node, scope)  # type: ignore[arg-type]
        elif kind in _COMPREHENSIONS:
            self.comprehension(node, scope)
        else:
            for name in fields:
                if name != "ctx":
                    self.value(getattr(node, name), scope)
        self.out.append(")")

    def value(self, value: object, scope: _Scope | None) -> None:
        if isinstance(value, ast.AST):
            self.node(value, scope)
        elif isinstance(value, list):
            if value and isinstance(value[0], ast.stmt):
                self.body(value, scope)
            else:
                self.out.append("[")
                for item in value:
                    self.value(item, scope)
                self.out.append("]")
        else:
            self.out.append(repr(value))

    def name(self, name: str, scope: _Scope | None) -> str:
        innermost = scope
        while scope is not None:
            if scope.is_class and scope is not innermost:
                scope = scope.outer  # functions do not see the names of a class around them
                continue
            if name in scope.foreign:
                return name
            if name in scope.names:
                number = scope.names[name]
                if number is None:
                    return name
                if number == 0:
                    self.locals += 1
                    number = scope.names[name] = self.locals
                self.numbers.append((len(self.out), number))
                return f"%{number}"
            scope = scope.outer
        return name

    def function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope | None
    ) -> None:
        if isinstance(node, ast.Lambda):
            self.value(node.args, scope)
            self.node(node.body, self.scope([node.body], scope, node.args))
            return
        self.out.append(node.name)
        self.value(getattr(node, "type_params", None), scope)
        self.value(node.decorator_list, scope)
        self.value(node.args, scope)
        self.value(node.returns, scope)
        self.body(node.body, self.scope(node.body, scope, node.args))

    def class_(self, node: ast.ClassDef, scope: _Scope | None) -> None:
        self.out.append(node.name)
        self.value(getattr(node, "type_params", None), scope)
        self.value(node.decorator_list, scope)
        self.value(node.bases, scope)
        self.value(node.keywords, scope)
        self.body(node.body, self.scope(node.body, scope, None))

    def comprehension(self, node: ast.AST, scope: _Scope | None) -> None:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        bound = _Bound(self.walrus)
        bound.add(generator.target for generator in generators)
        inner = _Scope(self.numbered(bound.locals, rename=self.rename), scope)
        for index, generator in enumerate(generators):
            self.node(generator.iter, inner if index else scope)
            self.node(generator.target, inner)
            self.value(generator.ifs, inner)
            self.value(generator.is_async, inner)
        for name in node._fields:
            if name != "generators":
                self.value(getattr(node, name), inner)

    def scope(
        self, body: Iterable[ast.AST], outer: _Scope | None, arguments: ast.arguments | None
    ) -> _Scope:
        """The scope of a function with these arguments, or of a class (None), whose names stay."""
        bound = _Bound(self.walrus)
        bound.add(body)
        names = self.numbered(bound.locals, rename=self.rename and arguments is not None)
        names.update(dict.fromkeys(bound.fixed))
        if arguments is not None:
            names.update(dict.fromkeys(parameters(arguments)))
        return _Scope(names, outer, arguments is None, frozenset(bound.foreign))

    def numbered(self, names: Iterable[str], *, rename: bool) -> dict[str, int | None]:
        """Names as a scope begins with them, those that may not be renamed among them."""
        if not rename:
            return dict.fromkeys(names)
        # in a class `__x` and `_C__x` may be one name
        return {n: None if n in self.shared or (n[0] == "_" and "__" in n) else 0 for n in names}


def parameters(arguments: ast.arguments) -> list[str]:
    """The names of all parameters, in order."""
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    return [argument.arg for argument in found]


class _Bound:
    """Names that a piece of a scope binds, without those of scopes inside it.

    `fixed` are names that stand in the tree as plain text (of functions, imports, exceptions,
    patterns); they are not renamed. Without a `walrus` in the source no expression binds a name,
    and most of the tree can be passed over.
    """

    __slots__ = ("fixed", "foreign", "locals", "walrus")

    def __init__(self, walrus: bool) -> None:
        self.walrus = walrus
        self.locals: set[str] = set()
        self.fixed: set[str] = set()
        self.foreign: set[str] = set()

    def add(self, nodes: Iterable[ast.AST]) -> None:
        pending = list(nodes)
        while pending:
            node = pending.pop()
            kind = node.__class__
            if kind is ast.Name:
                if node.ctx.__class__ is not ast.Load:  # type: ignore[attr-defined]
                    self.locals.add(node.id)  # type: ignore[attr-defined]
                continue
            if kind in _NOTHING_BOUND and not self.walrus:
                continue
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    self.fixed.add(node.name)
                    pending += node.decorator_list
                case ast.Lambda():
                    pending += node.args.defaults
                case ast.Starred():
                    pending.append(node.value)
                case ast.Global() | ast.Nonlocal():
                    self.foreign.update(node.names)
                case ast.alias():
                    self.fixed.add((node.asname or node.name).split(".")[0])
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                    self.fixed.add(name)
                    pending += ast.iter_child_nodes(node)
                case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                    self.fixed.add(name)
                    pending += ast.iter_child_nodes(node)
                case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                    if self.walrus:
                        self.locals.update(_assigned_in(node))
                case _:
                    for name in node._fields:
                        if name in _VALUES and not self.walrus:
                            continue
                        value = getattr(node, name)
                        if value.__class__ is list:
                            pending += [item for item in value if isinstance(item, ast.AST)]
                        elif isinstance(value, ast.AST) and value._fields:
                            pending.append(value)


def _assigned_in(comprehension: ast.expr) -> Iterator[str]:
    """The names that assignment expressions in a comprehension bind in the scope around it."""
    pending: list[ast.AST] = [comprehension]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.NamedExpr):
            yield node.target.id
        # the body of a function has names of its own
        inside = node.args if isinstance(node, ast.Lambda) else node
        pending += ast.iter_child_nodes(inside)
