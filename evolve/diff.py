"""Differences between programs: as SEARCH/REPLACE blocks for machines, unified for people.

What `evolve.answers` reads, `between` writes; see `evolve.answers.blocks` for the format.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from evolve.answers.blocks import marker_counts
from evolve.answers.records import Edit
from evolve.answers.source import Place, Source
from evolve.answers.steps import exact_places
from evolve.program import Program, ProgramError, blocks, outside_changed


def between(parent: Program, child: Program) -> str:
    """SEARCH/REPLACE blocks that turn the parent into exactly the child; "" for equal programs.

    Each SEARCH is the changed lines with as many around them as make it unique.

    Raises:
        ProgramError: The two differ outside of their EVOLVE-BLOCKs.
    """
    change = outside_changed(parent, child)
    if change is not None:
        raise ProgramError(change)
    signs = "=" * marker_signs(parent, child)
    written: list[str] = []
    for path in parent.files:
        source = Source(parent, path)
        for place in _unique(source, changed_places(parent, child, path)):
            if len(parent.files) > 1:
                written.append(path)
            written.append(f"{signs.replace('=', '<')} SEARCH")
            written += source.lines[place.first : place.last]
            written.append(signs)
            written += place.lines
            written.append(f"{signs.replace('=', '>')} REPLACE")
    return "".join(f"{line}\n" for line in written)


def marker_signs(*programs: Program) -> int:
    """How many signs markers need so that no line of the programs reads like one; at least 7."""
    taken = {
        count
        for program in programs
        for text in program.files.values()
        if any(sign * 5 in text for sign in "<>=+-")
        for count in marker_counts(text.split("\n"))
    }
    return next(count for count in range(7, len(taken) + 8) if count not in taken)


def changed_places(parent: Program, child: Program, path: str) -> list[Place]:
    """The runs of lines that differ, block by block."""
    found = []
    for before, after in zip(blocks(parent), blocks(child), strict=True):
        if before.file != path or before.text == after.text:
            continue
        old, new = before.text.split("\n")[:-1], after.text.split("\n")[:-1]
        # most of a block is the same, and matching takes much longer than going over it
        head = _in_common(old, new)
        tail = _in_common(old[head:][::-1], new[head:][::-1])
        old, new = old[head : len(old) - tail], new[head : len(new) - tail]
        start = before.first - 1 + head
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            if tag != "equal":
                found.append(Place(path, start + i1, start + i2, tuple(new[j1:j2])))
    return found


def _in_common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines at the start are the same."""
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _unique(source: Source, changes: Sequence[Place]) -> list[Place]:
    """The changes with context until each is found once; those that then overlap are joined.

    Ends at the whole file at the latest, which stands in itself only once.
    """
    done: list[Place] = []
    for change in changes:
        if done and change.first < done[-1].last:
            continue  # the context of the one before took it in
        lines = source.lines
        first, last = change.first, change.last
        while True:
            while done and first < done[-1].last:
                first = done.pop().first
            # an insertion at the very edge of the lines is not among them, unless it is this one
            within = [c for c in changes if c is change or (c.first < last and first < c.last)]
            first = min(first, *(c.first for c in within))
            last = max(last, *(c.last for c in within))
            joined = _joined(lines, first, last, within)
            if _found_once(source, joined):
                break
            if first > 0 and (last == len(lines) or (last - first) % 2 == 0):
                first -= 1
            else:
                last += 1
        done.append(joined)
    return done


def _joined(lines: Sequence[str], first: int, last: int, changes: Sequence[Place]) -> Place:
    """Lines [first, last) with the changes that lie in it made."""
    after: list[str] = []
    position = first
    for change in changes:
        after += [*lines[position : change.first], *change.lines]
        position = change.last
    return Place(changes[0].file, first, last, (*after, *lines[position:last]))


def _found_once(source: Source, place: Place) -> bool:
    search = tuple(source.lines[place.first : place.last])
    if not search or (source.crlf and not any("\r" in line for line in search)):
        return False
    text = f"\n{source.program.files[source.file]}\n"
    wanted = "\n".join(["", *search, ""])
    if text.find(wanted, text.find(wanted) + 1) < 0:
        return True  # the change is in a block, and so is this one place
    edit = Edit(file=place.file, search=search, replace=place.lines)
    inside = (found for found in exact_places(source, edit) if source.keeps_outside(found))
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
