"""What reaches a terminal: text made inert, numbers made readable, tables that fit 80 columns."""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from collections.abc import Sequence


def inert(text: str, *, lines: bool = False) -> str:
    """Text without anything a terminal would obey: escapes, controls and direction marks are shown.

    With `lines`, newlines and tabs stay.
    """
    kept = "\n\t" if lines else ""
    if text.isprintable():
        return text
    return "".join(c if c in kept or not _obeyed(c) else _shown(c) for c in text)


def _obeyed(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _shown(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def number(value: float | int | None, digits: int = 4) -> str:
    """A figure with `digits` significant ones, integers whole."""
    if value is None:
        return "-"
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """Seconds as 42 s, 3:05 min or 2:04 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
    return f"{int(seconds) // 3600}:{int(seconds) % 3600 // 60:02d} h"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> list[str]:
    """Plain aligned columns; `right` has an "r" at each column that is aligned right."""
    cells = [[inert(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if right[i : i + 1] == "r" else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(parts).rstrip())
    return lines


def wrapped(text: str, *, indent: int = 0) -> str:
    """Text in lines as wide as the terminal (80 in a pipe), later lines indented."""
    width = min(shutil.get_terminal_size().columns, 100)
    return "\n".join(textwrap.wrap(text, width, subsequent_indent=" " * indent))


def clipped(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
