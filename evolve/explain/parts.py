"""Programs with one change taken back, or one part taken out: text in, texts out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evolve import syntax
from evolve.answers.source import Place
from evolve.diff import changed_places
from evolve.program import Program, blocks, length
from evolve.tree.simplify import parts
from evolve.tree.text import Lines, Splice, replacement, spliced

_SEMICOLON = re.compile(r"\s*;\s*(?=[^\s#\\])")
"""One with another statement behind it on the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """A program without a part, and how to call that part."""

    program: Program
    what: str
    """The part's own text, in one line."""


def hunks(parent: Program, child: Program) -> list[Without]:
    """The child with each changed run of lines taken back alone."""
    return [
        Without(program=reverted(parent, child, [index]), what=_shown(parent, place))
        for index, place in enumerate(_places(parent, child))
    ]


def reverted(parent: Program, child: Program, chosen: Sequence[int]) -> Program:
    """The child with these of its `hunks` taken back."""
    places = enumerate(_places(parent, child))
    return _applied(parent, [place for index, place in places if index not in chosen])


def _places(parent: Program, child: Program) -> list[Place]:
    return [place for path in parent.files for place in changed_places(parent, child, path)]


def _applied(parent: Program, places: Sequence[Place]) -> Program:
    files = dict(parent.files)
    for path, text in parent.files.items():
        lines = text.split("\n")
        for place in sorted(places, key=lambda place: (place.first, place.last), reverse=True):
            if place.file == path:
                lines[place.first : place.last] = place.lines
        files[path] = "\n".join(lines)
    return Program.of(files)


def _shown(parent: Program, place: Place) -> str:
    before = " ".join(
        " ".join(parent.files[place.file].split("\n")[place.first : place.last]).split()
    )
    after = " ".join(" ".join(place.lines).split())
    if not before:
        return f"+ {after}"
    return f"{before} -> {after}" if after else f"- {before}"


def reductions(program: Program) -> Iterator[Without]:
    """The program without one statement, or with an expression cut to one of its parts.

    The largest cuts come first. Each parses and is shorter in syntax-tree nodes than the program.
    """
    found: list[tuple[int, int, Without]] = []
    before = length(program)
    seen = {program.hash}
    for block in blocks(program):
        text = program.files[block.file]
        tree = syntax.parse(text) if block.file.endswith(".py") else None
        if tree is None:
            continue
        lines = Lines(text)
        for splice, what in _cuts(tree, block.file, lines, block.first, block.last):
            files = {**program.files, block.file: spliced(text, [splice])}
            if syntax.parse(files[block.file]) is None:
                continue
            smaller = Program.of(files)
            saved = before - length(smaller)
            if saved > 0 and smaller.hash not in seen:
                seen.add(smaller.hash)
                found.append((-saved, len(found), Without(program=smaller, what=what)))
    for _, _, without in sorted(found, key=lambda one: one[:2]):
        yield without


def _cuts(
    tree: ast.Module, file: str, lines: Lines, first: int, last: int
) -> Iterator[tuple[Splice, str]]:
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                for statement in value:
                    if first <= statement.lineno and (statement.end_lineno or 0) <= last:
                        yield from _statement_cuts(statement, len(value) == 1, file, lines)
            for part in value if isinstance(value, list) else [value]:
                if not isinstance(part, ast.expr):
                    continue
                if first <= part.lineno and (part.end_lineno or 0) <= last:
                    for smaller in parts(part):
                        what = f"{ast.unparse(part)} -> {ast.unparse(smaller)}"
                        yield replacement(lines, file, part, smaller, node, field), what


def _statement_cuts(
    statement: ast.stmt, alone: bool, file: str, lines: Lines
) -> Iterator[tuple[Splice, str]]:
    first, behind = lines.span(statement)
    if isinstance(statement, ast.If) and lines.text.startswith("elif", first):
        return
    start, end = lines.start_of(statement.lineno), lines.end_of(statement.end_lineno or 0)
    shared = _beside(lines, start, first, behind, end)
    if statement.lineno > 1 and getattr(statement, "decorator_list", None):
        start = lines.start_of(min(d.lineno for d in statement.decorator_list))  # type: ignore[attr-defined]
    indentation = lines.indentation(statement.lineno)
    short = " ".join(ast.unparse(statement).split())
    if not isinstance(statement, ast.Pass):
        if shared is None:
            text = f"{indentation}pass{lines.newline}" if alone else ""
            yield Splice(file, start, end, text), f"- {short}"
        elif alone:
            yield Splice(file, first, behind, "pass"), f"- {short}"
        else:
            yield Splice(file, *shared, ""), f"- {short}"
    for name in ("body", "orelse"):
        body = getattr(statement, name, None)
        if isinstance(statement, ast.If | ast.For | ast.While | ast.With) and body:
            inner = "\n".join(ast.unparse(child) for child in body)
            text = "".join(f"{indentation}{line}{lines.newline}" for line in inner.split("\n"))
            yield Splice(file, start, end, text), f"{short} -> {' '.join(inner.split())}"
    if isinstance(statement, ast.If) and statement.orelse:
        kept = ast.If(test=statement.test, body=statement.body, orelse=[])
        text = "".join(
            f"{indentation}{line}{lines.newline}" for line in ast.unparse(kept).split("\n")
        )
        yield Splice(file, start, end, text), f"{short} -> without else"


def _beside(lines: Lines, start: int, first: int, behind: int, end: int) -> tuple[int, int] | None:
    """Where a statement and its semicolon lie; None for one that has its lines to itself.

    Args:
        start: Where its first line begins.
        first: Where it begins itself.
        behind: Where it ends itself.
        end: Where its last line ends.
    """
    text = lines.text
    if following := _SEMICOLON.match(text, behind, end):
        return first, following.end()
    before = text[start:first].rstrip()
    if not before:
        return None
    return start + len(before.removesuffix(";").rstrip()), behind
