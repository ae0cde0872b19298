"""What reaches a terminal: text made inert, numbers made readable, tables that fit 80 columns."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

import click

_LEAST = 8
"""Columns that a cut column of a table keeps."""


def inert(text: str, *, lines: bool = False) -> str:
    """Text without anything a terminal would obey: escapes, controls and direction marks are shown.

    With `lines`, newlines and tabs stay.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    # looked up once for each character that occurs: texts may be megabytes long
    shown = {ord(c): _shown(c) for c in set(text) if c not in kept and _obeyed(c)}
    return text.translate(shown)


def _obeyed(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _shown(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def width_of(text: str) -> int:
    """Columns that a printable line takes in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fitted(text: str, width: int) -> str:
    """One printable line cut or padded to exactly `width` columns."""
    if width_of(text) > width:
        if text.isascii():
            text = text[: width - 1] + "…"
        else:
            from rich.cells import set_cell_size

            text = set_cell_size(text, width - 1) + "…"
    return text + " " * (width - width_of(text))


def folded(text: str, width: int) -> list[str]:
    """One printable line in pieces of at most `width` columns; at least one piece."""
    if text.isascii():
        return [text[i : i + width] for i in range(0, len(text), width)] or [""]
    from rich.cells import chop_cells

    return chop_cells(text, width)


def paint(text: str, **style: bool | str) -> str:
    """Text in a colour or style of `click.style`, unless the user wants none (NO_COLOR)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return click.style(text, **style)  # type: ignore[arg-type]  # its styles, by name


def columns() -> int:
    """The terminal's width; 80 in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def shortened(text: str, most: int) -> str:
    """The text, or its two ends with a word on how much is left out between them."""
    if len(text) <= most:
        return text
    half = most // 2
    left_out = f"... {len(text) - 2 * half:,} characters left out ..."
    return f"{text[:half]}\n{left_out}\n{text[-half:]}\n" if half else f"{left_out}\n"


def number(value: float | int | None, digits: int = 4) -> str:
    """A figure with `digits` significant ones, integers whole."""
    if value is None:
        return "-"
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.{digits}g}"


def telling(values: Iterable[float], least: int = 4, most: int = 10) -> int:
    """So many significant digits as tell these figures apart, from `least` to `most`."""
    distinct = set(values)
    for digits in range(least, most):
        if len({number(value, digits) for value in distinct}) == len(distinct):
            return digits
    return most


def signed(value: float | None, digits: int = 3) -> str:
    """A gain with its sign: +0.0123, -4, 0; nothing for None."""
    if value is None:
        return ""
    return f"{value:+.{digits}g}" if value else "0"


def duration(seconds: float) -> str:
    """Seconds as 42 s, 3:05 min or 2:04 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
    return f"{int(seconds) // 3600}:{int(seconds) % 3600 // 60:02d} h"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: str = "",
    elastic: int | None = None,
    margin: int = 0,
) -> list[str]:
    """Plain aligned columns.

    Args:
        right: Has an "r" at each column that is aligned right.
        elastic: The column that is cut so that the table is no wider than the terminal.
        margin: Columns of the terminal that the table leaves free.
    """
    cells = [[inert(cell) for cell in row] for row in [header, *rows]]
    widths = [max(width_of(row[i]) for row in cells) for i in range(len(header))]
    if elastic is not None:
        over = sum(widths) + 2 * (len(widths) - 1) + margin - columns()
        if over > 0:
            widths[elastic] = max(_LEAST, widths[elastic] - over)
            for row in cells:
                row[elastic] = clipped(row[elastic], widths[elastic])
            widths[elastic] = max(width_of(row[elastic]) for row in cells)
    lines = []
    for row in cells:
        parts = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - width_of(cell))
            parts.append(space + cell if right[i : i + 1] == "r" else cell + space)
        lines.append("  ".join(parts).rstrip())
    return lines


def wrapped(text: str, *, indent: int = 0) -> str:
    """Text in lines as wide as the terminal (80 in a pipe), later lines indented."""
    width = min(shutil.get_terminal_size().columns, 100)
    return "\n".join(textwrap.wrap(text, width, subsequent_indent=" " * indent))


def clipped(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if width_of(line) <= width else fitted(line, width)
