"""Draws a comparator network: wires across, comparators down, layer by layer."""

from __future__ import annotations

_STEP = 14


def draw(data: object) -> str:
    """An SVG of a network in its JSON form, which must have passed its verifier."""
    assert isinstance(data, dict)
    wires, layers = data["wires"], data["layers"]
    assert isinstance(wires, int)
    assert isinstance(layers, list)
    x, marks = _STEP, []
    for layer in layers:
        columns: list[list[tuple[int, int]]] = []
        for low, high in sorted(map(tuple, layer)):
            # comparators whose spans meet would be drawn over each other
            column = next((c for c in columns if all(high < a or b < low for a, b in c)), None)
            if column is None:
                column = []
                columns.append(column)
            column.append((low, high))
        for column in columns:
            for low, high in column:
                top, bottom = (low + 1) * _STEP, (high + 1) * _STEP
                marks.append(f'<path d="M{x} {top}V{bottom}" stroke="black"/>')
                marks += [f'<circle cx="{x}" cy="{y}" r="3"/>' for y in (top, bottom)]
            x += _STEP
        x += _STEP
    height = (wires + 1) * _STEP
    lines = [f'<path d="M0 {(w + 1) * _STEP}H{x}" stroke="#888"/>' for w in range(wires)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x} {height}" width="{x}" '
        f'height="{height}"><rect width="{x}" height="{height}" fill="white"/>'
        f"{''.join(lines)}{''.join(marks)}</svg>\n"
    )
