"""Changing source text at the place of one node, and leaving all other characters as they are."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TUPLE, _TEST, _OR, _AND, _NOT, _COMPARE = 1, 2, 3, 4, 5, 6
_SUM, _TERM, _SIGN, _POWER, _ATOM = 11, 12, 13, 14, 16
_BINARY: dict[type[ast.operator], int] = {
    ast.BitOr: 7,
    ast.BitXor: 8,
    ast.BitAnd: 9,
    ast.LShift: 10,
    ast.RShift: 10,
    ast.Add: _SUM,
    ast.Sub: _SUM,
    ast.Pow: _POWER,
}


@dataclass(frozen=True, slots=True)
class Splice:
    """Characters [start, end) of a file give way to `text`."""

    file: str
    start: int
    end: int
    text: str


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """The text of one file with splices made that do not overlap; of two at one place the later
    comes first."""
    parts, position = [], 0
    last_first = sorted(splices, key=lambda splice: (splice.start, splice.end), reverse=True)
    for splice in reversed(last_first):
        parts += [text[position : splice.start], splice.text]
        position = splice.end
    return "".join([*parts, text[position:]])


class Lines:
    """Where the positions of a syntax tree lie in a text, of which it may be of a later part."""

    __slots__ = ("above", "ascii", "starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.above = 0
        self.ascii = text.isascii()
        self.starts = [0]
        position = text.find("\n")
        while position >= 0:
            self.starts.append(position + 1)
            position = text.find("\n", position + 1)

    def below(self, above: int) -> Lines:
        """The same for the tree of what comes after so many lines."""
        if not above:
            return self
        lines = Lines.__new__(Lines)
        lines.text, lines.ascii, lines.starts = self.text, self.ascii, self.starts
        lines.above = above
        return lines

    def offset(self, line: int, column: int) -> int:
        """Character offset of a line (from 1) and a column in UTF-8 bytes (from 0)."""
        start = self.start_of(line)
        if self.ascii:
            return start + column
        return start + len(self.text[start : self.end_of(line)].encode()[:column].decode())

    def start_of(self, line: int) -> int:
        return self.starts[self.above + line - 1]

    def end_of(self, line: int) -> int:
        """Offset behind the line and its end."""
        line += self.above
        return self.starts[line] if line < len(self.starts) else len(self.text)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )

    def indentation(self, line: int) -> str:
        start = self.start_of(line)
        text = self.text[start : self.end_of(line)]
        return text[: len(text) - len(text.lstrip(" \t"))]

    @property
    def newline(self) -> str:
        end = self.starts[1] if len(self.starts) > 1 else 0
        return "\r\n" if self.text[max(end - 2, 0) : end] == "\r\n" else "\n"


def replacement(
    lines: Lines, file: str, old: ast.expr, new: ast.expr, parent: ast.AST, field: str
) -> Splice:
    """Puts `new` where `old` stands in `parent.field`, with parentheses where needed only."""
    start, end = lines.span(old)
    start, end = _with_own_parentheses(lines, start, end, parent)
    text = ast.unparse(new)
    if precedence(new) < _needed(parent, field):
        text = f"({text})"
    return Splice(file, start, end, text)


def _with_own_parentheses(lines: Lines, start: int, end: int, parent: ast.AST) -> tuple[int, int]:
    text = lines.text
    while True:
        left = len(text[:start].rstrip()) - 1 if start else -1
        right = end
        while right < len(text) and text[right] in " \t\r\n":
            right += 1
        if left < 0 or right >= len(text) or (text[left], text[right]) != ("(", ")"):
            return start, end
        if isinstance(parent, ast.Call):
            before = len(text[:left].rstrip())
            if lines.span(parent.func)[1] >= before - text[:before].count(")", before - 1):
                return start, end  # the parentheses of the call
        elif not isinstance(parent, _PARENTHESES_ARE_OWN):
            return start, end
        start, end = left, right + 1


_PARENTHESES_ARE_OWN = (
    ast.BinOp,
    ast.BoolOp,
    ast.UnaryOp,
    ast.Compare,
    ast.IfExp,
    ast.Return,
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.If,
    ast.While,
    ast.Subscript,
    ast.List,
    ast.Tuple,
)


def precedence(node: ast.expr) -> int:
    """How tightly the outermost sign of an expression binds."""
    match node:
        case ast.NamedExpr():
            return 0
        case ast.Tuple() | ast.Yield() | ast.YieldFrom():
            return _TUPLE
        case ast.IfExp() | ast.Lambda():
            return _TEST
        case ast.BoolOp(op=op):
            return _OR if isinstance(op, ast.Or) else _AND
        case ast.Compare():
            return _COMPARE
        case ast.BinOp(op=op):
            return _BINARY.get(type(op), _TERM)
        case ast.UnaryOp(op=op):
            return _NOT if isinstance(op, ast.Not) else _SIGN
        case ast.Constant(value=int() | float() as value) if value < 0:
            return _SIGN
        case ast.Await():
            return _ATOM - 1
    return _ATOM


def _needed(parent: ast.AST, field: str) -> int:
    """How tightly an expression must bind to stand in this field without parentheses."""
    match parent:
        case ast.BinOp(op=ast.Pow()):
            return _POWER + 1 if field == "left" else _SIGN
        case ast.BinOp():
            return precedence(parent) + (field == "right")
        case ast.UnaryOp():
            return precedence(parent)
        case ast.BoolOp() | ast.Compare():
            return precedence(parent) + 1
        case ast.IfExp():
            return _TEST if field == "orelse" else _OR
        case ast.Call() | ast.Subscript() | ast.Attribute() if field in ("func", "value"):
            return _ATOM
        case ast.comprehension():
            return _OR
        case (
            ast.Call()
            | ast.Subscript()
            | ast.Return()
            | ast.Assign()
            | ast.AugAssign()
            | ast.AnnAssign()
            | ast.If()
            | ast.While()
            | ast.For()
            | ast.keyword()
            | ast.Slice()
            | ast.Lambda()
            | ast.ListComp()
            | ast.SetComp()
            | ast.DictComp()
            | ast.GeneratorExp()
            | ast.List()
            | ast.Tuple()
        ):
            return _TEST
    return _ATOM


def statement_text(statement: ast.stmt, indentation: str, newline: str) -> str:
    """Complete lines with a statement at this indentation."""
    unparsed = ast.unparse(statement)
    return "".join(f"{indentation}{line}{newline}" for line in unparsed.split("\n"))


def moved(lines: Lines, statements: Sequence[ast.stmt], indentation: str) -> str:
    """The lines of neighbouring statements as they are written, at another indentation; "" where
    they share a line with others, or a text goes over lines."""
    first, last = statements[0], statements[-1]
    assert last.end_lineno is not None
    start, end = lines.start_of(first.lineno), lines.end_of(last.end_lineno)
    before = lines.indentation(first.lineno)
    written = lines.text[start:end].splitlines(keepends=True)
    for statement in statements:
        for part in ast.walk(statement):
            if isinstance(part, ast.Constant | ast.JoinedStr) and part.lineno != part.end_lineno:
                return ""
    begins = lines.span(first)[0] == start + len(before)
    rest = lines.text[lines.span(last)[1] : end].strip()
    if not begins or (rest and not rest.startswith("#")) or not written[-1].endswith("\n"):
        return ""
    if any(line.strip() and not line.startswith(before) for line in written):
        return ""
    return "".join(
        indentation + line.removeprefix(before) if line.strip() else line for line in written
    )
