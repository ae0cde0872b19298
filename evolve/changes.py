"""What changed between two programs, line by line, for people: counts, and rows side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from evolve.program import Program

Opcode = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a comparison: the texts and line numbers of both sides, None where a side has
    none."""

    left: str | None
    right: str | None
    left_number: int | None
    right_number: int | None

    @property
    def same(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Neighbouring changed lines of one file with a few around them."""

    path: str
    rows: tuple[Row, ...]


def counted(parent: Program, child: Program) -> tuple[int, int]:
    """Lines that the child adds, and lines that it removes."""
    added = removed = 0
    for path in parent.files.keys() | child.files.keys():
        before, after = _lines(parent, path), _lines(child, path)
        for tag, i1, i2, j1, j2 in _opcodes(before, after):
            if tag != "equal":
                added, removed = added + j2 - j1, removed + i2 - i1
    return added, removed


def hunks(parent: Program, child: Program, *, context: int = 3) -> Iterator[Hunk]:
    """The changed places of all files, in order."""
    for path in sorted(parent.files.keys() | child.files.keys()):
        before, after = _lines(parent, path), _lines(child, path)
        for group in _grouped(_opcodes(before, after), context):
            rows = [row for opcode in group for row in _rows(opcode, before, after)]
            yield Hunk(path=path, rows=tuple(rows))


def _lines(program: Program, path: str) -> list[str]:
    text = program.files.get(path)
    if not text:
        return []
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _opcodes(before: list[str], after: list[str]) -> list[Opcode]:
    """As difflib has them, but equal ends cost nothing: a child is mostly its parent."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    inner = SequenceMatcher(
        None, before[head : len(before) - tail], after[head : len(after) - tail], autojunk=True
    ).get_opcodes()
    found: list[Opcode] = [("equal", 0, head, 0, head)] if head else []
    found += [(tag, i1 + head, i2 + head, j1 + head, j2 + head) for tag, i1, i2, j1, j2 in inner]
    if tail:
        found.append(("equal", len(before) - tail, len(before), len(after) - tail, len(after)))
    return found


def _grouped(opcodes: list[Opcode], context: int) -> Iterator[list[Opcode]]:
    """Changes with `context` equal lines around them; those nearer to each other stay together."""
    group: list[Opcode] = []
    for index, (tag, i1, i2, j1, j2) in enumerate(opcodes):
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        last = index == len(opcodes) - 1
        if group and (last or i2 - i1 > 2 * context):
            end = min(context, i2 - i1)
            yield [*group, (tag, i1, i1 + end, j1, j1 + end)]
            group = []
        start = min(context, i2 - i1)
        if not last:
            whole = bool(group)
            group.append((tag, i1, i2, j1, j2) if whole else (tag, i2 - start, i2, j2 - start, j2))
    if any(tag != "equal" for tag, *_ in group):
        yield group


def _rows(opcode: Opcode, before: list[str], after: list[str]) -> Iterator[Row]:
    _, i1, i2, j1, j2 = opcode
    for i, j in zip_longest(range(i1, i2), range(j1, j2)):
        yield Row(
            left=None if i is None else before[i],
            right=None if j is None else after[j],
            left_number=None if i is None else i + 1,
            right_number=None if j is None else j + 1,
        )
