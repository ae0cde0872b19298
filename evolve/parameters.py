"""A problem's parameters: names with defaults, and what a command line makes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

from evolve.errors import ProblemError

Parameters = Mapping[str, object]

_TAKEN = ("candidate", "seed", "split")
"""What stages and baselines are handed beside the parameters."""


def check(defaults: Parameters) -> None:
    """Whether these can be parameters: names that stages can take, and plain defaults.

    Raises:
        ProblemError: they cannot.
    """
    if not isinstance(defaults, Mapping):
        raise ProblemError(
            f"parameters is {type(defaults).__name__}, expected a dict of names and defaults"
        )
    for name, default in defaults.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ProblemError(f"parameter {name!r} is not an identifier")
        if name in _TAKEN:
            raise ProblemError(f"parameter {name!r}: every stage has its own; choose another name")
        if default == ():
            raise ProblemError(f"parameter {name!r} has no choices; write at least one")
        for value in default if isinstance(default, tuple) else (default,):
            if not isinstance(value, bool | int | float | str):
                raise ProblemError(
                    f"parameter {name!r} is {value!r:.60}, expected a bool, int, float or text, or "
                    "a tuple of them as choices"
                )


def check_shorthand(shorthand: str, defaults: Parameters) -> None:
    """Whether a shorthand fills parameters that exist, each once.

    Raises:
        ProblemError: it does not.
    """
    names = re.findall(r"\{(.*?)\}", shorthand)
    for name in names:
        if name not in defaults:
            known = ", ".join(defaults) or "none"
            raise ProblemError(f"shorthand {shorthand!r}: no parameter {name!r}; it has: {known}")
        if names.count(name) > 1:
            raise ProblemError(f"shorthand {shorthand!r} fills {name!r} twice")


def chosen(
    problem: str,
    defaults: Parameters,
    *,
    pattern: str = "",
    shorthand: str = "",
    settings: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """The parameters with shorthand and `--set` applied to the defaults, types checked.

    Args:
        pattern: How a shorthand is read, e.g. "{n}x{m}".
        settings: What was set by name; it wins over the shorthand.

    Raises:
        ProblemError: a name that is none, or a text that cannot be its value.
    """
    texts: dict[str, str] = {}
    if shorthand:
        if not pattern:
            raise ProblemError(f"{problem} takes no shorthand, but ':{shorthand}' was given")
        expression = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(pattern))
        match = re.fullmatch(expression, shorthand)
        if match is None:
            raise ProblemError(f"{problem}:{shorthand}: expected {problem}:{pattern}")
        texts.update(match.groupdict())
    texts.update(settings or {})
    for name in texts:
        if name not in defaults:
            known = ", ".join(defaults) or "none"
            raise ProblemError(f"{problem} has no parameter {name!r}; it has: {known}")
    return {
        name: _value(problem, name, default, texts.get(name)) for name, default in defaults.items()
    }


def _value(problem: str, name: str, default: object, text: str | None) -> object:
    if isinstance(default, tuple):
        if text is None:
            return default[0]
        for choice in default:
            if str(choice) == text:
                return choice
        raise ProblemError(f"{problem}: {name}={text} is none of {', '.join(map(str, default))}")
    if text is None:
        return default
    try:
        match default:
            case bool():
                return {"true": True, "false": False}[text.lower()]
            case int():
                return int(text)
            case float() if isfinite(float(text)):
                return float(text)
            case float():
                raise ValueError
            case _:
                return text
    except (ValueError, KeyError):
        raise ProblemError(
            f"{problem}: {name}={text} is not {type(default).__name__}, as its default {default} is"
        ) from None
