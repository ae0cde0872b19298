"""Which numbers of a program may be tuned, and how far.

A line may say so itself, in a comment at its end, for all numbers on it:

    BIAS = 0.3            # tune
    WIDTH = 12.0          # tune: 1..100 log
    ROUNDS = 40           # tune: off

Where one line asks to be tuned, numbers on lines that do not are left alone. Without any such line
the numbers are found: all but those that are structure rather than size (indices, numbers compared
for equality, steps of counters, keys of dict displays, `axis=`).
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from evolve.program import Program, blocks
from evolve.tree.text import Splice, spliced
from evolve.tuning.literals import (
    Literal,
    MarkError,
    Number,
    TuneError,
    literals,
    skeleton,
    written,
)

DIGITS = 6
"""Significant digits of a number that the tuner writes, where its range is not a narrow one."""
_MOST_DIGITS = 17
"""With so many, every float can be written."""
_REACH = 8.0
"""How far from where it stands a found number may go, in units of its own size."""
_MARK = re.compile(r"(?:^|\s)#\s*tune\s*(?::\s*([^#]*?)\s*)?(?:#.*)?$", re.IGNORECASE)
"""A comment may say other things too, before the mark or behind it."""
_RANGE = re.compile(r"(\S+?)\s*\.\.\s*(\S+?)(\s+log)?", re.IGNORECASE)
_LARGEST = 1e15
"""Integers up to here are exact as floats; beyond, a number is an identity rather than a size."""


class Kind(StrEnum):
    """What values a parameter takes."""

    REAL = "real"
    INTEGER = "integer"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number of a program that may change within [low, high].

    Attributes:
        index: Which of the program's literals it is.
        scale: A step that is neither small nor large; of logarithms where `log` is set.
    """

    index: int
    kind: Kind
    value: float
    low: float
    high: float
    scale: float
    log: bool = False

    def nearest(self, value: float) -> Number:
        """The value it can take that is nearest, in few digits."""
        value = min(max(value, self.low), self.high)
        if self.kind is Kind.CHOICE:
            return value >= 0.5
        if self.kind is Kind.INTEGER:
            return round(value)
        return min(max(float(f"{value:.{self._digits}g}"), self.low), self.high)

    @property
    def _digits(self) -> int:
        """As many that the range holds many values, however far from 0 it lies."""
        ratio = max(abs(self.low), abs(self.high)) / (self.high - self.low)
        return min(DIGITS + max(0, math.floor(math.log10(ratio))), _MOST_DIGITS)


@dataclass(frozen=True, slots=True)
class _Mark:
    off: bool = False
    low: float | None = None
    high: float | None = None
    log: bool = False


@lru_cache(maxsize=1024)
def parameters(program: Program) -> tuple[Parameter, ...]:
    """The numbers that may be tuned, in the order of the text.

    Raises:
        TuneError: there is none, nothing parses, or a mark names no range.
    """
    marks = _marks(program)
    asked = any(not mark.off for mark in marks.values())
    every = literals(program)
    sizes = {(literal.file, literal.line) for literal in every if not _names(literal)}
    found = []
    for index, literal in enumerate(every):
        line = literal.file, literal.line
        mark = marks.get(line)
        if mark is not None and not mark.off:
            # a key or an index is meant only where nothing else stands on the line
            if line not in sizes or not _names(literal):
                found.append(_marked(index, literal, mark))
        elif mark is None and not asked:
            kind = _found_kind(literal)
            if kind is not None:
                found.append(_ranged(index, literal, kind))
    if not found:
        raise TuneError("its EVOLVE-BLOCKs hold no number that could be tuned")
    return tuple(found)


def set_values(program: Program, chosen: Sequence[Parameter], values: Sequence[float]) -> Program:
    """The program with these values (the nearest that each parameter can take) in their places."""
    every = literals(program)
    splices = []
    for parameter, value in zip(chosen, values, strict=True):
        literal = every[parameter.index]
        new = parameter.nearest(value)
        if isinstance(literal.value, int) and not isinstance(literal.value, bool):
            # a whole number stays whole where it can: `2 * x` reads better than `2.0 * x`
            new = int(new) if float(new).is_integer() and parameter.kind is Kind.REAL else new
        if new != literal.value or type(new) is not type(literal.value):
            splices.append(Splice(literal.file, literal.start, literal.end, written(literal, new)))
    files = {
        path: spliced(text, [splice for splice in splices if splice.file == path])
        for path, text in program.files.items()
    }
    return Program.of(files)


def values_in(
    base: Program, chosen: Sequence[Parameter], program: Program
) -> tuple[float, ...] | None:
    """What a program of the base's structure has in their places; None for another structure."""
    try:
        if skeleton(base) != skeleton(program):
            return None
        every = literals(program)
    except TuneError:
        return None
    return tuple(float(every[parameter.index].value) for parameter in chosen)


def _marks(program: Program) -> dict[tuple[str, int], _Mark]:
    found = {}
    for block in blocks(program):
        if not block.file.endswith(".py") or "tune" not in block.text.lower():
            continue
        for line, comment, alone in _comments(program.files[block.file]):
            # what follows within a comment on a line of its own belongs to code put out of use
            match = _MARK.match(comment) if alone else _MARK.search(comment)
            if match is not None and block.first <= line <= block.last:
                found[block.file, line] = _mark(match[1] or "", f"{block.file}:{line}")
    return found


def _comments(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line and text of each comment, and whether it has the line to itself."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                yield token.start[0], token.string, alone
    except (tokenize.TokenError, SyntaxError):
        return  # `literals` has said that it does not parse, or will


def _mark(text: str, where: str) -> _Mark:
    if not text:
        return _Mark()
    if text.lower() == "off":
        return _Mark(off=True)
    match = _RANGE.fullmatch(text)
    try:
        low, high = (float(match[1]), float(match[2])) if match else (math.nan, math.nan)
    except ValueError:
        low = math.nan
    if match is None or not (abs(low) <= _LARGEST and abs(high) <= _LARGEST):
        raise MarkError(
            f"{where}: '# tune: {text[:40]}': expected LOW..HIGH, LOW..HIGH log (at most "
            f"{_LARGEST:g}), or off"
        )
    if low >= high:
        raise MarkError(f"{where}: the range {match[1]}..{match[2]} is empty")
    log = match[3] is not None
    if log and low <= 0:
        raise MarkError(f"{where}: a range with log must lie above 0, not {match[1]}..{match[2]}")
    return _Mark(low=low, high=high, log=log)


def _marked(index: int, literal: Literal, mark: _Mark) -> Parameter:
    kind = (
        Kind.CHOICE
        if isinstance(literal.value, bool)
        else Kind.INTEGER
        if isinstance(literal.value, int)
        else Kind.REAL
    )
    if not abs(literal.value) <= _LARGEST:
        raise MarkError(
            f"{literal.file}:{literal.line}: a number beyond {_LARGEST:g} is not tuned; "
            "take its mark away"
        )
    if mark.low is None or mark.high is None or kind is Kind.CHOICE:
        return _ranged(index, literal, kind)
    low, high = mark.low, mark.high
    if kind is Kind.INTEGER:
        low, high = math.ceil(low), math.floor(high)
        if low >= high:
            raise MarkError(
                f"{literal.file}:{literal.line}: no two integers in "
                f"{mark.low:g}..{mark.high:g}; write a float to tune it as one"
            )
    # not the logarithm of a quotient, which may be beyond the largest float
    width = math.log(high) - math.log(low) if mark.log else high - low
    value = min(max(float(literal.value), low), high)
    return Parameter(
        index=index, kind=kind, value=value, low=low, high=high, scale=width / 4, log=mark.log
    )


def _ranged(index: int, literal: Literal, kind: Kind) -> Parameter:
    """A parameter of a number nobody gave a range: around where it stands, as its size allows."""
    if kind is Kind.CHOICE:
        value = float(literal.value)
        return Parameter(index=index, kind=kind, value=value, low=0, high=1, scale=0.5)
    value = float(literal.value)
    size = abs(value) or (1.0 if kind is Kind.INTEGER else 0.1)
    if kind is Kind.INTEGER:
        reach = max(3, math.ceil(2 * size)) if not _is_power(literal) else 3
        # what counts, bounds or divides does not become negative, nor 0 where it was not
        low = value - reach if value < 0 else min(1.0, value)
        return Parameter(
            index=index, kind=kind, value=value, low=low, high=value + reach, scale=max(1, size / 2)
        )
    low, high = value - _REACH * size, value + _REACH * size
    return Parameter(index=index, kind=kind, value=value, low=low, high=high, scale=size)


def _is_power(literal: Literal) -> bool:
    parent = literal.path[0]
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow) and not literal.power


def _names(literal: Literal) -> bool:
    """Whether it is the key of a dict display or a constant subscript: which, not how much."""
    inner: ast.AST = literal.node
    for node in literal.path:
        match node:
            case ast.Tuple():
                inner = node
            case ast.Subscript(slice=inside):
                return inside is inner
            case _:
                return _is_key(inner, node)
    return False


def _is_key(inner: ast.AST | None, node: ast.AST) -> bool:
    match node:
        case ast.Dict(keys=keys):
            return any(key is inner for key in keys)
        case ast.DictComp(key=key):
            return key is inner
    return False


def _found_kind(literal: Literal) -> Kind | None:
    """How a number that nobody marked may be tuned; None for one that is structure."""
    value, path = literal.value, literal.path
    # in this order: an int may be too large for a float
    if isinstance(value, bool) or not abs(value) <= _LARGEST:
        return None
    for node, inner in zip(path, (literal.node, *path), strict=False):
        if _is_key(inner, node):
            return None
        match node:
            case ast.Subscript(value=of) if of is not inner:
                return None
            case ast.keyword(arg="axis" | "ndim" | "dtype"):
                return None
    if isinstance(value, float):
        return Kind.REAL
    parent = path[0]
    match parent:
        case ast.Compare(ops=ops) if any(
            isinstance(op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn)
            for op in ops
        ):
            return None
        case ast.AugAssign(op=ast.Add() | ast.Sub()) if abs(value) <= 1:
            return None
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()) | ast.Compare():
            return Kind.REAL if _among_reals(path) else Kind.INTEGER
    return Kind.INTEGER if value not in (-1, 0) else None


def _among_reals(path: Sequence[ast.AST]) -> bool:
    """Whether the arithmetic around an integer is of reals: a division or a float stands in it."""
    outermost = path[0]
    for node in path:
        if not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare | ast.IfExp | ast.BoolOp):
            break
        outermost = node
    return any(
        (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        for node in ast.walk(outermost)
    )
