"""Where the edits of an answer belong in a program, and the program with all of them made.

Exactly first; then, by steps, without regard to white space at line ends and blank lines, to how
far the text is indented, and to white space within lines. The first step at which a text is found
decides, and there it must be found once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from evolve.answers.misses import missed, shown
from evolve.answers.records import AnswerError, Edit, Kind
from evolve.answers.source import Place, Source
from evolve.answers.steps import STEPS, kept
from evolve.program import (
    Program,
    ProgramError,
    blocks,
    outside_changed,
)

_TRIED_AT_BORDERS = 32


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
    for find in STEPS:
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
    raise missed(files, edit, number)


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


def _quoted_from(place: Place, edit: Edit) -> int:
    """The line at which the whole quoted text of a placed edit begins."""
    return place.first - kept(edit)[0]
