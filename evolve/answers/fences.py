"""Markdown's code fences, as far as answers keep to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^`\r]*?)[ \t\r]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Lines [first, last) of an answer between two fences; `closed` unless the answer ended."""

    first: int
    last: int
    info: str
    indent: str
    closed: bool


def fence_line(line: str) -> str | None:
    """The info string ("" for a bare fence) where the line is a fence."""
    if "```" not in line and "~~~" not in line:
        return None
    match = _FENCE.fullmatch(line)
    return match[3] if match else None


def fences(lines: Sequence[str]) -> list[Fence]:
    """All fenced parts, outer ones before those within them.

    A fence with an info string inside another one opens a part of its own, as in a Markdown
    document that was itself fenced.
    """
    found: list[Fence] = []
    open_: list[tuple[int, str, str, str]] = []
    for index, line in enumerate(lines):
        if "```" not in line and "~~~" not in line:
            continue
        match = _FENCE.fullmatch(line)
        if match is None:
            continue
        indent, signs, info = match[1], match[2], match[3]
        closes = None if info else _closed_by(signs, [open_signs for _, _, open_signs, _ in open_])
        if closes is None:
            if len(open_) < _DEEPEST:
                open_.append((index + 1, indent, signs, info))
            continue
        first, its_indent, _, its_info = open_[closes]
        del open_[closes:]
        found.append(Fence(first=first, last=index, info=its_info, indent=its_indent, closed=True))
    for first, indent, _, info in open_:
        found.append(Fence(first=first, last=len(lines), info=info, indent=indent, closed=False))
    return sorted(found, key=lambda fence: (fence.first, -fence.last))


_DEEPEST = 8


def _closed_by(signs: str, open_: Sequence[str]) -> int | None:
    """Which open fence a bare one closes: the innermost of its length, else of a smaller one."""
    for fits in (str.__eq__, str.startswith):
        for depth in range(len(open_) - 1, -1, -1):
            if fits(signs, open_[depth]):
                return depth
    return None


def in_fence(text: str) -> str:
    """The text in a fence that nothing in it closes."""
    signs = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{signs}\n{text}\n{signs}"


def without_indent(lines: Sequence[str], indent: str) -> list[str]:
    """The lines without an indentation that all but blank ones share; else as they are."""
    if not indent or not all(line.startswith(indent) or not line.strip() for line in lines):
        return list(lines)
    return [
        line[len(indent) :] if line.startswith(indent) else line.lstrip(" \t") for line in lines
    ]
