"""SEARCH/REPLACE blocks: reading them from an answer, applying them, writing them.

    path/of/file.py            (only where a program has several files)
    <<<<<<< SEARCH
    lines as they stand
    =======
    lines to put there
    >>>>>>> REPLACE

SEARCH matches whole lines. The edits of an answer apply all or not at all. Where a line of the
text itself looks like one of the markers, all three markers of a block grow by the same number of
signs, as fences do in Markdown. An edit without any CR takes the line ends of a file with CRLF.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evolve.program import (
    Program,
    ProgramError,
    blocks,
    excerpt,
    marker,
    outside_changed,
    outside_changed_in_file,
)

_START = re.compile(r"(<{7,}) SEARCH\s*")
_DIVIDER = re.compile(r"(={7,})\s*")
_END = re.compile(r"(>{7,}) REPLACE\s*")
_PATH_LINE = re.compile(r"[#/*`\s]*([\w.+-]+(?:/[\w.+-]+)*)[*`:\s]*", re.ASCII)


class Fault(StrEnum):
    """Why an answer gives no child."""

    UNPARSABLE = "unparsable"
    BAD_PATCH = "bad_patch"
    OUTSIDE_BLOCK = "outside_block"


class PatchError(ValueError):
    """An answer that cannot be read or applied; the message is written for its author."""

    def __init__(self, kind: Fault, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One SEARCH/REPLACE block: lines without their LF (a CR stays), and its file where named."""

    search: tuple[str, ...]
    replace: tuple[str, ...]
    file: str | None = None


def parse(answer: str) -> tuple[Edit, ...]:
    """All SEARCH/REPLACE blocks of an answer, in order; text around them is ignored.

    Raises:
        PatchError: `UNPARSABLE`: there is none, or one is broken.
    """
    lines = answer.split("\n")
    edits: list[Edit] = []
    position = 0
    while position < len(lines):
        start = _START.fullmatch(lines[position])
        if start is None:
            if _END.fullmatch(lines[position]):
                raise _unparsable(len(edits) + 1, "REPLACE marker without a SEARCH before it")
            position += 1
            continue
        number, signs = len(edits) + 1, len(start[1])
        divider = _find(lines, position + 1, _DIVIDER, signs, number)
        end = _find(lines, divider + 1, _END, signs, number)
        edits.append(
            Edit(
                file=_named_file(lines, position),
                search=tuple(lines[position + 1 : divider]),
                replace=tuple(lines[divider + 1 : end]),
            )
        )
        position = end + 1
    if not edits:
        raise PatchError(Fault.UNPARSABLE, "the answer holds no SEARCH/REPLACE block")
    return tuple(edits)


def _find(
    lines: Sequence[str], position: int, wanted: re.Pattern[str], signs: int, number: int
) -> int:
    """Where the wanted marker of this many signs stands; any other such marker is a fault."""
    names = {_START: "SEARCH marker", _DIVIDER: "'=======' divider", _END: "REPLACE marker"}
    for index in range(position, len(lines)):
        for pattern, name in names.items():
            match = pattern.fullmatch(lines[index])
            if match is None or len(match[1]) != signs:
                continue
            if pattern is wanted:
                return index
            raise _unparsable(number, f"{name} where the {names[wanted]} was expected")
    raise _unparsable(number, f"the {names[wanted]} is missing")


def _unparsable(number: int, reason: str) -> PatchError:
    return PatchError(Fault.UNPARSABLE, f"block {number}: {reason}")


def _named_file(lines: Sequence[str], position: int) -> str | None:
    """The path on the line before a block, or before the code fence it starts."""
    above = position - 1
    if above >= 0 and lines[above].startswith("```"):
        above -= 1
    match = _PATH_LINE.fullmatch(lines[above]) if above >= 0 else None
    return match[1] if match else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Lines [first, last) of a file, from 0, and what comes there."""

    file: str
    first: int
    last: int
    lines: tuple[str, ...]


def apply(parent: Program, edits: Iterable[Edit]) -> Program:
    """The parent with all edits made; the parent itself when they change nothing.

    Raises:
        PatchError: `BAD_PATCH`: a SEARCH text does not occur exactly once inside the
            EVOLVE-BLOCKs, or edits overlap. `OUTSIDE_BLOCK`: text outside would change.
    """
    texts = {path: text.split("\n") for path, text in parent.files.items()}
    places: list[tuple[int, _Place]] = []
    for number, edit in enumerate(edits, 1):
        place = _only_place(parent, texts, edit, number)
        for other_number, other in places:
            if place.file == other.file and place.first < other.last and other.first < place.last:
                raise PatchError(
                    Fault.BAD_PATCH,
                    f"block {number}: SEARCH text {_shown(edit.search)} overlaps that of "
                    f"block {other_number}; join the two",
                )
        places.append((number, place))
    for _, place in sorted(places, key=lambda item: item[1].first, reverse=True):
        texts[place.file][place.first : place.last] = place.lines
    try:
        child = Program.of({path: "\n".join(lines) for path, lines in texts.items()})
    except ProgramError as error:
        raise PatchError(Fault.BAD_PATCH, str(error)) from error
    change = outside_changed(parent, child)
    if change is not None:
        raise PatchError(Fault.OUTSIDE_BLOCK, change)
    return parent if child == parent else child


def _only_place(parent: Program, texts: dict[str, list[str]], edit: Edit, number: int) -> _Place:
    files = _files_of(parent, edit, number)
    if not edit.search:
        raise PatchError(Fault.BAD_PATCH, f"block {number}: SEARCH text is empty")
    anywhere = [place for path in files for place in _occurrences(path, texts[path], edit)]
    inside = [place for place in anywhere if _keeps_outside(parent, texts, place)]
    if len(inside) == 1:
        return inside[0]
    shown = f"block {number}: SEARCH text {_shown(edit.search)}"
    if anywhere and not inside:
        place = anywhere[0]
        raise PatchError(
            Fault.OUTSIDE_BLOCK,
            f"{shown} stands at {place.file}:{place.first + 1}, outside of the EVOLVE-BLOCKs",
        )
    raise PatchError(Fault.BAD_PATCH, f"{shown} occurs {len(inside)} times, expected 1")


def _shown(lines: Sequence[str]) -> str:
    return excerpt("\n".join(lines))


def _files_of(parent: Program, edit: Edit, number: int) -> list[str]:
    """Where to look for an edit: in the file it names, or everywhere."""
    if edit.file is not None and edit.file in parent.files:
        return [edit.file]
    # with one file, or where it is an ordinary word, the line above is not meant as a path
    if edit.file is not None and len(parent.files) > 1 and re.search(r"[./]", edit.file):
        known = ", ".join(parent.files)
        raise PatchError(
            Fault.BAD_PATCH, f"block {number}: no file {edit.file!r}; the program has {known}"
        )
    return list(parent.files)


def _occurrences(path: str, lines: Sequence[str], edit: Edit) -> Iterator[_Place]:
    search, replace = edit.search, edit.replace
    if not _has_cr(search + replace) and _is_crlf(lines):
        search = tuple(f"{line}\r" for line in search)
        replace = tuple(f"{line}\r" for line in replace)
    first, count = search[0], len(search)
    for index in range(len(lines) - count + 1):
        if lines[index] == first and tuple(lines[index : index + count]) == search:
            yield _Place(path, index, index + count, replace)


def _has_cr(lines: Iterable[str]) -> bool:
    return any("\r" in line for line in lines)


def _is_crlf(lines: Sequence[str]) -> bool:
    """Every line that ends, ends with CRLF."""
    return len(lines) > 1 and all(line.endswith("\r") for line in lines[:-1])


def _keeps_outside(parent: Program, texts: dict[str, list[str]], place: _Place) -> bool:
    """Whether this edit alone changes nothing outside of the blocks.

    SEARCH and REPLACE may hold markers and text outside as long as these stay as they are.
    """
    if not any(marker(line) for line in place.lines) and any(
        block.file == place.file and block.first - 1 <= place.first and place.last <= block.last
        for block in blocks(parent)
    ):
        return True
    lines = texts[place.file]
    after = "\n".join([*lines[: place.first], *place.lines, *lines[place.last :]])
    return outside_changed_in_file(place.file, parent.files[place.file], after) is None


def between(parent: Program, child: Program) -> str:
    """SEARCH/REPLACE blocks that turn the parent into exactly the child; "" for equal programs.

    Each SEARCH is the changed lines with as many around them as make it unique.

    Raises:
        ProgramError: The two differ outside of their EVOLVE-BLOCKs.
    """
    change = outside_changed(parent, child)
    if change is not None:
        raise ProgramError(change)
    texts = {path: text.split("\n") for path, text in parent.files.items()}
    signs = "=" * max(marker_signs(parent), marker_signs(child))
    written: list[str] = []
    for path in parent.files:
        for place in _unique(parent, texts, _changed(parent, child, path)):
            if len(parent.files) > 1:
                written.append(path)
            written.append(f"{signs.replace('=', '<')} SEARCH")
            written += texts[path][place.first : place.last]
            written.append(signs)
            written += place.lines
            written.append(f"{signs.replace('=', '>')} REPLACE")
    return "".join(f"{line}\n" for line in written)


def marker_signs(program: Program) -> int:
    """Signs that markers need so that no line of the program reads like one; at least 7."""
    longest = 6
    for text in program.files.values():
        for line in text.split("\n"):
            for pattern in (_START, _DIVIDER, _END):
                if match := pattern.fullmatch(line):
                    longest = max(longest, len(match[1]))
    return longest + 1


def _changed(parent: Program, child: Program, path: str) -> list[_Place]:
    """The runs of lines that differ, block by block."""
    found = []
    for before, after in zip(blocks(parent), blocks(child), strict=True):
        if before.file != path or before.text == after.text:
            continue
        old, new = before.text.split("\n")[:-1], after.text.split("\n")[:-1]
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            if tag != "equal":
                start = before.first - 1
                found.append(_Place(path, start + i1, start + i2, tuple(new[j1:j2])))
    return found


def _unique(
    parent: Program, texts: dict[str, list[str]], changes: Sequence[_Place]
) -> list[_Place]:
    """The changes with context until each is found once; those that then overlap are joined.

    Ends at the whole file at the latest, which stands in itself only once.
    """
    done: list[_Place] = []
    for change in changes:
        if done and change.first < done[-1].last:
            continue  # the context of the one before took it in
        lines = texts[change.file]
        first, last = change.first, change.last
        while True:
            while done and first < done[-1].last:
                first = done.pop().first
            # an insertion at the very edge of the lines is not among them, unless it is this one
            within = [c for c in changes if c is change or (c.first < last and first < c.last)]
            first = min(first, *(c.first for c in within))
            last = max(last, *(c.last for c in within))
            joined = _joined(lines, first, last, within)
            if _found_once(parent, texts, joined):
                break
            if first > 0 and (last == len(lines) or (last - first) % 2 == 0):
                first -= 1
            else:
                last += 1
        done.append(joined)
    return done


def _joined(lines: Sequence[str], first: int, last: int, changes: Sequence[_Place]) -> _Place:
    """Lines [first, last) with the changes that lie in it made."""
    after: list[str] = []
    position = first
    for change in changes:
        after += [*lines[position : change.first], *change.lines]
        position = change.last
    return _Place(changes[0].file, first, last, (*after, *lines[position:last]))


def _found_once(parent: Program, texts: dict[str, list[str]], place: _Place) -> bool:
    lines = texts[place.file]
    search = tuple(lines[place.first : place.last])
    if not search or (_is_crlf(lines) and not _has_cr(search)):
        return False
    edit = Edit(file=place.file, search=search, replace=place.lines)
    inside = (p for p in _occurrences(place.file, lines, edit) if _keeps_outside(parent, texts, p))
    return len(list(inside)) == 1


def unified(parent: Program, child: Program) -> str:
    """A unified diff for people."""
    written: list[str] = []
    for path in sorted(parent.files.keys() | child.files.keys()):
        before, after = (
            _lines_with_ends(program.files.get(path, "")) for program in (parent, child)
        )
        for line in difflib.unified_diff(before, after, f"a/{path}", f"b/{path}"):
            written.append(
                line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            )
    return "".join(written)


def _lines_with_ends(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
