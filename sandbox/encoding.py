"""From plain data to bytes; on the candidate's side, what it cannot send is named here."""

from __future__ import annotations

import struct
import sys
from json.encoder import encode_basestring_ascii
from math import isfinite
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sandbox.wire import (
    ALIGNED_BYTES,
    ALIGNMENT,
    ARRAY,
    BIG,
    BYTES,
    COMPLEX,
    DEFAULT_LIMITS,
    DICT,
    DOUBLE,
    DTYPES,
    FLOAT,
    FLOATS,
    FRACTION,
    HEAD,
    INTS,
    LIST,
    PAIR,
    TEXT,
    TUPLE,
    CodecError,
    CodecLimits,
    check_skeleton,
)

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy
    from numpy.typing import NDArray

_BASES: tuple[type[Any], ...] = (int, float, complex, str, bytes, list, tuple, dict)
_INT64 = range(-(2**63), 2**63)
_SHORT_TEXT = 20
_RUN = 8


def encode(value: object, limits: CodecLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of plain data; subclasses and numpy scalars become the plain type.

    Raises:
        CodecError: a type that may not cross, or a message beyond the limits.
    """
    return b"".join(encode_parts(value, limits))


def encode_parts(value: object, limits: CodecLimits = DEFAULT_LIMITS) -> list[bytes | memoryview]:
    """The same bytes in pieces, none of which copies what an array holds contiguously."""
    plain = _plain(value)
    if plain is not None and limits.depth and HEAD.size + len(plain) <= limits.total_bytes:
        return [HEAD.pack(len(plain)) + plain.encode("ascii")]
    blobs: list[bytes | memoryview] = []
    nodes: list[str] = []
    _Writer(nodes, blobs, limits).write(value, limits.depth)
    skeleton = "".join(nodes).encode("ascii")
    check_skeleton(skeleton, limits)
    parts: list[bytes | memoryview] = [HEAD.pack(len(skeleton)) + skeleton]
    size = len(parts[0])
    for blob in blobs:
        if type(blob) is memoryview and len(blob) >= ALIGNED_BYTES:
            padding = -size % ALIGNMENT
            parts.append(bytes(padding))
            size += padding
        parts.append(blob)
        size += len(blob)
    if size > limits.total_bytes:
        raise CodecError(f"{size} bytes, at most {limits.total_bytes} may cross")
    return parts


def _plain(value: object) -> str | None:
    """The skeleton of a number, or of a few plain values in a row, which most answers are."""
    kind = type(value)
    if kind is int:
        return int.__repr__(value) if value in _INT64 else None
    if kind is float:
        return repr(value) if isfinite(value) else None  # type: ignore[arg-type]
    if (kind is not tuple and kind is not list) or len(value) >= _RUN:  # type: ignore[arg-type]
        return None
    nodes = [str(LIST if kind is list else TUPLE)]
    for item in value:  # type: ignore[attr-defined]
        kind = type(item)
        if kind is int and item in _INT64:
            nodes.append(int.__repr__(item))
        elif kind is float and isfinite(item):
            nodes.append(repr(item))
        elif kind is str and len(item) <= _SHORT_TEXT and item.isascii():
            nodes.append(encode_basestring_ascii(item))
        else:
            return None
    return f"[{','.join(nodes)}]"


class _Writer:
    def __init__(
        self, parts: list[str], blobs: list[bytes | memoryview], limits: CodecLimits
    ) -> None:
        self.parts = parts
        self.blobs = blobs
        self.limits = limits
        self.bytes_left = limits.total_bytes
        self.fractions_left = limits.fractions_bytes

    def write(self, value: object, depth: int) -> None:
        """Appends one value, its exact type first, then what a subclass stands for."""
        kind = type(value)
        put = self.parts.append
        if value is None:
            put("null")
        elif kind is bool:
            put("true" if value else "false")
        elif kind is int:
            self._integer(value)  # type: ignore[arg-type]
        elif kind is float:
            if isfinite(value):  # type: ignore[arg-type]
                put(repr(value))
            else:
                self._blob(FLOAT, DOUBLE.pack(value))
        elif kind is str:
            self._text(value)  # type: ignore[arg-type]
        elif kind is list:
            self._sequence(LIST, value, depth)  # type: ignore[arg-type]
        elif kind is tuple:
            self._sequence(TUPLE, value, depth)  # type: ignore[arg-type]
        elif kind is dict:
            self._dict(value, depth)  # type: ignore[arg-type]
        elif kind is bytes:
            self._blob(BYTES, value)  # type: ignore[arg-type]
        elif kind is complex:
            self._blob(COMPLEX, PAIR.pack(value.real, value.imag))  # type: ignore[attr-defined]
        else:
            self._foreign(value, depth)

    def _foreign(self, value: Any, depth: int) -> None:
        kind: type[Any] = type(value)  # asked of the type: an object may lie about its class
        fractions = sys.modules.get("fractions")
        if fractions is not None and kind is fractions.Fraction:
            self._fraction(value)
            return
        numpy = sys.modules.get("numpy")
        if numpy is not None and issubclass(kind, numpy.ndarray):
            self._array(numpy, value)
        elif numpy is not None and issubclass(kind, numpy.generic):
            plain = value.item()
            if isinstance(plain, numpy.generic):
                raise CodecError(f"{type(value).__name__} is not data that may cross")
            self.write(plain, depth)
        else:
            # the first base that is plain; bool has no subclasses
            for base in _BASES:
                if issubclass(kind, base):
                    self.write(base(value), depth)
                    return
            hint = "; make it a list" if hasattr(value, "__iter__") else ""
            raise CodecError(f"{type(value).__name__} is not data that may cross{hint}")

    def _pay(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            most = self.limits.total_bytes
            raise CodecError(f"{most - self.bytes_left} bytes, at most {most} may cross")

    def _blob(self, tag: int, data: bytes) -> None:
        self._pay(len(data))
        self.parts.append(f"[{tag},{len(data)}]")
        self.blobs.append(data)

    def _integer(self, value: int) -> None:
        if value in _INT64:
            self.parts.append(int.__repr__(value))
            return
        size = value.bit_length() // 8 + 1
        if size > self.limits.integer_bytes:
            raise CodecError(f"an integer of {size} bytes, at most {self.limits.integer_bytes}")
        self._blob(BIG, value.to_bytes(size, "little", signed=True))

    def _fraction(self, value: Fraction) -> None:
        both = (value.numerator, value.denominator)
        sizes = [part.bit_length() // 8 + 1 for part in both]
        self.fractions_left -= sum(sizes)
        if max(sizes) > self.limits.fraction_bytes or self.fractions_left < 0:
            raise CodecError("fractions beyond the limit")
        self.parts.append(f"[{FRACTION},{sizes[0]},{sizes[1]}]")
        self.blobs += [
            part.to_bytes(size, "little", signed=True)
            for part, size in zip(both, sizes, strict=True)
        ]

    def _text(self, value: str) -> None:
        if len(value) <= _SHORT_TEXT and value.isascii():
            self.parts.append(encode_basestring_ascii(value))
            return
        try:
            self._blob(TEXT, value.encode())
        except UnicodeEncodeError:
            raise CodecError("a text with a lone surrogate may not cross") from None

    def _sequence(self, tag: int, items: list[object] | tuple[object, ...], depth: int) -> None:
        if depth == 0:
            raise CodecError(f"nested deeper than {self.limits.depth}")
        put = self.parts.append
        if tag == LIST and len(items) >= _RUN:
            kinds = set(map(type, items))
            if kinds == {float}:
                self._blob(FLOATS, struct.pack(f"<{len(items)}d", *items))
                return
            if kinds == {int}:
                try:
                    self._blob(INTS, struct.pack(f"<{len(items)}q", *items))
                    return
                except struct.error:
                    pass  # one of them is big: item by item
        put(f"[{tag}")
        for item in items:
            put(",")
            self.write(item, depth - 1)
        put("]")

    def _dict(self, value: dict[object, object], depth: int) -> None:
        if depth == 0:
            raise CodecError(f"nested deeper than {self.limits.depth}")
        put = self.parts.append
        put(f"[{DICT}")
        for key, item in value.items():
            put(",")
            self.write(key, depth - 1)
            put(",")
            self.write(item, depth - 1)
        put("]")

    def _array(self, numpy: ModuleType, value: NDArray[numpy.generic]) -> None:
        value = numpy.asarray(value)  # its own methods, not those of a subclass
        dtype = value.dtype.newbyteorder("<") if value.dtype.kind in "iufc" else value.dtype
        if dtype.str not in DTYPES:
            raise CodecError(f"an array of dtype {value.dtype} may not cross")
        self._pay(value.nbytes)  # before a copy of it is made
        shape = "".join(f",{length}" for length in value.shape)
        self.parts.append(f'[{ARRAY},"{dtype.str}"{shape}]')
        plain = value.astype(dtype, order="C", copy=False).reshape(-1)
        self.blobs.append(memoryview(plain.view("u1")))  # type: ignore[arg-type]
