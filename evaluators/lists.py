"""Nested lists of numbers as people print them: Python, numpy, Mathematica."""

from __future__ import annotations

import re

import msgspec

NUMBER = r"(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][-+]?\d{1,2})?(?:/\d{1,40})?"
"""A number without its sign, as a regular expression: 2, 0.5, 1e-3 or 1/3."""
_MAX_TOKENS = 400_000
"""Numbers of a text that are no plain integers, each of which is looked at by itself."""
_TOKEN = re.compile(rf"\(?[-+]?{NUMBER}(?:[-+]{NUMBER}[jI]\)?|[jI]\)?)?", re.ASCII)
_PLAIN = re.compile(r"-?[0-9]{1,18}")
_WORDS = re.compile(r"\b(?:(?:np|numpy|jnp)\.)?(?:array|asarray|List)\b|\bdtype ?= ?[\w.]{1,40}")
_ASSIGNED = re.compile(r"\s*[A-Za-z_]\w{0,80}\s{0,10}:?=\s{0,10}")
_BRACKETS = str.maketrans({"(": "[", ")": "]", "{": "[", "}": "]", ";": " "})


def nested(text: str) -> list[object] | None:
    """The lists in a text; a number that is no plain integer stays the text it is.

    None for a text of another kind. Names, `array(...)` and comment lines are passed over, and
    lists of one list are opened.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines)
    assigned = _ASSIGNED.match(text)
    text = _WORDS.sub("", text[assigned.end() :] if assigned else text)
    if any(sign in text for sign in "./jI+e"):
        if text.count(",") > _MAX_TOKENS:
            return None
        text = _TOKEN.sub(_quoted, text)
    text = re.sub(r",[ \n\t]{0,40}(?=[]})])", "", text).translate(_BRACKETS)
    text = re.sub(r",[ \n\t]{0,40}(?=])", "", text)
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, list) else None


def _quoted(token: re.Match[str]) -> str:
    text = token[0]
    opened = text.startswith("(") and not text.endswith(")")
    inner = text.strip("()")
    body = inner if _PLAIN.fullmatch(inner) else f'"{inner}"'
    return f"({body}" if opened else f"{body})" if text.endswith(")") and text[0] != "(" else body
