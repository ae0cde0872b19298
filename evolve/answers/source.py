"""A file of a program as lines that texts are looked for in, and a place among them."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evolve.program import Program, blocks, marker, outside_changed_in_file

_BLANKS = re.compile(r"[ \t]*")
_USUAL_UNIT = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Lines [first, last) of a file, from 0, and what comes there."""

    file: str
    first: int
    last: int
    lines: tuple[str, ...]
    exact: bool = True


class Source:
    """One file of a program, split into lines, with what finding a text in it needs."""

    def __init__(self, program: Program, file: str) -> None:
        self.program = program
        self.file = file
        self.lines = program.files[file].split("\n")
        self.crlf = len(self.lines) > 1 and all(line.endswith("\r") for line in self.lines[:-1])
        self.inside = [
            (block.first - 1, block.last) for block in blocks(program) if block.file == file
        ]
        self._indexes: dict[Callable[[str], str], _Index] = {}
        self._unit: tuple[str, int] | None = None

    def index(self, key: Callable[[str], str]) -> _Index:
        if key not in self._indexes:
            self._indexes[key] = _Index(self.lines, key)
        return self._indexes[key]

    @property
    def unit(self) -> tuple[str, int]:
        """What one step of indentation is: a tab, or so many blanks."""
        if self._unit is None:
            widths = []
            for line in self.lines:
                blank = indentation(line)
                if "\t" in blank:
                    self._unit = ("\t", _USUAL_UNIT)
                    break
                if blank and line.strip():
                    widths.append(len(blank))
            else:
                step = math.gcd(*widths) if widths else _USUAL_UNIT
                self._unit = (" ", step if step > 1 else _USUAL_UNIT)
        return self._unit

    def keeps_outside(self, place: Place) -> bool:
        """Whether this edit alone changes nothing outside of the blocks.

        It may hold markers and text outside as long as these stay as they are.
        """
        touched = [
            (first, last)
            for first, last in self.inside
            if first - 1 <= place.last and place.first <= last + 1
        ]
        if not touched:
            return place.lines == tuple(self.lines[place.first : place.last])
        if any(first <= place.first and place.last <= last for first, last in touched) and not any(
            marker(line) for line in place.lines
        ):
            return True
        after = "\n".join([*self.lines[: place.first], *place.lines, *self.lines[place.last :]])
        return outside_changed_in_file(self.file, self.program.files[self.file], after) is None


class _Index:
    """The lines of a file under a key, those whose key is empty left out, as one text to search."""

    def __init__(self, lines: Sequence[str], key: Callable[[str], str]) -> None:
        keys = [(number, key(line)) for number, line in enumerate(lines)]
        if key is not exactly:
            keys = [(number, text) for number, text in keys if text]
        self.numbers = [number for number, _ in keys]
        self._starts = []
        position = 1
        for _, text in keys:
            self._starts.append(position)
            position += len(text) + 1
        self._text = "\n" + "".join(f"{text}\n" for _, text in keys)

    def find(self, keys: Sequence[str]) -> Iterator[list[int]]:
        """The numbers of the lines that match, for each place in turn."""
        wanted = "\n" + "".join(f"{key}\n" for key in keys)
        position = self._text.find(wanted)
        while position >= 0:
            at = bisect_right(self._starts, position + 1) - 1
            yield self.numbers[at : at + len(keys)]
            position = self._text.find(wanted, position + 1)


def exactly(line: str) -> str:
    return line


def without_end(line: str) -> str:
    return line.rstrip()


def stripped(line: str) -> str:
    return line.strip()


def squeezed(line: str) -> str:
    return "".join(line.split())


def indentation(line: str) -> str:
    match = _BLANKS.match(line)
    return match[0] if match else ""
