"""Draws a cap set: the vectors as cells of a square, half of the coordinates across, half down."""

from __future__ import annotations


def draw(data: object) -> str:
    """An SVG of a cap set in its JSON form, which must have passed its verifier."""
    assert isinstance(data, dict)
    n, vectors = data["n"], data["vectors"]
    assert isinstance(n, int)
    assert isinstance(vectors, list)
    across = (n + 1) // 2
    columns, rows = 3**across, 3 ** (n - across)
    cell = max(2, 480 // columns)
    width, height = columns * cell, rows * cell
    shapes = []
    for vector in vectors:
        x, y = _number(vector[:across]), _number(vector[across:])
        shapes.append(f'<rect x="{x * cell}" y="{y * cell}" width="{cell}" height="{cell}"/>')
    grid = [
        f'<path d="M{x * cell} 0V{height}" stroke="#bbb"/>' for x in range(0, columns + 1, 3)
    ] + [f'<path d="M0 {y * cell}H{width}" stroke="#bbb"/>' for y in range(0, rows + 1, 3)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f"{''.join(shapes)}{''.join(grid)}</svg>\n"
    )


def _number(digits: list[int]) -> int:
    value = 0
    for digit in digits:
        value = 3 * value + digit
    return value
