"""What every verifier returns: `Valid` with an exact value, or `Invalid` with the first fault.

A failure is never a number: a crash scored 0.0 would beat a valid -3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

Value = int | Fraction
"""An exact value; a verifier never answers with a rounded float."""


@dataclass(frozen=True, slots=True)
class Valid:
    """The object is what it claims to be, and this is its value.

    `metrics` holds further exact or descriptive figures by name; they decide nothing.
    """

    value: Value
    metrics: Mapping[str, float | int | Fraction] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the object is, by the names of a problem's parameters; a claim may not differ."""
    caveats: tuple[str, ...] = ()
    """What the object does not show, and a comparison with published values would need."""
    notes: tuple[str, ...] = ()
    """What else is known of it, such as that it is equivalent to a published one."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """The object is not valid; `reason` names the first fault for a person and for a model."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A verifier that certificates may name: entry-point group `evolve.verifiers`.

    `check` takes the artifact as plain JSON data (hostile: anything may be in it), returns
    `Valid` or `Invalid`, and raises nothing. `version` changes whenever the same artifact could
    get another answer. `objective` and `direction` ("min" or "max") name the value.
    """

    name: str
    version: str
    objective: str
    direction: str
    check: Callable[[object], Valid | Invalid]
    published: Callable[[object], Mapping[str, object] | None] = lambda content: None
    """Objects in a published file, by label: each an artifact for `check`, or `Invalid`.

    Takes decoded content of unknown origin: JSON data, text, or a dict of numpy arrays (npz).
    Returns None if it is not of this kind, and raises nothing.
    """
    repair: Callable[[object], object] | None = None
    """Turns an artifact that misses by rounding into one that holds, exactly; or `Invalid`."""
    compare: Callable[[object, object], str] | None = None
    """What is settled about whether two valid artifacts are the same up to symmetry, in words."""
