"""Draws a scheme: its factor matrices U, V and W, a column a product, a cell an entry."""

from __future__ import annotations

from collections.abc import Sequence

_COLOURS = {1: "#2a6fb0", -1: "#d9822b", 0: "#7a5ea8"}
"""Of entries 1, -1, and any other that is not zero."""
_GAP = 3


def draw(data: object) -> str:
    """An SVG of a scheme in its JSON form, which must have passed its verifier."""
    assert isinstance(data, dict)
    factors = {name: data[name] for name in "uvw"}
    rank = len(data["u"][0])
    scale = max(2, min(16, 900 // rank))
    paths: dict[int, list[str]] = {kind: [] for kind in _COLOURS}
    frames, names, top = [], [], 1
    for name, rows in factors.items():
        frames.append(f"M0 {top}h{rank}v{len(rows)}h-{rank}z")
        names.append(
            f'<text x="{-scale * 0.4:g}" y="{(top + len(rows) / 2) * scale:g}" '
            f'text-anchor="end">{name.upper()}</text>'
        )
        for y, row in enumerate(rows, start=top):
            for x, entry in enumerate(row):
                kind = _kind(entry)
                if kind is not None:
                    paths[kind].append(f"M{x} {y}h1v1h-1z")
        top += len(rows) + _GAP
    drawn = "".join(
        f'<path d="{"".join(path)}" fill="{_COLOURS[kind]}"/>'
        for kind, path in paths.items()
        if path
    )
    size = f"{data['n']}x{data['m']}x{data['p']}"
    note = f"{size}, rank {rank}; a column is a product; blue 1, orange -1, violet others"
    width, height = rank * scale + 40, top * scale + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-30 0 {max(width, 480)} {height}" '
        f'font-family="system-ui, sans-serif" font-size="13"><g transform="scale({scale})">'
        f"{drawn}"
        f'<path d="{"".join(frames)}" fill="none" stroke="#888" stroke-width="0.08"/></g>'
        f'{"".join(names)}<text x="0" y="{(top - _GAP) * scale + 24}">{note}</text></svg>'
    )


def _kind(entry: int | Sequence[int]) -> int | None:
    """Which colour an entry has; over an extension it is a pair (a, b) for a + b root."""
    whole, root = (entry, 0) if isinstance(entry, int) else entry
    if whole == root == 0:
        return None
    return whole if root == 0 and whole in (1, -1) else 0
