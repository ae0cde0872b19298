"""The wire format of the codec: its tags, its limits, and the first look at a skeleton.

The skeleton is ASCII JSON read by the standard library. An array's first element is its tag;
JSON objects never occur, so there is no key to repeat. Long texts, bytes, big integers, long runs
of plain numbers and arrays lie behind the skeleton, in order, and the skeleton holds their sizes.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass


class CodecError(ValueError):
    """Bytes or a value that may not cross; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecLimits:
    """What one message may hold."""

    total_bytes: int = 16 << 20
    depth: int = 64
    node_bytes: int = 8
    """At most one node of the skeleton per this many bytes of `total_bytes`."""
    integer_bytes: int = 1 << 16
    fraction_bytes: int = 4096
    """Numerator and denominator each; their common divisor costs quadratic time."""
    fractions_bytes: int = 1 << 20
    """All fractions of a message together."""
    comparisons: int = 1 << 21
    """Of numbers in keys whose hashes are equal, in all dicts of a message together."""


DEFAULT_LIMITS = CodecLimits()

LIST, TUPLE, DICT, INTS, FLOATS, TEXT, BYTES, BIG, FLOAT, COMPLEX, FRACTION, ARRAY = range(12)
HEAD = struct.Struct("<I")
DOUBLE = struct.Struct("<d")
PAIR = struct.Struct("<dd")
ALIGNED_BYTES, ALIGNMENT = 1 << 16, 64
"""An array as large as the first begins at a multiple of the second, behind zeros: it can be used
where it lies."""
_SHORT_SKELETON = 1000
_WIDE = ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
DTYPES = frozenset(("|b1", "|i1", "|u1", *(f"<{kind}" for kind in _WIDE)))
_LONG_NUMBER = re.compile(rb"[0-9]{21}")


def check_skeleton(skeleton: bytes, limits: CodecLimits) -> None:
    """Raises CodecError where a skeleton has too many nodes or digits; reads it as bytes only."""
    if len(skeleton) <= _SHORT_SKELETON:
        return  # cannot hold enough of anything to matter
    # Counted before anything is built: every node but the first stands behind one of these.
    nodes = skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{")
    most = limits.total_bytes // limits.node_bytes
    if nodes > most:
        raise CodecError(f"{nodes} nodes, at most {most} may cross")
    if _LONG_NUMBER.search(skeleton):
        raise CodecError("a number of more than 20 digits in the skeleton")
