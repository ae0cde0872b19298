"""How a text is looked for in a program: the steps, from exactly to white space within lines.

Lines that an edit quotes and keeps stay as they are in the program; new ones are indented like
those around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from evolve.answers.records import Edit
from evolve.answers.source import (
    Place,
    Source,
    exactly,
    indentation,
    squeezed,
    stripped,
    without_end,
)


def exact_places(source: Source, edit: Edit) -> Iterator[Place]:
    """Every place where the text stands character by character."""
    search, replace = edit.search, edit.replace
    if source.crlf and not any("\r" in line for line in search + replace):
        search = tuple(f"{line}\r" for line in search)
        replace = tuple(f"{line}\r" for line in replace)
    for numbers in source.index(exactly).find(search):
        yield Place(source.file, numbers[0], numbers[0] + len(search), replace)


def _exactly_placed(source: Source, edit: Edit) -> Iterator[Place]:
    before, after = kept(edit)
    for place in exact_places(source, edit):
        lines = place.lines[before : len(place.lines) - after]
        yield Place(place.file, place.first + before, place.last - after, _tabs(source, lines))


def _tabs(source: Source, lines: tuple[str, ...]) -> tuple[str, ...]:
    """New lines of Python with tabs, where the program has none, in the program's blanks."""
    sign, width = source.unit
    if sign == "\t" or not source.file.endswith(".py") or not any(x[:1] == "\t" for x in lines):
        return lines
    if any("\t" in indentation(line) for line in source.lines):
        return lines
    return tuple(
        " " * _width(indentation(line), width) + line.lstrip(" \t") if line[:1] == "\t" else line
        for line in lines
    )


def kept(edit: Edit) -> tuple[int, int]:
    """How many lines SEARCH and REPLACE share at their start and end; these stay."""
    search, replace = edit.search, edit.replace
    most = min(len(search), len(replace))
    before = 0
    while before < most and search[before] == replace[before]:
        before += 1
    after = 0
    while after < most - before and search[-1 - after] == replace[-1 - after]:
        after += 1
    return before, after


def _by(key: Callable[[str], str]) -> Callable[[Source, Edit], Iterator[Place]]:
    def find(source: Source, edit: Edit) -> Iterator[Place]:
        filled = [(number, k) for number, line in enumerate(edit.search) if (k := key(line))]
        if not filled:
            return
        for numbers in source.index(key).find([k for _, k in filled]):
            pairs = list(zip((number for number, _ in filled), numbers, strict=True))
            place = _tolerant(source, edit, pairs)
            if place is not None:
                yield place

    return find


STEPS: tuple[Callable[[Source, Edit], Iterator[Place]], ...] = (
    _exactly_placed,
    _by(without_end),
    _by(stripped),
    _by(squeezed),
)


def _tolerant(source: Source, edit: Edit, pairs: Sequence[tuple[int, int]]) -> Place | None:
    """The edit made where its lines that are not blank match lines of the program."""
    fit = _Fit.of(source, edit, pairs)
    if fit is None:
        return None
    search, replace = edit.search, edit.replace
    before, after = kept(edit)
    at = dict(pairs)
    # what is kept ends and begins with a line that is not blank, so that it has a place
    while before and before - 1 not in at:
        before -= 1
    while after and len(search) - after not in at:
        after -= 1
    first = at[before - 1] + 1 if before else pairs[0][1]
    last = at[len(search) - after] if after else pairs[-1][1] + 1
    lines = list(replace[before : len(replace) - after])
    if not before:
        _drop(lines, 0, pairs[0][0])
    if not after:
        _drop(lines, -1, len(search) - 1 - pairs[-1][0])
    # nothing but blank lines around what is kept: the program's own stay
    fitted = fit.lines(lines, first_is_first=not before)
    return None if fitted is None else Place(source.file, first, last, fitted, exact=False)


def _drop(lines: list[str], end: int, most: int) -> None:
    """Takes off up to so many blank lines at one end."""
    while most and lines and not lines[end].strip():
        lines.pop(end)
        most -= 1


@dataclass(frozen=True, slots=True)
class _Fit:
    """How the indentation of an answer maps to the program's: `scale * width + shift`.

    Attributes:
        lost: Blanks that only the first line of the answer's text has lost.
    """

    source: Source
    tab: int
    scale: Fraction
    shift: Fraction
    lost: int

    @classmethod
    def of(cls, source: Source, edit: Edit, pairs: Sequence[tuple[int, int]]) -> _Fit | None:
        """The one that all matching lines have in common, if there is one."""
        _, tab = source.unit
        theirs = [_width(indentation(edit.search[ours]), tab) for ours, _ in pairs]
        program = [_width(indentation(source.lines[number]), tab) for _, number in pairs]
        shift = Fraction(program[0] - theirs[0])
        if all(p - t == shift for t, p in zip(theirs, program, strict=True)):
            if len(pairs) == 1 and shift > 0 and _only_first_lost(edit, int(shift), tab):
                return cls(source, tab, Fraction(1), Fraction(0), int(shift))
            return cls(source, tab, Fraction(1), shift, 0)
        if shift > 0 and all(p == t for t, p in zip(theirs[1:], program[1:], strict=True)):
            return cls(source, tab, Fraction(1), Fraction(0), int(shift))
        pitch = next(((t, p) for t, p in zip(theirs, program, strict=True) if t != theirs[0]), None)
        if pitch is None:
            return None
        scale = Fraction(pitch[1] - program[0], pitch[0] - theirs[0])
        if scale <= 0:
            return None
        shift = program[0] - scale * theirs[0]
        if any(scale * t + shift != p for t, p in zip(theirs, program, strict=True)):
            return None
        return cls(source, tab, scale, shift, 0)

    def lines(self, lines: Sequence[str], *, first_is_first: bool) -> tuple[str, ...] | None:
        """New lines in the program's indentation and line ends; None where one does not fit."""
        sign, unit = self.source.unit
        end = "\r" if self.source.crlf else ""
        written = []
        for number, line in enumerate(lines):
            text = line.rstrip("\r")
            if not text.strip():
                written.append(end)
                continue
            blank = indentation(text)
            width = self.scale * _width(blank, self.tab) + self.shift
            if number == 0 and first_is_first:
                width += self.lost
            if width.denominator != 1 or width < 0:
                return None
            columns = int(width)
            if sign == "\t":
                new = "\t" * (columns // unit) + " " * (columns % unit)
            else:
                new = " " * columns
            written.append(new + text[len(blank) :] + end)
        return tuple(written)


def _only_first_lost(edit: Edit, lost: int, tab: int) -> bool:
    """Whether of a text only the first line was stripped, and those after it are as they should."""
    filled = [line for line in edit.replace if line.strip()]
    if len(filled) < 2 or filled[0].rstrip().endswith((":", "(", "[", "{", ",", "\\")):
        return False
    return min(_width(indentation(line), tab) for line in filled[1:]) >= lost


def _width(blank: str, tab: int) -> int:
    return len(blank) + blank.count("\t") * (tab - 1)
