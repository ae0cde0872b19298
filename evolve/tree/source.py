"""Reads a program: finds the places in its EVOLVE-BLOCKs and follows what has a value there."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from evolve import syntax
from evolve.program import Program, blocks
from evolve.tree.kinds import (
    Given,
    Kind,
    Primitive,
)
from evolve.tree.places import Part, Source, TreeError
from evolve.tree.reader import Before, Module, Reader
from evolve.tree.reading import returned_kind
from evolve.tree.text import Lines
from evolve.tree.within import index_names

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
        parts=above,
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


_Function = tuple[str, Kind, tuple[str, ...]]
"""Its name, what it returns, its positional parameters."""


@lru_cache(maxsize=1024)
def _module(functions: tuple[_Function, ...], learnt: _Learnt) -> Module:
    return Module(
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
    return frozenset().union(*(index_names(node.slice) for node in subscripts))


@lru_cache(maxsize=4096)
def _names(text: str) -> frozenset[str]:
    return frozenset(_NAME.findall(text))


def _tree(text: str) -> ast.Module:
    tree = syntax.parse_piece(text)
    assert tree is not None
    return tree


@lru_cache(maxsize=4096)
def _before(
    names: tuple[tuple[str, Kind], ...],
    helpers: tuple[Primitive, ...],
    modules: frozenset[str],
    definitions: tuple[tuple[str, ast.expr], ...],
) -> Before:
    return Before(names, helpers, modules, definitions)


def _parts(
    path: str,
    pieces: Sequence[syntax.Piece],
    own: Sequence[tuple[int, int]],
    module: Module,
    indices: set[str],
) -> dict[Part, int]:
    """What is found in the pieces of a file, each with the lines before it; adds to `indices`."""
    found: dict[Part, int] = {}
    before: Before | None = _before((), (), frozenset(), ())
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
    module: Module,
    before: Before,
    indices: frozenset[str],
    which: int,
) -> tuple[Part, Before | None]:
    """What is found in one piece, and what is known behind it; None if that is not reached.

    Args:
        inside: Its lines, from 1, that lie in blocks.
        which: Where a file holds the same piece several times, each is a part of its own.
    """
    reader = Reader(Part(path), inside, module, before, indices, named=":=" in text)
    names = reader.body(_tree(text).body, dict(before.names))
    if names is None:
        return reader.part, None
    after = _before(
        tuple(names.items()), reader.helpers, reader.modules, tuple(reader.definitions.items())
    )
    return reader.part, after
