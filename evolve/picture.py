"""Pictures of what was found: SVG text that a problem draws, checked before anyone is shown it.

A drawing function is trusted, but what it draws came from a candidate, and may have found its way
into the text. So only an allow-list of shapes passes: no scripts, handlers, styles, foreign
objects, images or links, no DTD, nothing that makes a viewer fetch or run something.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.parsers import expat

MAX_BYTES = 400_000
"""Of one picture; a page that embeds it has room for other things."""
_MAX_DEPTH = 32
_NAMESPACE = "http://www.w3.org/2000/svg"

_ELEMENTS = frozenset(
    """
    svg g defs title desc rect circle ellipse line polyline polygon path text tspan
    linearGradient radialGradient stop clipPath
    """.split()  # noqa: SIM905  a list of words reads better as words
)
_ATTRIBUTES = frozenset(
    """
    id x y x1 y1 x2 y2 cx cy r rx ry dx dy fx fy d points width height viewBox
    preserveAspectRatio transform gradientTransform gradientUnits offset pathLength rotate
    fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray
    stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit opacity stop-color
    stop-opacity clip-path clip-rule clipPathUnits vector-effect shape-rendering
    font-family font-size font-style font-weight text-anchor dominant-baseline
    letter-spacing role aria-label
    """.split()  # noqa: SIM905
)
_WORDS = frozenset(("id", "role", "aria-label"))
_REFERENCE = re.compile(r"url\(\s*#[\w-]+\s*\)")


class PictureError(ValueError):
    """Text that is no picture we show; the message says what is wrong with it."""


def checked(svg: object) -> str:
    """The picture written anew from its allowed parts, ready for a file or a data URL.

    Raises:
        PictureError: it is not text, too large, not well-formed, or holds anything that is not
            on the allow-list.
    """
    if not isinstance(svg, str):
        raise PictureError(f"a picture is {type(svg).__name__}, expected SVG text")
    if len(svg) > MAX_BYTES or len(svg.encode(errors="replace")) > MAX_BYTES:
        raise PictureError(f"a picture of more than {MAX_BYTES:,} bytes")
    root = _parsed(svg)
    if root.tag != f"{{{_NAMESPACE}}}svg":
        raise PictureError(f"expected an <svg> of the namespace {_NAMESPACE}, got <{root.tag}>")
    _check(root, depth=0)
    ElementTree.register_namespace("", _NAMESPACE)
    text = ElementTree.tostring(root, encoding="unicode")
    if len(text.encode()) > MAX_BYTES:
        raise PictureError(f"a picture of more than {MAX_BYTES:,} bytes")
    return text


def _parsed(svg: str) -> ElementTree.Element:
    def refuse(*_: object) -> None:
        raise PictureError("a picture with a DTD")

    parser = ElementTree.XMLParser()  # noqa: S314  a DTD, and with it every entity, is refused
    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = refuse
    try:
        guard.Parse(svg, True)
        parser.feed(svg)
        root: ElementTree.Element = parser.close()
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"a picture that is not well-formed: {error}") from None
    return root


def _check(element: ElementTree.Element, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise PictureError(f"a picture nested deeper than {_MAX_DEPTH}")
    name = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
    if name not in _ELEMENTS:
        raise PictureError(f"a picture with <{name[:40]}>; allowed: {', '.join(sorted(_ELEMENTS))}")
    for attribute, value in element.attrib.items():
        if attribute not in _ATTRIBUTES:
            raise PictureError(f"a picture with the attribute {attribute[:60]!r} on <{name}>")
        if attribute in _WORDS:
            continue
        if "url" in _REFERENCE.sub("", value).lower() or "\\" in value:
            raise PictureError(f"a picture whose {attribute} refers to something outside of it")
    for child in element:
        _check(child, depth + 1)
