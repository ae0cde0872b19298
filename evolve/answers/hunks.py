"""Unified diffs as models write them: of git or plain, with line numbers that are often wrong, and
the patch format of some coding agents ("*** Begin Patch")."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evolve.answers.fences import Fence, fences, without_indent
from evolve.answers.records import AnswerError, Edit, Kind

_HUNK = re.compile(r"@@(?:[ \t]*-(\d{1,9})(?:,(\d{1,9}))?[ \t]+\+(\d{1,9})(?:,(\d{1,9}))?)?.*")
_FILE = re.compile(r"(?:\+\+\+|---)[ \t]+(?:[ab]/)?(\S+).*")
_UPDATE = re.compile(r"\*\*\*[ \t]+(?:Update File:|Begin Patch|End Patch|End of File).*")
_OTHER_FILE = re.compile(r"\*\*\*[ \t]+(Add|Delete|Move)[ \t].*")
_GIT = ("diff --git ", "index ", "new file mode", "old mode", "new mode", "similarity index")
MAX_HUNKS = 256


_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.]*\s*")


def parse_diff(lines: Sequence[str], *, bare_context: bool = False) -> list[Edit]:
    """The hunks of the diffs in an answer; none where there is no diff.

    Args:
        bare_context: Context stands without the blank in front that it should have.

    Raises:
        AnswerError: `TRUNCATED`: a fence or patch was begun and not ended. `UNPARSABLE`: a hunk
            without any line to find it by. `OUTSIDE_BLOCK`: files would come or go.
    """
    parts = fences(lines)
    fenced = [part for part in parts if _is_diff(lines, part)]
    edits: list[Edit] = []
    if fenced:
        last = 0
        for part in fenced:
            if part.first < last:  # within one that was read already
                continue
            inside = without_indent(lines[part.first : part.last], part.indent)
            edits += _hunks(inside, cut=not part.closed, fenced=True, bare=bare_context)
            last = part.last
    elif not parts and any(line.startswith(("@@", "*** Begin Patch")) for line in lines):
        edits = _hunks(list(lines), cut=False, fenced=False, bare=bare_context)
    if len(edits) > MAX_HUNKS:
        raise AnswerError(Kind.UNPARSABLE, f"more than {MAX_HUNKS} hunks")
    return edits


def _is_diff(lines: Sequence[str], part: Fence) -> bool:
    inside = [line[len(part.indent) :] for line in lines[part.first : part.last]]
    if any(line.startswith("@@") for line in inside):
        return any(line[:1] in ("+", "-") for line in inside)
    return part.info.split(" ")[0].lower() in ("diff", "patch", "udiff") and any(
        line[:1] in ("+", "-") for line in inside
    )


def _hunks(lines: list[str], *, cut: bool, fenced: bool, bare: bool) -> list[Edit]:
    edits: list[Edit] = []
    file: str | None = None
    begun = ended = False
    index = 0
    header: re.Match[str] | None = None
    last_hunk = max((n for n, line in enumerate(lines) if line.startswith("@@")), default=-1)
    inside = fenced and last_hunk < 0
    body: list[str] = []

    def close(*, at_end: bool = False) -> None:
        nonlocal body
        if body:
            if at_end and cut and not _counts_fit(header, body):
                raise _cut()
            edit = _edit(body, header, file, bare=bare)
            if edit is not None:
                edits.append(edit)
        body = []

    while index < len(lines):
        line = lines[index]
        if _is_file_header(lines, index):
            close()
            file = _path(lines[index], lines[index + 1])
            inside = inside and last_hunk < index
            index += 2
            forgotten = index < len(lines) and lines[index][:1] in ("+", "-")
            if forgotten and not _is_file_header(lines, index):
                header, inside = None, True  # the hunk's own
            continue
        if _OTHER_FILE.fullmatch(line):
            raise AnswerError(Kind.OUTSIDE_BLOCK, f"{line.strip()[:80]}: files can only be changed")
        if _UPDATE.fullmatch(line):
            close()
            begun |= "Begin Patch" in line
            ended |= "End Patch" in line
            inside = False
            if "Update File:" in line:
                file = line.partition("Update File:")[2].strip()
        elif (match := _HUNK.fullmatch(line)) is not None:
            close()
            header, inside = match, True
        elif line.rstrip() == "--" and _VERSION.fullmatch("".join(lines[index + 1 : index + 2])):
            close()  # what git writes below a patch that is sent by mail
            inside = False
        elif line.startswith(_GIT):
            close()
            inside = inside and "diff --git" not in line
        elif inside:
            if fenced or line[:1] in (" ", "+", "-", "\\") or not line.strip("\r"):
                body.append(line)
            else:  # prose behind a diff that is in no fence
                close()
                inside = False
        index += 1
    if begun and not ended:
        raise _cut()
    close(at_end=True)
    if cut and (not edits or _HUNK.fullmatch(lines[-1])):
        raise _cut()
    return edits


def _cut() -> AnswerError:
    return AnswerError(Kind.TRUNCATED, "the diff ends before it is complete")


def _is_file_header(lines: Sequence[str], index: int) -> bool:
    return (
        lines[index].startswith("--- ")
        and index + 1 < len(lines)
        and lines[index + 1].startswith("+++ ")
    )


def _path(before: str, after: str) -> str | None:
    for line in (after, before):
        match = _FILE.fullmatch(line)
        if match and match[1] != "/dev/null":
            return match[1]
    return None


def _counts_fit(header: re.Match[str] | None, body: Sequence[str]) -> bool:
    """Whether the hunk is as long as its header says."""
    if header is None or header[1] is None:
        return False
    old = sum(line[:1] != "+" and line[:1] != "\\" for line in body)
    new = sum(line[:1] != "-" and line[:1] != "\\" for line in body)
    return (old, new) == (int(header[2] or 1), int(header[4] or 1))


def _edit(
    body: list[str], header: re.Match[str] | None, file: str | None, *, bare: bool
) -> Edit | None:
    """A hunk as an edit; a line without any of the signs is context whose blank was forgotten."""
    said = header is not None and _counts_fit(header, body)
    while body and not body[-1].strip():
        body.pop()
    said = said or _counts_fit(header, body)
    search: list[str] = []
    replace: list[str] = []
    for line in body:
        sign, rest = line[:1], line[1:]
        if sign == "\\":
            continue
        if sign == "+":
            replace.append(rest)
            continue
        text = rest if sign == "-" or (sign == " " and not bare) else line
        search.append(text)
        if sign != "-":
            replace.append(text)
    if search == replace:
        return None
    if not any(line.strip() for line in search):
        raise AnswerError(
            Kind.UNPARSABLE,
            "a hunk of the diff has no context: no line that says where it belongs",
        )
    line_number = int(header[1]) if header is not None and said else None
    return Edit(search=tuple(search), replace=tuple(replace), file=file, line=line_number)
