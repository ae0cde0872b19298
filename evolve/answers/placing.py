"""Where the edits of an answer belong in a program, and the program with all of them made.

Exactly first; then, by steps, without regard to white space at line ends and blank lines, to how
far the text is indented, and to white space within lines. The first step at which a text is found
decides, and there it must be found once. Lines that an edit quotes and keeps stay as they are in
the program; new ones are indented like those around them.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from itertools import pairwise

from evolve.answers.records import AnswerError, Edit, Kind
from evolve.program import (
    Program,
    ProgramError,
    blocks,
    excerpt,
    marker,
    outside_changed,
    outside_changed_in_file,
)

_BLANKS = re.compile(r"[ \t]*")
_USUAL_UNIT = 4
_TRIED_AT_BORDERS = 32
_SHOWN_LINES = 12


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
        if key is not _exactly:
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


def _exactly(line: str) -> str:
    return line


def _without_end(line: str) -> str:
    return line.rstrip()


def _stripped(line: str) -> str:
    return line.strip()


def _squeezed(line: str) -> str:
    return "".join(line.split())


def indentation(line: str) -> str:
    match = _BLANKS.match(line)
    return match[0] if match else ""


def place_edits(parent: Program, edits: Sequence[Edit]) -> tuple[Program, bool]:
    """The parent with all edits made, and whether each text was found exactly.

    Every SEARCH is meant to be text of the parent; where one is not, the edits are read as steps,
    each one a change of what those before it have made.

    Raises:
        AnswerError: `NOT_FOUND`, `AMBIGUOUS` or `OUTSIDE_BLOCK`, of the first edit at fault.
    """
    edits = list(dict.fromkeys(edits))
    try:
        return _at_once(parent, edits)
    except AnswerError as error:
        if error.refused.kind is not Kind.NOT_FOUND or len(edits) < 2:
            raise
        try:
            return _in_steps(parent, edits)
        except AnswerError:
            raise error from None


def _at_once(parent: Program, edits: Iterable[Edit]) -> tuple[Program, bool]:
    sources = {path: Source(parent, path) for path in parent.files}
    places: list[tuple[int, Place]] = []
    for number, edit in enumerate(edits, 1):
        place = _only_place(parent, sources, edit, number)
        if place is not None:
            places.append((number, place))
    places.sort(key=lambda item: (item[1].file, item[1].first, item[1].last))
    for (number, one), (other_number, other) in pairwise(places):
        same_point = one.first == other.first and (one.first == one.last)
        if one.file == other.file and (other.first < one.last or same_point):
            low, high = sorted((number, other_number))
            raise AnswerError(
                Kind.AMBIGUOUS,
                f"block {high} overlaps block {low}: both change line {other.first + 1} of the "
                "program; join the two",
                block=high,
            )
    return made(parent, [place for _, place in places]), all(place.exact for _, place in places)


def _in_steps(parent: Program, edits: Iterable[Edit]) -> tuple[Program, bool]:
    program, exact = parent, True
    for edit in edits:
        program, exactly = _at_once(program, [edit])
        exact = exact and exactly
    return program, exact


def made(parent: Program, places: Iterable[Place]) -> Program:
    """The parent with lines replaced at places that do not overlap.

    Raises:
        AnswerError: the result is no program, or differs outside of the blocks.
    """
    texts = {path: text.split("\n") for path, text in parent.files.items()}
    for place in sorted(places, key=lambda place: (place.first, place.last), reverse=True):
        texts[place.file][place.first : place.last] = place.lines
    return checked(parent, {path: "\n".join(lines) for path, lines in texts.items()})


def checked(parent: Program, files: dict[str, str]) -> Program:
    """The files as a program whose outside is the parent's.

    Raises:
        AnswerError: `UNPARSABLE`: no program. `OUTSIDE_BLOCK`: the outside differs.
    """
    try:
        child = Program.of(files)
        blocks(child)
    except ProgramError as error:
        raise AnswerError(Kind.UNPARSABLE, f"the result is no program: {error}") from error
    change = outside_changed(parent, child)
    if change is not None:
        raise AnswerError(Kind.OUTSIDE_BLOCK, change)
    return child


def _only_place(
    parent: Program, sources: dict[str, Source], edit: Edit, number: int
) -> Place | None:
    """Where the edit belongs; None where it changes nothing."""
    if not edit.search:
        raise AnswerError(
            Kind.NOT_FOUND,
            f"block {number}: SEARCH text is empty; quote the lines to replace, or the line to "
            "insert behind",
            block=number,
        )
    files = [sources[path] for path in _files_of(parent, edit, number)]
    outside: Place | None = None
    for find in _STEPS:
        inside: list[Place] = []
        tried = 0
        for source in files:
            for place in find(source, edit):
                tried += 1
                if source.keeps_outside(place):
                    inside.append(place)
                elif outside is None:
                    outside = place
                if len(inside) > 1 and edit.line is None:
                    break
        if not inside:
            continue
        if len(inside) > 1 and edit.line is not None:
            said = [place for place in inside if _quoted_from(place, edit) == edit.line - 1]
            inside = said if len(said) == 1 else inside
        if len(inside) > 1:
            where = " and ".join(str(place.first + 1) for place in inside[:2])
            raise AnswerError(
                Kind.AMBIGUOUS,
                f"block {number}: SEARCH text {shown(edit.search)} stands more than once, at lines "
                f"{where} for example; quote more of the lines around it",
                block=number,
            )
        place = inside[0]
        changes = place.lines != tuple(sources[place.file].lines[place.first : place.last])
        return place if changes else None
    if outside is not None:
        raise AnswerError(
            Kind.OUTSIDE_BLOCK,
            f"block {number}: SEARCH text {shown(edit.search)} stands at "
            f"{outside.file}:{outside.first + 1}, outside of the EVOLVE-BLOCKs",
            block=number,
        )
    raise _missed(files, edit, number)


def shown(lines: Sequence[str]) -> str:
    return excerpt("\n".join(lines))


def _files_of(parent: Program, edit: Edit, number: int) -> list[str]:
    """Where to look for an edit: in the file it names, or everywhere."""
    named = edit.file
    if named is None or len(parent.files) == 1:
        return list(parent.files)  # with one file the line above is not meant as a path
    if named in parent.files:
        return [named]
    ends = [path for path in parent.files if f"/{path}".endswith(f"/{named}")]
    ends = ends or [path for path in parent.files if f"/{named}".endswith(f"/{path}")]
    if len(ends) == 1:
        return ends
    if not re.search(r"[./]", named):  # an ordinary word
        return list(parent.files)
    known = ", ".join(parent.files)
    raise AnswerError(
        Kind.NOT_FOUND,
        f"block {number}: no file {named[:80]!r}; the program has {known}",
        block=number,
    )


# --- the steps -----------------------------------------------------------------------------------


def exact_places(source: Source, edit: Edit) -> Iterator[Place]:
    """Every place where the text stands character by character."""
    search, replace = edit.search, edit.replace
    if source.crlf and not any("\r" in line for line in search + replace):
        search = tuple(f"{line}\r" for line in search)
        replace = tuple(f"{line}\r" for line in replace)
    for numbers in source.index(_exactly).find(search):
        yield Place(source.file, numbers[0], numbers[0] + len(search), replace)


def _exactly_placed(source: Source, edit: Edit) -> Iterator[Place]:
    before, after = _kept(edit)
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


def _kept(edit: Edit) -> tuple[int, int]:
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


_STEPS: tuple[Callable[[Source, Edit], Iterator[Place]], ...] = (
    _exactly_placed,
    _by(_without_end),
    _by(_stripped),
    _by(_squeezed),
)


def _tolerant(source: Source, edit: Edit, pairs: Sequence[tuple[int, int]]) -> Place | None:
    """The edit made where its lines that are not blank match lines of the program."""
    fit = _Fit.of(source, edit, pairs)
    if fit is None:
        return None
    search, replace = edit.search, edit.replace
    before, after = _kept(edit)
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


# --- what to say of a text that is not there ------------------------------------------------------


def _missed(files: Sequence[Source], edit: Edit, number: int) -> AnswerError:
    wanted = [line for line in edit.search if line.strip()]
    what = f"block {number}: SEARCH text {shown(edit.search)} is not in the program"
    if not wanted:
        return AnswerError(Kind.NOT_FOUND, f"{what}: it is blank", block=number)
    best: tuple[int, Source, int] | None = None
    for source in files:
        votes = _votes(source, wanted)
        if votes is not None and (best is None or votes[0] > best[0]):
            best = (votes[0], source, votes[1])
    if best is None:
        return AnswerError(
            Kind.NOT_FOUND, f"{what}, nor anything like it; quote lines as they stand", block=number
        )
    _, source, start = best
    numbers = source.index(_stripped).numbers
    window = [source.lines[n] for n in numbers[start : start + len(wanted)]]
    why = "the program ends before it does"
    for line, there in zip(wanted, window, strict=False):
        if line.strip() != there.strip():
            why = f"where it has {excerpt(line.strip())}, the program has {excerpt(there.strip())}"
            break
    else:
        if len(window) == len(wanted):
            why = "its lines are indented unlike those of the program"
    first, last = numbers[start], numbers[min(start + len(wanted), len(numbers)) - 1]
    lines = source.lines[first : min(last + 1, first + 4 * _SHOWN_LINES)]
    where = f"{source.file}:{first + 1}" if len(files) > 1 else f"line {first + 1}"
    return AnswerError(
        Kind.NOT_FOUND,
        f"{what}; nearest is {where}: {why}",
        block=number,
        nearest="".join(f"{line.rstrip()}\n" for line in lines),
    )


_SAME_LINES = 16
_LIKE_LINES = 400


def _votes(source: Source, wanted: Sequence[str]) -> tuple[int, int] | None:
    """Lines in agreement, and the line (of those not blank) at which the text would then begin."""
    filled = [source.lines[n].strip() for n in source.index(_stripped).numbers]
    where: dict[str, list[int]] = {}
    for position, line in enumerate(filled):
        where.setdefault(line, []).append(position)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(wanted):
        for position in where.get(line.strip(), [])[:_SAME_LINES]:
            votes[max(position - offset, 0)] += len(line.strip())
    if votes:
        start, count = max(votes.items(), key=lambda item: (item[1], -item[0]))
        return count, start
    inside = [
        position
        for position, n in enumerate(source.index(_stripped).numbers)
        if any(first <= n < last for first, last in source.inside)
    ][:_LIKE_LINES]
    for offset, line in enumerate(wanted[:3]):
        short = {filled[position][:200]: position for position in reversed(inside)}
        close = get_close_matches(line.strip()[:200], short, n=1, cutoff=0.6)
        if close:
            return 0, max(short[close[0]] - offset, 0)
    return None


def _quoted_from(place: Place, edit: Edit) -> int:
    """The line at which the whole quoted text of a placed edit begins."""
    return place.first - _kept(edit)[0]
