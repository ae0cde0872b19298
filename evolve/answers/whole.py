"""Complete programs: found by their EVOLVE-BLOCK markers, or as one code block without them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from evolve import syntax
from evolve.answers.blocks import path_named
from evolve.answers.fences import Fence, fence_line, fences
from evolve.answers.placing import checked
from evolve.answers.records import AnswerError, Expect, Kind
from evolve.program import Program, blocks, excerpt, marker

_MAX_VERSIONS = 16
_MAX_PARTS = 256


def parse_whole(parent: Program, lines: Sequence[str], *, expect: Expect) -> Program | None:
    """The parent with the blocks of the program that the answer holds; None where there is none.

    What stands outside of the blocks must be that of the parent, white space and all blank lines
    aside, or be left away altogether.

    Raises:
        AnswerError: `TRUNCATED`, `OUTSIDE_BLOCK`, `AMBIGUOUS`, `UNPARSABLE`.
    """
    marked = [(index, kind) for index, line in enumerate(lines) if (kind := marker(line))]
    if marked:
        return _with_markers(parent, lines, marked)
    return _without_markers(parent, lines, expect)


def _with_markers(
    parent: Program, lines: Sequence[str], marked: Sequence[tuple[int, str]]
) -> Program | None:
    parts = fences(lines)
    texts: dict[str, list[dict[int, str]]] = {}
    for group in _groups(lines, marked, parts):
        kinds = [kind for _, kind in group]
        if kinds != ["START", "END"] * (len(kinds) // 2):
            if kinds[-1] == "START":
                raise AnswerError(
                    Kind.TRUNCATED, "the program ends before its EVOLVE-BLOCK-END marker"
                )
            raise AnswerError(
                Kind.UNPARSABLE,
                "the EVOLVE-BLOCK markers of the program are not pairs of START and END",
            )
        fitting = [
            path
            for path in parent.files
            if 2 * sum(block.file == path for block in blocks(parent)) == len(group)
        ]
        file, found = _read_group(parent, lines, [index for index, _ in group], fitting, parts)
        if found not in texts.setdefault(file, []):
            texts[file].append(found)
    own = {path: _own_blocks(parent, path) for path in parent.files}
    files = dict(parent.files)
    for path, versions in texts.items():
        # the parent quoted beside its change is no second version
        changed = [v for v in versions if v != own[path]] or versions
        if len(changed) > 1:
            raise AnswerError(
                Kind.AMBIGUOUS, f"the answer holds {len(changed)} different programs; write one"
            )
        files[path] = _spliced(parent, path, changed[0])
    return checked(parent, files)


def _groups(
    lines: Sequence[str], marked: Sequence[tuple[int, str]], parts: Sequence[Fence]
) -> list[list[tuple[int, str]]]:
    """The markers, one group for each program: those of one fence, or all where there is none."""
    outermost = []
    reach = 0
    for part in parts:
        if part.first >= reach and not _holds_fenced_programs(part, parts, marked):
            outermost.append(part)
            reach = part.last
    groups: dict[int, list[tuple[int, str]]] = {}
    inside, before = -1, ""
    for index, kind in marked:
        # a fence within a block seems to close the one around it: its END belongs to its START
        if (before, kind) != ("START", "END"):
            inside = next((p.first for p in outermost if p.first <= index < p.last), -1)
        groups.setdefault(inside, []).append((index, kind))
        before = kind
    if len(groups) > _MAX_VERSIONS:
        raise AnswerError(Kind.AMBIGUOUS, f"the answer holds {len(groups)} programs; write one")
    return list(groups.values())


def _holds_fenced_programs(
    part: Fence, parts: Sequence[Fence], marked: Sequence[tuple[int, str]]
) -> bool:
    """Whether markers of the part stand in fences of their own: it wraps a document."""
    return any(
        inner.first > part.first
        and inner.last <= part.last
        and any(inner.first <= index < inner.last and kind == "START" for index, kind in marked)
        and not any(part.first <= index < inner.first for index, _ in marked)
        for inner in parts
    )


def _read_group(
    parent: Program,
    lines: Sequence[str],
    group: Sequence[int],
    files: Sequence[str],
    parts: Sequence[Fence],
) -> tuple[str, dict[int, str]]:
    """The file a marked program is a version of, and its blocks by their order."""
    if not files:
        own = len(blocks(parent))
        raise AnswerError(
            Kind.OUTSIDE_BLOCK,
            f"the answer has {len(group) // 2} EVOLVE-BLOCKs, the program has {own}; keep the "
            "markers as they are",
        )
    named = _named(lines, group[0], parts)
    fits = {
        path: _outside_given(parent, path, lines, group, parts)
        for path in ([named] if named is not None and named in files else files)
    }
    path = _only(fits)
    text = {}
    for order in range(len(group) // 2):
        first, last = group[2 * order] + 1, group[2 * order + 1]
        indent = _indent_of_fence(parts, group[2 * order])
        text[order] = _block_text(parent, path, lines[first:last], indent)
    return path, text


def _only(fits: dict[str, AnswerError | bool]) -> str:
    """The one file that the text around the blocks is of; where none was written, the only file.

    Args:
        fits: Whether the text around is there or left away, or why it is neither.
    """
    for wanted in (True, False):
        found = [path for path, fit in fits.items() if fit is wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise AnswerError(
                Kind.AMBIGUOUS,
                f"it cannot be said which file the answer changes: {' or '.join(found)}; put the "
                "path on the line before",
            )
    raise next(fit for fit in fits.values() if isinstance(fit, AnswerError))


def _named(lines: Sequence[str], start: int, parts: Sequence[Fence]) -> str | None:
    """The path on the line before the fence around a line, or in its info string."""
    part = next((p for p in reversed(parts) if p.first <= start < p.last), None)
    if part is None:
        return None
    words = part.info.replace(":", " ").replace("=", " ").split()
    if len(words) > 1 and (path := path_named(words[-1])):
        return path
    above = next((line for line in reversed(lines[: part.first - 1]) if line.strip()), "")
    return path_named(above)


def _indent_of_fence(parts: Sequence[Fence], line: int) -> str:
    return next((p.indent for p in reversed(parts) if p.first <= line <= p.last), "")


def _block_text(parent: Program, path: str, lines: Sequence[str], indent: str) -> str:
    end = "\r\n" if "\r\n" in parent.files[path] else "\n"
    shared = indent and all(line.startswith(indent) or not line.strip() for line in lines)
    cut = len(indent) if shared else 0
    return "".join(f"{line[cut:].rstrip(chr(13))}{end}" for line in lines)


def _own_blocks(parent: Program, path: str) -> dict[int, str]:
    own = [block.text for block in blocks(parent) if block.file == path]
    return dict(enumerate(own))


def _spliced(parent: Program, path: str, texts: dict[int, str]) -> str:
    """The file with the texts of its blocks, by their order, replaced."""
    lines = parent.files[path].split("\n")
    own = [block for block in blocks(parent) if block.file == path]
    for order in sorted(texts, reverse=True):
        block = own[order]
        lines[block.first - 1 : block.last] = texts[order].split("\n")[:-1]
    return "\n".join(lines)


def _outside(parent: Program, path: str) -> list[list[str]]:
    """The text outside of the blocks in its pieces, without markers; each without blank lines."""
    lines = parent.files[path].split("\n")
    pieces, position = [], 0
    for block in blocks(parent):
        if block.file == path:
            pieces.append(lines[position : block.first - 2])
            position = block.last + 1
    pieces.append(lines[position:])
    return [[line.strip() for line in piece if line.strip()] for piece in pieces]


def _outside_given(
    parent: Program,
    path: str,
    lines: Sequence[str],
    group: Sequence[int],
    parts: Sequence[Fence],
) -> AnswerError | bool:
    """Whether the parent's text around the blocks is there (not: left away), or how it differs."""
    expected = _outside(parent, path)
    for order in range(1, len(group) // 2):
        given = _filled(lines[group[2 * order - 1] + 1 : group[2 * order]])
        if given != expected[order]:
            return _differs(given, expected[order])
    before = _filled(_region(lines[: group[0]][::-1], expected[0]))[::-1]
    after = _filled(_region(lines[group[-1] + 1 :], expected[-1]))
    if before and path_named(before[0]) and (not expected[0] or before[0] != expected[0][0]):
        before = before[1:]  # the file's name as a first line
    if not before and not after:
        return not expected[0] and not expected[-1]
    fenced = any(part.first <= group[0] for part in parts)
    if not fenced:  # prose may stand around it
        before = before[len(before) - len(expected[0]) :]
        after = after[: len(expected[-1])]
    if before != expected[0]:
        return _differs(before, expected[0])
    if after == expected[-1]:
        return True
    open_ended = next((not p.closed for p in reversed(parts) if p.first <= group[-1]), True)
    if open_ended and after == expected[-1][: len(after)]:
        return AnswerError(Kind.TRUNCATED, "the program ends before it is complete")
    return _differs(after, expected[-1])


def _filled(lines: Sequence[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]


def _region(lines: Sequence[str], expected: Sequence[str]) -> Sequence[str]:
    """The lines up to the next fence that is not part of the text expected there."""
    own = sum(fence_line(line) is not None for line in expected)
    for index, line in enumerate(lines):
        if fence_line(line) is not None:
            if not own:
                return lines[:index]
            own -= 1
    return lines


def _differs(given: Sequence[str], expected: Sequence[str]) -> AnswerError:
    for line, own in zip(given, expected, strict=False):
        if line != own:
            what = f"{excerpt(line)} where the program has {excerpt(own)}"
            break
    else:
        if len(given) > len(expected):
            what = f"{excerpt(given[len(expected)])} was added"
        else:
            what = f"{excerpt(expected[len(given)])} is missing"
    return AnswerError(
        Kind.OUTSIDE_BLOCK,
        f"outside of the EVOLVE-BLOCKs {what}; copy what stands outside as it is",
    )


# --- without markers ------------------------------------------------------------------------------


def _without_markers(parent: Program, lines: Sequence[str], expect: Expect) -> Program | None:
    """A program of one block whose markers were left away."""
    own = blocks(parent)
    if len(own) != 1:
        return None
    block = own[0]
    before, after = _outside(parent, block.file)
    wanted = _Names.of(parent) if expect is Expect.WHOLE else None
    candidates: dict[str, None] = {}
    open_ended = False
    parts = fences(lines)
    if len(parts) > _MAX_PARTS:
        raise AnswerError(Kind.UNPARSABLE, f"the answer holds {len(parts)} code blocks")
    for part in parts:
        inside = list(lines[part.first : part.last])
        if any(fence_line(line) for line in inside):
            continue  # a document, not a program
        text = _body(inside, before, after, wanted)
        if text is not None:
            open_ended |= not part.closed
            candidates[_block_text(parent, block.file, text, part.indent)] = None
    if not candidates:
        return None
    if open_ended:
        raise AnswerError(Kind.TRUNCATED, "the code block is not closed: the answer was cut off")
    texts = [text for text in candidates if text != block.text] or list(candidates)
    known = _names(texts[0]) or frozenset()
    if wanted is not None and any(_defines_more(lines[p.first : p.last], known) for p in parts):
        raise AnswerError(
            Kind.AMBIGUOUS, "the answer defines functions in several code blocks; write it as one"
        )
    if len(texts) > 1:
        raise AnswerError(
            Kind.AMBIGUOUS, f"the answer holds {len(texts)} different programs; write one"
        )
    files = {**parent.files, block.file: _spliced(parent, block.file, {0: texts[0]})}
    return checked(parent, files)


def _body(
    lines: list[str], before: Sequence[str], after: Sequence[str], wanted: _Names | None
) -> list[str] | None:
    """The lines of the block in a program without markers, or None where it is no such program."""
    filled = [index for index, line in enumerate(lines) if line.strip()]
    texts = [lines[index].strip() for index in filled]
    around = len(before) + len(after)
    complete = (
        around > 0
        and len(texts) > around
        and texts[: len(before)] == list(before)
        and texts[len(texts) - len(after) :] == list(after)
    )
    if complete:
        first = filled[len(before) - 1] + 1 if before else 0
        last = filled[len(texts) - len(after)] if after else len(lines)
        return lines[first:last]
    if wanted is not None and texts and wanted.are_defined(lines):
        return lines
    return None


@dataclass(frozen=True, slots=True)
class _Names:
    """What a program's only block defines, and what is defined around it."""

    inside: frozenset[str]
    around: frozenset[str]

    @classmethod
    def of(cls, parent: Program) -> _Names | None:
        block = blocks(parent)[0]
        rest = parent.files[block.file].split("\n")
        inside = _names(block.text)
        around = _names("\n".join([*rest[: block.first - 1], *rest[block.last :]]))
        if not block.file.endswith(".py") or not inside or around is None:
            return None
        return cls(inside, around - inside)

    def are_defined(self, lines: Sequence[str]) -> bool:
        """Whether code defines all of the block and nothing around; imports may be there again."""
        given = _names("".join(f"{line.rstrip(chr(13))}\n" for line in lines))
        return given is not None and self.inside <= given and not given & self.around


def _defines_more(lines: Sequence[str], known: frozenset[str]) -> bool:
    """Whether code that may be part of a program defines names that the program lacks."""
    names = _names("".join(f"{line.rstrip(chr(13))}\n" for line in lines))
    return names is not None and not names <= known


@lru_cache(maxsize=4)
def _names(text: str) -> frozenset[str] | None:
    """Functions, classes and variables set at the top of a module."""
    tree = syntax.parse(text)
    if tree is None:
        return None
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign():
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return frozenset(found)
