"""From plots to files: SVG that a page with a strict policy can hold inline, and PNG."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.figure import Figure

from evolve.report.plots import INK, Plot

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_STYLE: Any = {
    "text.parse_math": False,  # names come from strangers: "$" is a dollar
    "svg.fonttype": "none",
    "font.size": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def svg(plot: Plot) -> str:
    """The plot as an SVG element that takes the colour of the text around it."""
    buffer = io.StringIO()
    with _drawn(plot) as figure:
        figure.savefig(
            buffer, format="svg", transparent=True, dpi=130,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )  # fmt: skip
    return _inlined(buffer.getvalue(), plot)


def png(plot: Plot) -> bytes:
    """The plot as a PNG picture on white."""
    buffer = io.BytesIO()
    with _drawn(plot) as figure:
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def styled() -> AbstractContextManager[None]:
    """What plots are drawn in: our style, and names taken as they are, whatever is in them."""
    return rc_context(_STYLE)


@contextmanager
def _drawn(plot: Plot) -> Iterator[Figure]:
    # the pyplot module, which looks for a screen, is not needed
    with styled(), rc_context({"svg.hashsalt": plot.name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a browser has it
        figure = Figure(figsize=plot.size, layout="constrained")
        plot.draw(figure.add_subplot())
        yield figure


def _inlined(text: str, plot: Plot) -> str:
    """Without style attributes, which the page's policy forbids, and without ids nobody uses."""
    root = ElementTree.fromstring(text)  # noqa: S314  written by matplotlib a moment ago
    used = set(re.findall(r'(?:url\(#|href="#)([\w-]+)', text))
    for element in list(root.iter()):
        for child in [c for c in element if c.tag.endswith(("metadata", "}style"))]:
            element.remove(child)
        for name, value in _declarations(element.attrib.pop("style", "")):
            element.set(name, value)
        if _LINK in element.attrib:
            element.set("href", element.attrib.pop(_LINK))
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        for name in ("fill", "stroke"):
            if element.get(name) == INK:
                element.set(name, "currentColor")
    width, height = root.get("width", ""), root.get("height", "")
    root.set("width", width.removesuffix("pt"))
    root.set("height", height.removesuffix("pt"))
    if plot.size[0] < 6:
        root.set("class", "narrow")
    root.set("role", "img")
    root.set("aria-label", f"{plot.title}. {plot.about}")
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    """A style's declarations as attributes; of a font only its size stays, the page has a font."""
    for declaration in style.split(";"):
        name, colon, value = (part.strip() for part in declaration.partition(":"))
        if not colon:
            continue
        if name in ("font", "font-size"):
            size = re.search(r"([\d.]+)px", value)
            if size is not None:
                yield "font-size", size[1]
        elif not name.startswith("font"):
            yield name, value
