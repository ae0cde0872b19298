"""What mutation knows of a program: places in its EVOLVE-BLOCKs and what may be used there."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from evolve.program import Program
from evolve.tree.kinds import Kind, Primitive
from evolve.tree.reading import kind_of
from evolve.tree.text import Lines


class TreeError(ValueError):
    """A program that tree mutation can do nothing with; one line says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be used at one place.

    Attributes:
        names: Kinds of the names that have a value there.
        assignable: Those among them that a statement there may set.
        functions: Kinds that functions of the program return.
        helpers: Functions of the program, defined before, to a number from what is known.
        modules: Names bound by imports.
        definitions: Expressions of locals that are assigned only once.
    """

    names: Mapping[str, Kind]
    assignable: frozenset[str]
    functions: Mapping[str, Kind]
    helpers: tuple[Primitive, ...]
    modules: frozenset[str]
    definitions: Mapping[str, ast.expr]

    def of_kind(self, kind: Kind) -> list[str]:
        return [name for name, its in self.names.items() if its is kind]

    def assignable_numbers(self) -> list[str]:
        return [name for name in self.of_kind(Kind.NUMBER) if name in self.assignable]

    def with_names(self, more: Mapping[str, Kind]) -> Scope:
        """The same with further names."""
        return replace(self, names={**self.names, **more})

    def kind_of(self, node: ast.expr) -> Kind:
        return kind_of(node, self.names, self.functions)


@dataclass(slots=True, eq=False)
class Part:
    """A piece of a file as it was read, and what was found in it: shared by all programs that have
    the same piece, where the same is known before it.

    Attributes:
        seen: What functions are called with, return ("return") and append to their locals.
        chosen: Its sites and slots that fit a test, by test; asked by every mutation of a program.
    """

    file: str
    sites: list[Site] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    letters: set[str] = field(default_factory=set)
    indices: set[str] = field(default_factory=set)
    seen: dict[str, dict[str, list[Kind]]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    chosen: dict[object, Sequence[object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """An expression that may be replaced by another one of its kind."""

    part: Part
    node: ast.expr
    parent: ast.AST
    field: str
    kind: Kind
    scope: Scope
    held: bool
    """Not any number will do: an index, a bound of a range, an exponent or what it stands on."""
    depth: int
    """Expressions around it within its statement."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A statement of a block, and what is known just before it."""

    part: Part
    statement: ast.stmt
    body: list[ast.stmt]
    index: int
    last: int
    """Index of the last statement of the body that lies in the same block."""
    scope: Scope
    returns: Kind
    """What the function around it returns; OTHER outside of functions."""
    function: str
    """The function around it, or ""."""
    outermost: bool
    """It is not inside another statement of that function."""
    loop: ast.For | ast.While | None
    """The innermost loop around it in that function."""

    @property
    def behind(self) -> list[ast.stmt]:
        """The statements behind it that mutation may change as well."""
        return self.body[self.index + 1 : self.last + 1]


@dataclass(frozen=True, slots=True)
class Source:
    """All places of one program.

    Attributes:
        lines: Those of its files.
        above: Its parts, and how many lines of their file stand before each.
        parts: Those among them whose places count.
        constants: The values of all number literals.
        letters: Text literals of one character.
        indices: Names that stand in an index somewhere, or run through a range.
        parameters: The positional parameters of functions, by name.
        names: Every word of the text that could be a name.
        doubtful: Names that are read where they may have no value, as far as can be seen.
    """

    program: Program
    lines: Mapping[str, Lines]
    above: Mapping[Part, int]
    parts: Iterable[Part]
    sites: Sequence[Site]
    slots: Sequence[Slot]
    constants: Sequence[float]
    letters: Set[str]
    indices: Set[str]
    parameters: Mapping[str, Sequence[str]]
    names: Set[str]
    doubtful: Set[str]

    def lines_of(self, part: Part) -> Lines:
        """Where the positions of a part's nodes lie in their file."""
        return self.lines[part.file].below(self.above[part])

    def sites_where(self, test: Callable[[Site], bool]) -> list[Site]:
        """Sites that fit a test, which is remembered: it may look at the site alone."""
        found: list[Site] = []
        for part in self.parts:
            if test not in part.chosen:
                part.chosen[test] = [site for site in part.sites if test(site)]
            found += part.chosen[test]  # type: ignore[arg-type]
        return found

    def slots_where(self, test: Callable[[Slot, Lines], bool]) -> list[Slot]:
        """The same of slots; the test is given the lines of the part."""
        found: list[Slot] = []
        for part in self.parts:
            if test not in part.chosen:
                lines = self.lines_of(part)
                part.chosen[test] = [slot for slot in part.slots if test(slot, lines)]
            found += part.chosen[test]  # type: ignore[arg-type]
        return found
