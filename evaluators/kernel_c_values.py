"""What the check of the C subset knows of a value: its type, an interval, and where it came from.

Operations give an interval that holds every result C can give; what leaves its type wraps, and is
any value of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from pycparser import c_ast

from evaluators.kernel_c_types import common, is_real, limits


class Refused(Exception):
    """The text is outside of the subset, from this node on."""

    def __init__(self, node: object, reason: str) -> None:
        super().__init__(reason)
        self.coord = getattr(node, "coord", None)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Value:
    """A type, bounds of an integer, and whether it is a value that may only be moved."""

    type: str
    low: int = 0
    high: int = 0
    data: bool = False


@dataclass(frozen=True, slots=True)
class Array:
    """An array's elements; `data` as in a value."""

    type: str
    elements: int
    writable: bool
    data: bool


@dataclass(slots=True)
class Scope:
    """Variables of a function: None while declared and not set."""

    values: dict[str, Value | None] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    data: dict[str, bool] = field(default_factory=dict)
    loops: set[str] = field(default_factory=set)
    outer: Scope | None = None

    def owner(self, name: str) -> Scope | None:
        """The scope of a variable, this one or one around it."""
        found: Scope | None = self
        while found is not None and name not in found.types:
            found = found.outer
        return found

    def finds(self, name: str) -> bool:
        """Whether a variable or an array of that name can be seen from here."""
        found: Scope | None = self
        while found is not None:
            if name in found.types or name in found.arrays:
                return True
            found = found.outer
        return False

    def is_loop(self, name: str) -> bool:
        owner = self.owner(name)
        return owner is not None and name in owner.loops


def refuse(node: c_ast.Node | None, reason: str) -> NoReturn:
    raise Refused(node, reason)


def any_of(type_name: str, data: bool = False) -> Value:
    """Any value of a type."""
    if is_real(type_name):
        return Value(type_name, data=data)
    return Value(type_name, *limits(type_name), data=data)


def within(type_name: str, low: int, high: int) -> Value:
    """An integer between these, or any of its type where that cannot hold them."""
    least, most = limits(type_name)
    return Value(type_name, low, high) if least <= low and high <= most else any_of(type_name)


def converted(value: Value, type_name: str) -> Value:
    """The value in another type."""
    if value.data or is_real(type_name):
        return Value(type_name, value.low, value.high, value.data)
    if is_real(value.type):
        return any_of(type_name)
    return within(type_name, value.low, value.high)


def require_convertible(node: c_ast.Node, value: Value, type_name: str) -> None:
    """Raises Refused where a value may not be put into a variable of a type."""
    if value.type == "void" or type_name == "void":
        refuse(node, "a value where there is none")
    if is_real(value.type) and not is_real(type_name):
        refuse(node, "a float becomes an integer")
    if value.data and value.type != type_name:
        refuse(node, "a value that is moved changes its type")


def require_no_data(node: c_ast.Node, value: Value) -> None:
    """Raises Refused for what may only be moved and compared."""
    if value.data:
        refuse(node, "a value from the arguments may only be moved and compared")
    if value.type == "void":
        refuse(node, "a value where there is none")


def joined(one: Value, other: Value) -> Value:
    """One of the two."""
    return Value(one.type, min(one.low, other.low), max(one.high, other.high), one.data)


def hull(one: Value | None, other: Value | None) -> Value | None:
    """The same where None is a variable that is not set."""
    return None if one is None or other is None else joined(one, other)


def arithmetic(op: str, one: Value, other: Value, node: c_ast.Node) -> Value:
    """What a binary operator of C can give; Refused where it is undefined for some operands."""
    require_no_data(node, one)
    require_no_data(node, other)
    kind = common(one.type, other.type)
    if is_real(kind):
        if op not in ("+", "-", "*", "/"):
            refuse(node, f"{op} of floats")
        return Value(kind)
    if op in ("<<", ">>"):
        if not 0 <= other.low <= other.high < (64 if "64" in one.type else 32):
            refuse(node, f"a shift by {bounds_of(other)} bits")
        if op == ">>":
            ends = [v >> s for v in (one.low, one.high) for s in (other.low, other.high)]
        else:
            ends = [v << s for v in (one.low, one.high) for s in (other.low, other.high)]
        return within(one.type, min(ends), max(ends))
    one, other = converted(one, kind), converted(other, kind)
    if op in ("/", "%"):
        if other.low < 1:
            refuse(node, f"a division by what may be {bounds_of(other)}")
        if op == "%":
            most = other.high - 1
            return within(kind, 0 if one.low >= 0 else -most, min(most, max(one.high, 0)))
        ends = [abs(v) // d * (1 if v >= 0 else -1)
                for v in (one.low, one.high) for d in (other.low, other.high)]  # fmt: skip
        return within(kind, min(ends), max(ends))
    if op in ("&", "|", "^"):
        if op == "&" and max(one.low, other.low) >= 0:
            return within(kind, 0, min(v.high for v in (one, other) if v.low >= 0))
        if min(one.low, other.low) >= 0:
            return within(kind, 0, (1 << max(one.high, other.high).bit_length()) - 1)
        return any_of(kind)
    if op not in ("+", "-", "*"):
        refuse(node, f"{op} is outside the subset")
    ends = [
        {"+": a + b, "-": a - b, "*": a * b}[op]
        for a in (one.low, one.high)
        for b in (other.low, other.high)
    ]
    return within(kind, min(ends), max(ends))


def bounds_of(value: Value) -> str:
    return str(value.low) if value.low == value.high else f"{value.low} to {value.high}"
