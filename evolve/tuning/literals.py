"""The numbers written in a program's EVOLVE-BLOCKs, and what the program is without them."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from functools import lru_cache

from evolve import syntax
from evolve.program import Program, blocks, syntax_hash
from evolve.tree.text import Lines, Splice, spliced

Number = bool | int | float
_Inside = tuple[ast.expr, Number, tuple[ast.AST, ...]]


class TuneError(ValueError):
    """A program without a number that could be tuned, or with a mark that says nothing; one line
    says where."""


class MarkError(TuneError):
    """A mark that cannot be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """One number (or True, False) of a block, its sign included: characters [start, end).

    Attributes:
        node: Its own expression.
        path: What stands around it, innermost first, up to its statement.
        power: It is the base of a power, where a minus needs parentheses.
    """

    file: str
    start: int
    end: int
    line: int
    value: Number
    node: ast.expr
    path: tuple[ast.AST, ...]
    power: bool


@lru_cache(maxsize=1024)
def literals(program: Program) -> tuple[Literal, ...]:
    """All numbers of the blocks in the order of the text; those in strings and patterns not.

    Raises:
        TuneError: no block is in a Python file that parses.
    """
    found: list[Literal] = []
    refused = "the program has no EVOLVE-BLOCK"
    read = False
    for path in dict.fromkeys(block.file for block in blocks(program)):
        tree = syntax.parse(program.files[path]) if path.endswith(".py") else None
        if tree is None:
            refused = f"{path} does not parse as Python"
            continue
        read = True
        own = [block for block in blocks(program) if block.file == path]
        lines = Lines(program.files[path])
        inside: list[_Inside] = []
        try:
            _gather(tree, (), inside)
        except RecursionError:
            raise TuneError(f"{path} nests too deeply") from None
        for node, value, around in inside:
            last = node.end_lineno or node.lineno
            if any(block.first <= node.lineno and last <= block.last for block in own):
                start, end = lines.span(node)
                parent = around[0]
                found.append(
                    Literal(
                        file=path,
                        start=start,
                        end=end,
                        line=node.lineno,
                        value=value,
                        node=node,
                        path=around,
                        power=isinstance(parent, ast.BinOp)
                        and isinstance(parent.op, ast.Pow)
                        and parent.left is node,
                    )
                )
    if not read:
        raise TuneError(refused)
    return tuple(sorted(found, key=lambda literal: (literal.file, literal.start)))


def _gather(node: ast.AST, around: tuple[ast.AST, ...], found: list[_Inside]) -> None:
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            found.append((node, value, around))
            return
        case ast.UnaryOp() if (signed := _signed(node)) is not None:
            found.append((node, signed, around))
            return
        case ast.JoinedStr() | ast.pattern() | ast.Name():
            return
        case ast.stmt():
            around = ()
    around = (node, *around)
    for child in ast.iter_child_nodes(node):
        _gather(child, around, found)


def _signed(node: ast.expr) -> int | float | None:
    """The value of a number behind any signs: however they are set, it is one literal."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _signed(operand)
            return None if inner is None else -inner
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _signed(operand)
    return None


@lru_cache(maxsize=4096)
def skeleton(program: Program) -> str:
    """The same for programs that differ in nothing but the numbers in their blocks.

    As with `syntax_hash`, layout, comments and the names of locals make no difference.

    Raises:
        TuneError: no block is in a Python file that parses.
    """
    splices = [
        Splice(one.file, one.start, one.end, "True" if isinstance(one.value, bool) else "0")
        for one in literals(program)
    ]
    files = {
        path: spliced(text, [splice for splice in splices if splice.file == path])
        for path, text in program.files.items()
    }
    return syntax_hash(Program.of(files))


def same_structure(one: Program, other: Program) -> bool:
    """Whether nothing but numbers differs; False where one of the two cannot be read."""
    try:
        return skeleton(one) == skeleton(other)
    except TuneError:
        return False


def written(literal: Literal, value: Number) -> str:
    """The text of a value in the place of a literal."""
    text = repr(value)
    negative = not isinstance(value, bool) and math.copysign(1.0, value) < 0
    return f"({text})" if literal.power and negative else text
