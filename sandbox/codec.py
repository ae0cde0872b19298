"""Data between processes that do not trust each other: a JSON skeleton with binary blobs behind it.

What crosses: None, bool, int, float (every bit pattern), complex, str, bytes, list, tuple, dict,
Fraction, and numpy arrays of plain dtypes. Types are exact: what decodes is never a subclass.

Covered: a length, count or shape that claims more than the bytes hold; deep nesting; too many
nodes; digits without end; duplicate, unhashable and colliding keys (which make a dict quadratic);
bytes that are no utf-8; lone surrogates; booleans other than 0 and 1; trailing bytes. Memory stays
under twenty times `CodecLimits.total_bytes`, time within a fraction of a second per MiB of it.

Not covered: what the receiver does with a value. A decoded integer may have more digits than
`str` accepts (4300), a float may be NaN.

The skeleton is ASCII JSON read by the standard library. An array's first element is its tag;
JSON objects never occur, so there is no key to repeat. Long texts, bytes, big integers, long runs
of plain numbers and arrays lie behind the skeleton, in order, and the skeleton holds their sizes.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from json.decoder import JSONDecoder
from json.encoder import encode_basestring_ascii
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


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
    equal_hashes: int = 64
    """Keys of one dict that may share a hash."""


DEFAULT_LIMITS = CodecLimits()

_LIST, _TUPLE, _DICT, _INTS, _FLOATS, _TEXT, _BYTES, _BIG, _FLOAT, _COMPLEX, _FRACTION, _ARRAY = (
    range(12)
)
_HEAD = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_PAIR = struct.Struct("<dd")
_INT64 = range(-(2**63), 2**63)
_SHORT_TEXT = 20
_SHORT_SKELETON = 1000
_RUN = 8
_DTYPES = frozenset(
    [
        "|b1",
        "|i1",
        "<i2",
        "<i4",
        "<i8",
        "|u1",
        "<u2",
        "<u4",
        "<u8",
        "<f2",
        "<f4",
        "<f8",
        "<c8",
        "<c16",
    ]
)
_BASES: tuple[type[Any], ...] = (int, float, complex, str, bytes, list, tuple, dict)
_LEAVES = frozenset((type(None), bool, int, float))
_KEYS = frozenset((type(None), bool, int, float, complex, str, bytes, tuple, Fraction))
_LONG_NUMBER = re.compile(rb"[0-9]{21}")


def _refuse_constant(name: str) -> NoReturn:
    raise CodecError(f"{name} in the skeleton")


_scan = JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]


def encode(value: object, limits: CodecLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of plain data; subclasses and numpy scalars become the plain type.

    Raises:
        CodecError: a type that may not cross, or a message beyond the limits.
    """
    blobs: list[bytes | memoryview] = []
    parts: list[str] = []
    _Writer(parts, blobs, limits).write(value, limits.depth)
    skeleton = "".join(parts).encode("ascii")
    _check_skeleton(skeleton, limits)
    message = b"".join((_HEAD.pack(len(skeleton)), skeleton, *blobs))
    if len(message) > limits.total_bytes:
        raise CodecError(f"{len(message)} bytes, at most {limits.total_bytes} may cross")
    return message


def decode(data: bytes | bytearray | memoryview, limits: CodecLimits = DEFAULT_LIMITS) -> object:
    """The value behind hostile bytes.

    Raises:
        CodecError: the bytes are not what `encode` could have written within the limits.
    """
    view = memoryview(data)
    if len(view) > limits.total_bytes:
        raise CodecError(f"{len(view)} bytes, at most {limits.total_bytes} may cross")
    if len(view) < _HEAD.size:
        raise CodecError("shorter than its header")
    end = _HEAD.size + _HEAD.unpack_from(view)[0]
    if end > len(view):
        raise CodecError("the skeleton claims more bytes than there are")
    skeleton = bytes(view[_HEAD.size : end])
    _check_skeleton(skeleton, limits)
    try:
        text = skeleton.decode("ascii")
        node, stop = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration) as error:
        raise CodecError(f"broken skeleton: {type(error).__name__}") from None
    if stop != len(text):
        raise CodecError("bytes behind the skeleton's value")
    reader = _Reader(view, end, limits)
    value = reader.read(node, limits.depth)
    if reader.position != len(view):
        raise CodecError("bytes behind the last blob")
    return value


def _check_skeleton(skeleton: bytes, limits: CodecLimits) -> None:
    if len(skeleton) <= _SHORT_SKELETON:
        return  # cannot hold enough of anything to matter
    # Counted before anything is built: every node but the first stands behind one of these.
    nodes = skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{")
    most = limits.total_bytes // limits.node_bytes
    if nodes > most:
        raise CodecError(f"{nodes} nodes, at most {most} may cross")
    if _LONG_NUMBER.search(skeleton):
        raise CodecError("a number of more than 20 digits in the skeleton")


class _Writer:
    def __init__(
        self, parts: list[str], blobs: list[bytes | memoryview], limits: CodecLimits
    ) -> None:
        self.parts = parts
        self.blobs = blobs
        self.limits = limits
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
                self._blob(_FLOAT, _DOUBLE.pack(value))
        elif kind is str:
            self._text(value)  # type: ignore[arg-type]
        elif kind is list:
            self._sequence(_LIST, value, depth)  # type: ignore[arg-type]
        elif kind is tuple:
            self._sequence(_TUPLE, value, depth)  # type: ignore[arg-type]
        elif kind is dict:
            self._dict(value, depth)  # type: ignore[arg-type]
        elif kind is bytes:
            self._blob(_BYTES, value)  # type: ignore[arg-type]
        elif kind is complex:
            self._blob(_COMPLEX, _PAIR.pack(value.real, value.imag))  # type: ignore[attr-defined]
        elif kind is Fraction:
            self._fraction(value)  # type: ignore[arg-type]
        else:
            self._foreign(value, depth)

    def _foreign(self, value: Any, depth: int) -> None:
        kind: type[Any] = type(value)  # asked of the type: an object may lie about its class
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

    def _blob(self, tag: int, data: bytes) -> None:
        self.parts.append(f"[{tag},{len(data)}]")
        self.blobs.append(data)

    def _integer(self, value: int) -> None:
        if value in _INT64:
            self.parts.append(int.__repr__(value))
            return
        size = value.bit_length() // 8 + 1
        if size > self.limits.integer_bytes:
            raise CodecError(f"an integer of {size} bytes, at most {self.limits.integer_bytes}")
        self._blob(_BIG, value.to_bytes(size, "little", signed=True))

    def _fraction(self, value: Fraction) -> None:
        both = (value.numerator, value.denominator)
        sizes = [part.bit_length() // 8 + 1 for part in both]
        self.fractions_left -= sum(sizes)
        if max(sizes) > self.limits.fraction_bytes or self.fractions_left < 0:
            raise CodecError("fractions beyond the limit")
        self.parts.append(f"[{_FRACTION},{sizes[0]},{sizes[1]}]")
        self.blobs += [
            part.to_bytes(size, "little", signed=True)
            for part, size in zip(both, sizes, strict=True)
        ]

    def _text(self, value: str) -> None:
        if len(value) <= _SHORT_TEXT and value.isascii():
            self.parts.append(encode_basestring_ascii(value))
            return
        try:
            self._blob(_TEXT, value.encode())
        except UnicodeEncodeError:
            raise CodecError("a text with a lone surrogate may not cross") from None

    def _sequence(self, tag: int, items: list[object] | tuple[object, ...], depth: int) -> None:
        if depth == 0:
            raise CodecError(f"nested deeper than {self.limits.depth}")
        put = self.parts.append
        if tag == _LIST and len(items) >= _RUN:
            kinds = set(map(type, items))
            if kinds == {float}:
                self._blob(_FLOATS, array("d", items).tobytes())  # type: ignore[type-var]
                return
            if kinds == {int}:
                try:
                    self._blob(_INTS, array("q", items).tobytes())  # type: ignore[type-var]
                    return
                except OverflowError:
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
        put(f"[{_DICT}")
        for key, item in value.items():
            put(",")
            self.write(key, depth - 1)
            put(",")
            self.write(item, depth - 1)
        put("]")

    def _array(self, numpy: object, value: NDArray[numpy.generic]) -> None:
        dtype = value.dtype.newbyteorder("<") if value.dtype.kind in "iufc" else value.dtype
        if dtype.str not in _DTYPES:
            raise CodecError(f"an array of dtype {value.dtype} may not cross")
        if value.nbytes > self.limits.total_bytes:
            raise CodecError(f"{value.nbytes} bytes, at most {self.limits.total_bytes} may cross")
        shape = "".join(f",{length}" for length in value.shape)
        self.parts.append(f'[{_ARRAY},"{dtype.str}"{shape}]')
        plain = value.astype(dtype, order="C", copy=False).reshape(-1)
        self.blobs.append(memoryview(plain.view("u1")))  # type: ignore[arg-type]


class _Reader:
    def __init__(self, data: memoryview, position: int, limits: CodecLimits) -> None:
        self.data = data
        self.position = position
        self.limits = limits
        self.fractions_left = limits.fractions_bytes

    def read(self, node: object, depth: int) -> object:
        """The value of one node of the skeleton."""
        if type(node) is not list:
            return self._leaf(node)
        if not node or type(node[0]) is not int:
            raise CodecError("an array of the skeleton without a tag")
        tag = node[0]
        if tag in (_LIST, _TUPLE, _DICT):
            if depth == 0:
                raise CodecError(f"nested deeper than {self.limits.depth}")
            items = node[1:]
            if not _LEAVES.issuperset(map(type, items)):
                items = [self.read(item, depth - 1) for item in items]
            if tag == _LIST:
                return items
            return tuple(items) if tag == _TUPLE else self._dict(items)
        match node:
            case [_, int(size)] if tag in _BLOBS:
                return _BLOBS[tag](self, size)
            case [_, int(numerator), int(denominator)] if tag == _FRACTION:
                return self._fraction(numerator, denominator)
            case [_, str(dtype), *shape] if tag == _ARRAY:
                return self._array(dtype, shape)
        raise CodecError("an unknown tag, or one with the wrong fields")

    def _leaf(self, node: object) -> object:
        if type(node) is str and not node.isascii():
            raise CodecError("a text that belongs into a blob")
        if type(node) is dict:
            raise CodecError("a JSON object in the skeleton")
        return node

    def _take(self, size: int) -> memoryview:
        if type(size) is not int or not 0 <= size <= len(self.data) - self.position:
            raise CodecError("a blob claims more bytes than there are")
        start, self.position = self.position, self.position + size
        return self.data[start : self.position]

    def _exactly(self, size: int, expected: int) -> memoryview:
        if size != expected:
            raise CodecError("a number of the wrong size")
        return self._take(size)

    def _run(self, kind: str, size: int) -> list[Any]:
        if size % 8:
            raise CodecError("a run of numbers with a broken end")
        numbers = array(kind)
        numbers.frombytes(self._take(size))
        return numbers.tolist()

    def _text(self, size: int) -> str:
        try:
            return str(self._take(size), "utf-8")
        except UnicodeDecodeError:
            raise CodecError("a text that is not utf-8") from None

    def _big(self, size: int) -> int:
        if size > self.limits.integer_bytes:
            raise CodecError(f"an integer of {size} bytes, at most {self.limits.integer_bytes}")
        return int.from_bytes(self._take(size), "little", signed=True)

    def _fraction(self, numerator: int, denominator: int) -> Fraction:
        self.fractions_left -= numerator + denominator
        if max(numerator, denominator) > self.limits.fraction_bytes or self.fractions_left < 0:
            raise CodecError("fractions beyond the limit")
        above, below = self._big(numerator), self._big(denominator)
        if below <= 0:
            raise CodecError("a fraction whose denominator is not positive")
        return Fraction(above, below)

    def _dict(self, items: list[object]) -> dict[object, object]:
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values):
            raise CodecError("a dict whose last key has no value")
        if not _KEYS.issuperset(map(type, keys)):
            raise CodecError("a dict with a key that is not plain")
        try:
            hashes: Iterable[int] = map(hash, keys)
            if len(keys) > self.limits.equal_hashes:
                most = max(Counter(hashes).values())
                if most > self.limits.equal_hashes:
                    raise CodecError(f"{most} keys of a dict share a hash")
            made = dict(zip(keys, values, strict=True))
        except TypeError:
            raise CodecError("a dict with an unhashable key") from None
        if len(made) != len(keys):
            raise CodecError("a dict with a duplicate key")
        return made

    def _array(self, dtype: str, shape: list[object]) -> NDArray[numpy.generic]:
        lengths = [length for length in shape if type(length) is int and length >= 0]
        if dtype not in _DTYPES or len(lengths) != len(shape) or len(shape) > 32:
            raise CodecError("an array of a dtype or shape that may not cross")
        import numpy  # only where an array arrives

        plain = numpy.dtype(dtype)
        data = self._take(prod(lengths) * plain.itemsize)
        if plain.kind == "b" and data.nbytes and numpy.frombuffer(data, numpy.uint8).max() > 1:
            raise CodecError("an array of booleans other than 0 and 1")
        try:
            return numpy.frombuffer(bytearray(data), plain).reshape(lengths)
        except (ValueError, OverflowError):
            raise CodecError("an array of a shape that no array has") from None


_BLOBS: dict[int, Callable[[_Reader, int], object]] = {
    _INTS: lambda reader, size: reader._run("q", size),
    _FLOATS: lambda reader, size: reader._run("d", size),
    _TEXT: _Reader._text,
    _BYTES: lambda reader, size: bytes(reader._take(size)),
    _BIG: _Reader._big,
    _FLOAT: lambda reader, size: _DOUBLE.unpack(reader._exactly(size, 8))[0],
    _COMPLEX: lambda reader, size: complex(*_PAIR.unpack(reader._exactly(size, 16))),
}
