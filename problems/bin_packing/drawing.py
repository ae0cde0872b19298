"""The packing as a picture: bins as columns, filled from below in the order the items came."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

_SHOWN = 120
_WIDTH, _HEIGHT = 720, 300
_LEFT, _TOP, _BASE = 14, 44, 268


def draw_bins(artifact: Any) -> str:
    """The first bins of the first instance as SVG; `artifact` is a verified certificate's.

    The darker an item the larger it is; what stays white above it is wasted.
    """
    capacity: int = artifact["capacity"]
    items, chosen = artifact["instances"][0], artifact["packings"][0]
    bins: dict[int, list[int]] = defaultdict(list)
    for size, number in zip(items, chosen, strict=True):
        bins[number].append(size)
    contents = [bins[number] for number in sorted(bins)]
    shown = contents[:_SHOWN]
    full = sum(sum(held) == capacity for held in contents)
    column = (_WIDTH - 2 * _LEFT) / len(shown)
    unit = (_BASE - _TOP) / capacity
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{len(contents)} bins of the first instance</title>",
        f'<text x="{_LEFT}" y="20" fill="#222">First of {len(artifact["instances"])} instances: '
        f"{len(items):,} items in {len(contents):,} bins, {full:,} of them full to the brim</text>",
    ]
    for index, held in enumerate(shown):
        x, top = _LEFT + index * column, float(_BASE)
        for size in held:
            height = size * unit
            top -= height
            parts.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{max(column - 0.8, 0.4):.1f}" '
                f'height="{max(height - 0.6, 0.4):.1f}" fill="{_shade(size / capacity)}"/>'
            )
    parts.append(
        f'<path d="M{_LEFT} {_TOP}H{_WIDTH - _LEFT}M{_LEFT} {_BASE}H{_WIDTH - _LEFT}" '
        'stroke="#222" stroke-width="1" fill="none"/>'
        f'<text x="{_LEFT}" y="{_TOP - 5}" fill="#555" font-size="11">capacity {capacity}</text>'
        f'<text x="{_LEFT}" y="{_BASE + 18}" fill="#555" font-size="11">'
        f"bins in the order they were opened, {len(shown)} of {len(contents):,} shown; "
        "the darker an item the larger it is, white is wasted</text></svg>"
    )
    return "".join(parts)


def _shade(share: float) -> str:
    """From light to dark blue as an item takes more of the bin."""
    light, dark = (158, 202, 225), (8, 48, 107)
    return "#" + "".join(
        f"{round(a + (b - a) * min(1.0, share * 1.4)):02x}"
        for a, b in zip(light, dark, strict=True)
    )
