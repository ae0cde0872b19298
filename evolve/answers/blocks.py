"""SEARCH/REPLACE blocks in the forms that models write.

    path/of/file.py            (only where a program has several files)
    <<<<<<< SEARCH
    lines as they stand
    =======
    lines to put there
    >>>>>>> REPLACE

Where a line of the text itself looks like one of the markers, all three markers of a block grow
by the same number of signs, as fences do in Markdown; three markers of one length are therefore
looked for first, and only then any.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from evolve.answers.fences import fence_line, without_indent
from evolve.answers.records import AnswerError, Edit, Kind

MAX_EDITS = 256
"""More than any answer has; what one costs grows with their number."""

_START = re.compile(
    r"([ \t]*)(?:(<{5,})[ \t]*|-{5,}[ \t]+)"
    r"(?:(?:SEARCH|ORIGINAL|HEAD)(?!\w)|(?<=<<<<<<<)(?=[ \t\r]*$))[ \t]*(.{0,200}?)[ \t\r]*",
    re.IGNORECASE,
)
_DIVIDER = re.compile(r"[ \t]*(={5,})[ \t\r]*")
_END = re.compile(
    r"[ \t]*(?:(>{5,}(?=[ \t]*[A-Z])|>{7,})[ \t]*(?:REPLACED?|UPDATED|END|NEW|SEARCH/REPLACE)?"
    r"|\+{5,}[ \t]+REPLACE)"
    r"[ \t]*[:.]?[ \t]*(?:`{3,})?[ \t\r]*",
    re.IGNORECASE,
)
_OPENING = "<<<<<<< SEARCH"
_STRICT_END = re.compile(r"[ \t]*>{7,} REPLACE\s*")
_PATH = r"(?:[\w.+-]+/)*[\w+-]*\.?[\w+-]+(?:\.[\w+-]+)*"
_PATH_LINE = re.compile(
    rf"[#/*`\s\[(-]*(?:(?:in |edit |update |modify |the )*file(?: ?name| ?path)?\s*:?\s*)?"
    rf"[`*\"'\s]*({_PATH})[`*\"'\])\s]*:?[*`\s]*",
    re.IGNORECASE | re.ASCII,
)
_LONGEST_PATH_LINE = 260
_LINES_REMARK = re.compile(r"\W*lines?\W*\d+(?:\W*(?:-|\u2013|to)?\W*\d+)?\W*", re.IGNORECASE)
_BASE = re.compile(r"\|{7}(?: .*)?")
_NUMBERED = re.compile(r"[ \t]*(\d{1,6})[ \t]*[|:│→\t](.*)")


class _Sign(Enum):
    START = "SEARCH marker"
    DIVIDER = "'=======' divider"
    END = "REPLACE marker"


@dataclass(frozen=True, slots=True)
class _Marker:
    line: int
    sign: _Sign
    count: int
    """Signs; 7 for the forms of minus and plus."""
    strict: bool = True


def parse_blocks(lines: Sequence[str], *, fenced_text: bool) -> list[Edit]:
    """All SEARCH/REPLACE blocks of an answer, in order; none where there is no marker at all.

    Args:
        lines: Of the answer, without their LF.
        fenced_text: The program itself holds code fences, so one in a block may be meant.

    Raises:
        AnswerError: `TRUNCATED` or `UNPARSABLE`: a block is broken, or there are too many.
    """
    markers = _markers(lines)
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if last and last != _OPENING and _OPENING.startswith(last):
        raise AnswerError(Kind.TRUNCATED, "the answer ends at the start of a block")
    if not any(marker.sign is _Sign.START for marker in markers):
        if any(marker.sign is _Sign.END and marker.strict for marker in markers):
            raise _broken(1, f"{_Sign.END.value} without a SEARCH before it")
        return []
    edits: list[Edit] = []
    position = 0
    while position < len(markers):
        start = markers[position]
        if start.sign is not _Sign.START:
            if start.sign is _Sign.END and start.strict:
                raise _broken(len(edits) + 1, f"{start.sign.value} without a SEARCH before it")
            position += 1
            continue
        if len(edits) == MAX_EDITS:
            raise AnswerError(Kind.UNPARSABLE, f"more than {MAX_EDITS} SEARCH/REPLACE blocks")
        divider, end = _rest(lines, markers, position, len(edits) + 1)
        edits.append(
            _edit(lines, start.line, markers[divider].line, markers[end].line, fenced_text)
        )
        position = end + 1
    return edits


def _markers(lines: Sequence[str]) -> list[_Marker]:
    found = []
    for index, line in enumerate(lines):
        first = line.lstrip(" \t")[:5]
        if first in ("<<<<<", "-----") and (match := _START.fullmatch(line)):
            if match[3] and not _is_remark(match[3]):
                continue
            found.append(_Marker(index, _Sign.START, len(match[2] or "1234567"), bool(match[2])))
        elif first == "=====" and (match := _DIVIDER.fullmatch(line)):
            found.append(_Marker(index, _Sign.DIVIDER, len(match[1])))
        elif first in (">>>>>", "+++++") and (match := _END.fullmatch(line)):
            strict = _STRICT_END.fullmatch(line) is not None
            found.append(_Marker(index, _Sign.END, len(match[1] or "1234567"), strict))
    return found


def marker_counts(lines: Sequence[str]) -> set[int]:
    """The numbers of signs of all lines that read like a marker."""
    return {marker.count for marker in _markers(lines)}


def _is_remark(text: str) -> bool:
    """What may follow SEARCH on its line: signs, the path of a file, or numbers of lines."""
    return (
        not re.search(r"\w", text)
        or _PATH_LINE.fullmatch(text) is not None
        or _LINES_REMARK.fullmatch(text) is not None
    )


def _rest(
    lines: Sequence[str], markers: Sequence[_Marker], start: int, number: int
) -> tuple[int, int]:
    """Where the divider and the end of the block are in `markers`."""
    count = markers[start].count
    fault = ""
    wanted = [_Sign.DIVIDER, _Sign.END]
    found: list[int] = []
    for index in range(start + 1, len(markers)):
        marker = markers[index]
        if marker.count != count:
            continue
        expected = wanted[len(found)]
        if marker.sign is not expected:
            fault = f"{marker.sign.value} where the {expected.value} was expected"
            break
        found.append(index)
        if len(found) == 2:
            return found[0], found[1]
    # markers of different length: unmistakable where there is exactly one of each
    near = []
    for index in range(start + 1, len(markers)):
        if markers[index].sign is _Sign.START:
            break
        near.append(index)
        if markers[index].sign is _Sign.END:
            break
    if [markers[index].sign for index in near] == wanted:
        return near[0], near[1]
    if fault and any(markers[index].sign is _Sign.END for index in near):
        raise _broken(
            number,
            f"{fault}; if the program itself has such a line, write all three markers of the "
            "block with one sign more",
        )
    if any(m.sign is _Sign.START for m in markers[start + 1 :]) and fault:
        raise _broken(number, fault)
    missing = wanted[min(len([i for i in near if markers[i].sign is _Sign.DIVIDER]), 1)]
    last = next((line for line in reversed(lines) if line.strip()), "")
    kind = Kind.UNPARSABLE if fence_line(last) is not None else Kind.TRUNCATED
    raise AnswerError(kind, f"block {number}: the {missing.value} is missing", block=number)


def _broken(number: int, reason: str) -> AnswerError:
    return AnswerError(Kind.UNPARSABLE, f"block {number}: {reason}", block=number)


def _edit(lines: Sequence[str], start: int, divider: int, end: int, fenced_text: bool) -> Edit:
    match = _START.fullmatch(lines[start])
    assert match is not None
    whole = without_indent(lines[start + 1 : end], match[1])
    search, replace = whole[: divider - start - 1], whole[divider - start :]
    base = next((i for i, line in enumerate(search) if _BASE.fullmatch(line)), len(search))
    search = search[:base]  # git shows the common ancestor behind it
    if not fenced_text:
        search, replace = _without_fences(search, replace)
    return Edit(
        search=tuple(search), replace=tuple(replace), file=_named_file(lines, start, match[3])
    )


def unnumbered(edits: Sequence[Edit]) -> list[Edit]:
    """The edits without numbers before their lines, as editors and listings show them.

    Only for texts that are not in the program as they stand: entries of a table begin so too.
    """
    found = []
    for edit in edits:
        search, replace = _without_numbers(edit.search), _without_numbers(edit.replace)
        if search is not None:
            edit = dataclasses.replace(edit, search=search, replace=replace or edit.replace)
        found.append(edit)
    return found


def _without_numbers(lines: Sequence[str]) -> tuple[str, ...] | None:
    """The lines without their numbers, if all are numbered one after the other."""
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    numbers = [int(match[1]) for match in matches if match is not None]
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(lines))):
        return None
    rests = [match[2] for match in matches if match is not None]
    widths = [len(rest) - len(rest.lstrip(" ")) for rest in rests if rest.strip()]
    cut = min(widths, default=0) % 2  # one blank of the listing's own makes them all odd
    return tuple(rest[cut:] for rest in rests)


def _without_fences(search: list[str], replace: list[str]) -> tuple[list[str], list[str]]:
    """Both parts without code fences of their own, or one fence around the two."""
    before, after = _fences_at(search), _fences_at(replace)
    if before == (True, True):
        search = _inner(search)
    elif before == (True, False) and after in ((False, True), (True, True)):
        return _inner(search, last=False), _inner(replace, first=after[0])
    if after == (True, True):
        replace = _inner(replace)
    return search, replace


def _fences_at(lines: Sequence[str]) -> tuple[bool, bool]:
    filled = [line for line in lines if line.strip()]
    if len(filled) < 2:
        return bool(filled) and fence_line(filled[0]) is not None, False
    return fence_line(filled[0]) is not None, fence_line(filled[-1]) == ""


def _inner(lines: list[str], *, first: bool = True, last: bool = True) -> list[str]:
    filled = [index for index, line in enumerate(lines) if line.strip()]
    return lines[filled[0] + 1 if first else 0 : filled[-1] if last else len(lines)]


def _named_file(lines: Sequence[str], start: int, remark: str) -> str | None:
    """The path beside SEARCH, in the info string of its fence, or on the line before either."""
    if path := path_named(remark):
        return path
    above = start - 1
    if above >= 0 and (info := fence_line(lines[above])) is not None:
        name = info.replace(":", " ").replace("=", " ").split()[-1:]
        if name and re.search(r"[./]", name[0]) and (path := path_named(name[0])):
            return path
        above -= 1
    return path_named(lines[above]) if above >= 0 else None


def path_named(line: str) -> str | None:
    """The path that a line names and nothing else, e.g. "### File: `src/a.py`"."""
    if len(line) > _LONGEST_PATH_LINE:
        return None
    match = _PATH_LINE.fullmatch(line)
    return match[1] if match else None
