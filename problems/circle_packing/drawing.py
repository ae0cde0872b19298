"""Draws circles in the unit square."""

from __future__ import annotations

_SIDE = 480


def draw(data: object) -> str:
    """An SVG of a packing in its JSON form, which must have passed its verifier."""
    assert isinstance(data, dict)
    circles = data["circles"]
    assert isinstance(circles, list)
    shapes = []
    for circle in circles:
        x, y, r = (float(value) * _SIDE for value in circle)
        shapes.append(
            f'<circle cx="{x:.4f}" cy="{_SIDE - y:.4f}" r="{r:.4f}" fill="#9cf" stroke="black"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {_SIDE}" width="{_SIDE}" '
        f'height="{_SIDE}"><rect width="{_SIDE}" height="{_SIDE}" fill="white" stroke="black"/>'
        f"{''.join(shapes)}</svg>\n"
    )
