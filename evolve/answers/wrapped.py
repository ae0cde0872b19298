"""Changes in wrappings nobody asked for: tags around the old and the new text, headings over a code
block each, JSON, and the calls of tools that models know from elsewhere."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from evolve.answers.fences import fences, without_indent
from evolve.answers.records import AnswerError, Edit, Kind

_OLD = ("search", "find", "old", "old_str", "old_string", "old_code", "original", "before")
_NEW = ("replace", "replacement", "new", "new_str", "new_string", "new_code", "updated", "after")
_FILE = ("file", "path", "filename", "file_path")
_NAMES = "|".join((*_OLD, *_NEW))
_TAG = re.compile(
    rf"<(/?)(?:({_NAMES})|(?:antml:)?parameter(?: name=\"({_NAMES})\")?)>", re.IGNORECASE
)
_CALL = re.compile(r"<(tool_call|function_call|tool_use)>(.*?)(?:</\1>|$)", re.DOTALL)
_DEEPEST = 6
_LONGEST_HEADING = 80


def tagged_edits(said: str) -> list[Edit]:
    """The pairs `<search>...</search> <replace>...</replace>` of an answer, under any usual name.

    Raises:
        AnswerError: a pair was begun and is not whole, or a tag belongs to none.
    """
    edits: list[Edit] = []
    old: tuple[str, ...] | None = None
    open_: tuple[str, int] | None = None
    closing = ""
    astray = False
    for tag in _TAG.finditer(said):
        name = (tag[2] or tag[3] or "").lower()
        if open_ is None:
            if not tag[1] and name and (name in _OLD) == (old is None):
                open_, closing = (name, tag.end()), (tag[2] or "").lower()
            else:
                astray |= bool(name)
        elif tag[1] and name == closing:
            text = _lines(said[open_[1] : tag.start()])
            open_ = None
            if old is None:
                old = text
            else:
                edits.append(Edit(search=old, replace=text))
                old = None
    number = len(edits) + 1
    if open_ is not None and (old is not None or edits):
        reason = f"change {number}: the answer ends before </{open_[0]}>"
        raise AnswerError(Kind.TRUNCATED, reason, block=number)
    if old is not None:
        reason = f"change {number}: the new text that belongs to {''.join(old)[:80]!r} is missing"
        raise AnswerError(Kind.UNPARSABLE, reason, block=number)
    if edits and astray:
        raise _half(number)
    return edits


def headed_edits(lines: Sequence[str]) -> list[Edit]:
    """Pairs of code blocks that stand under headings such as SEARCH and REPLACE.

    Raises:
        AnswerError: `UNPARSABLE` where beside whole pairs there is half of one.
    """
    edits: list[Edit] = []
    old: tuple[str, ...] | None = None
    for part in fences(lines):
        above = part.first - 2
        while above > 0 and not lines[above].strip():
            above -= 1
        heading = lines[above][:_LONGEST_HEADING] if above >= 0 else ""
        word = _word(heading)
        text = tuple(without_indent(lines[part.first : part.last], part.indent))
        if part.closed and word in _OLD:
            old = text
        elif part.closed and word in _NEW and old is not None:
            edits.append(Edit(search=old, replace=text))
            old = None
    if edits and 2 * len(edits) != sum(_word(line) in (*_OLD, *_NEW) for line in lines):
        raise _half(len(edits) + 1)
    return edits


def _word(heading: str) -> str:
    if len(heading) > _LONGEST_HEADING:
        return ""
    return re.sub(r"[\W_]+", " ", heading).strip().lower()


def unescaped(edits: Sequence[Edit]) -> list[Edit]:
    """The changes with what stands for signs in XML as these signs."""
    return [
        replace(
            edit,
            search=tuple(map(html.unescape, edit.search)),
            replace=tuple(map(html.unescape, edit.replace)),
        )
        for edit in edits
    ]


def _half(number: int) -> AnswerError:
    reason = f"change {number}: the old or the new text is missing, so none is made"
    return AnswerError(Kind.UNPARSABLE, reason, block=number)


def from_json(lines: list[str]) -> list[Edit] | str | None:
    """The changes in an answer that is JSON, or the one text in it that may be an answer.

    Raises:
        AnswerError: it is JSON that cannot be read, or holds half a change beside whole ones.
    """
    said = "\n".join(lines)
    inner = ["\n".join(lines[part.first : part.last]) for part in fences(lines)]
    for text in inner or [call[2] for call in _CALL.finditer(said)] or [said]:
        if text.lstrip()[:1] not in ("{", "["):
            continue
        value = _decoded(text)
        found = list(_edits(value, 0))
        edits = [edit for edit in found if edit is not None]
        if edits and len(edits) < len(found):
            raise _half(found.index(None) + 1)
        if edits:
            return edits
        texts = [one for one in _texts(value, 0) if "\n" in one]
        return texts[0] if len(texts) == 1 else None
    return None


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        if at_end and text.lstrip().startswith(('{"', "{\n", '[{"')):
            raise AnswerError(Kind.TRUNCATED, "the answer is JSON that was cut off") from None
        if re.match(r'\s*[\[{]*\{"\w+"\s*:', text):
            reason = f"the answer is JSON that cannot be read: {error.msg} in line {error.lineno}"
            raise AnswerError(Kind.UNPARSABLE, reason) from None
        return None
    except (RecursionError, ValueError):
        return None


def _edits(value: Any, depth: int) -> Iterator[Edit | None]:
    """Changes; None for each that lacks its old or its new text."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for entry in value:
            yield from _edits(entry, depth + 1)
    elif isinstance(value, dict):
        old, new, file = (_of(value, names) for names in (_OLD, _NEW, _FILE))
        if old is not None and new is not None:
            yield Edit(search=_lines(old), replace=_lines(new), file=file)
            return
        inner = [e for entry in value.values() for e in _edits(_arguments(entry), depth + 1)]
        if not inner and (old is not None or new is not None):
            yield None
        yield from inner


def _arguments(value: Any) -> Any:
    """What a text holds that is JSON itself, as the arguments of a tool's call are."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            return json.loads(value, strict=False)
    return value


def _of(value: dict[str, Any], names: tuple[str, ...]) -> str | None:
    found = [value[name] for name in names if isinstance(value.get(name), str)]
    return found[0] if len(found) == 1 else None


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict) and depth <= _DEEPEST:
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _texts(entry, depth + 1)


def _lines(text: str) -> tuple[str, ...]:
    """The lines of a text, without the line ends that only set it apart from its tags."""
    text = text.replace("\r\n", "\n").removeprefix("<![CDATA[").removesuffix("]]>")
    return tuple(text.removeprefix("\n").removesuffix("\n").split("\n")) if text else ()
