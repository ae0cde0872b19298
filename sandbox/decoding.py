"""From hostile bytes to plain data: every length is checked before it is believed."""

from __future__ import annotations

import struct
import sys
from collections import Counter
from collections.abc import Callable
from json.decoder import JSONDecoder
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

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

_LEAVES = frozenset((type(None), bool, int, float))
_LEAVES_AND_TEXT = _LEAVES | {str}
_FEW_KEYS = 8
_KEYS = frozenset((type(None), bool, int, float, complex, str, bytes, tuple))


def _is_no_key(value: object) -> bool:
    fractions = sys.modules.get("fractions")  # without it nobody has made one
    return type(value) not in _KEYS and (fractions is None or type(value) is not fractions.Fraction)


def _cost_of_comparing(key: object) -> int:
    """In comparisons of two floats, about; a fraction's own are written in Python."""
    if type(key) is tuple:
        return 1 + sum(map(_cost_of_comparing, key))
    if type(key) is str or type(key) is bytes:
        return 1 + len(key) // 256
    if type(key) is int:
        return 1 + key.bit_length() // 4096
    return 1 if type(key) in _KEYS else 16


def _refuse_constant(name: str) -> NoReturn:
    raise CodecError(f"{name} in the skeleton")


_scan = JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]


def decode(
    data: bytes | bytearray | memoryview,
    limits: CodecLimits = DEFAULT_LIMITS,
    *,
    in_place: bool = False,
) -> object:
    """The value behind hostile bytes.

    Args:
        in_place: Large arrays may lie in `data`, which nobody else has and may be written to.

    Raises:
        CodecError: the bytes hold no plain data, or more of it than the limits allow.
    """
    size = len(data)
    if size > limits.total_bytes:
        raise CodecError(f"{size} bytes, at most {limits.total_bytes} may cross")
    if size < HEAD.size:
        raise CodecError("shorter than its header")
    end = HEAD.size + HEAD.unpack_from(data)[0]
    if end > size:
        raise CodecError("the skeleton claims more bytes than there are")
    skeleton = bytes(data[HEAD.size : end])
    check_skeleton(skeleton, limits)
    try:
        text = skeleton.decode("ascii")
        node, stop = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration) as error:
        raise CodecError(f"broken skeleton: {type(error).__name__}") from None
    if stop != len(text):
        raise CodecError("bytes behind the skeleton's value")
    # without escapes no text of the skeleton can be other than ASCII
    leaves = _LEAVES if "\\" in text else _LEAVES_AND_TEXT
    if end == size:
        if type(node) in leaves:
            return node
        # a few plain values in a row
        if type(node) is list and node and type(node[0]) is int and limits.depth:
            tag = node.pop(0)
            if tag in (TUPLE, LIST) and leaves.issuperset(map(type, node)):
                return node if tag == LIST else tuple(node)
            node.insert(0, tag)
    view = memoryview(data)
    reader = _Reader(view, end, limits, in_place, leaves)
    value = reader.read(node, limits.depth)
    if reader.position != size:
        raise CodecError("bytes behind the last blob")
    return value


class _Reader:
    def __init__(
        self,
        data: memoryview,
        position: int,
        limits: CodecLimits,
        in_place: bool,
        leaves: frozenset[type],
    ) -> None:
        self.leaves = leaves
        self.data = data
        self.in_place = in_place
        self.position = position
        self.limits = limits
        self.fractions_left = limits.fractions_bytes
        self.comparisons_left = limits.comparisons

    def read(self, node: object, depth: int) -> object:
        """The value of one node of the skeleton."""
        if type(node) is not list:
            return self._leaf(node)
        if not node or type(node[0]) is not int:
            raise CodecError("an array of the skeleton without a tag")
        tag = node[0]
        if tag in (LIST, TUPLE, DICT):
            if depth == 0:
                raise CodecError(f"nested deeper than {self.limits.depth}")
            items = node[1:]
            if not self.leaves.issuperset(map(type, items)):
                items = [self.read(item, depth - 1) for item in items]
            if tag == LIST:
                return items
            return tuple(items) if tag == TUPLE else self._dict(items)
        match node:
            case [_, int(size)] if tag in _BLOBS:
                return _BLOBS[tag](self, size)
            case [_, int(numerator), int(denominator)] if tag == FRACTION:
                return self._fraction(numerator, denominator)
            case [_, str(dtype), *shape] if tag == ARRAY:
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
        return list(struct.unpack(f"<{size // 8}{kind}", self._take(size)))

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
        from fractions import Fraction  # only where one arrives

        return Fraction(above, below)

    def _dict(self, items: list[object]) -> dict[object, object]:
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values):
            raise CodecError("a dict whose last key has no value")
        if not _KEYS.issuperset(map(type, keys)) and any(map(_is_no_key, keys)):
            raise CodecError("a dict with a key that is not plain")
        try:
            if len(keys) > _FEW_KEYS:
                self._pay_for_collisions(keys)
            made = dict(zip(keys, values, strict=True))
        except TypeError:
            raise CodecError("a dict with an unhashable key") from None
        if len(made) != len(keys):
            raise CodecError("a dict with a duplicate key")
        return made

    def _pay_for_collisions(self, keys: list[object]) -> None:
        """A dict compares each key with all before it that share its hash."""
        hashes = [hash(key) for key in keys]
        if len(set(hashes)) == len(keys):
            return
        seen: Counter[int] = Counter()
        for key, its_hash in zip(keys, hashes, strict=True):
            if seen[its_hash]:
                self.comparisons_left -= seen[its_hash] * _cost_of_comparing(key)
            seen[its_hash] += 1
        if self.comparisons_left < 0:
            raise CodecError("too many keys of a dict share a hash")

    def _array(self, dtype: str, shape: list[object]) -> NDArray[numpy.generic]:
        lengths = [length for length in shape if type(length) is int and length >= 0]
        if dtype not in DTYPES or len(lengths) != len(shape) or len(shape) > 32:
            raise CodecError("an array of a dtype or shape that may not cross")
        import numpy  # only where an array arrives

        plain = numpy.dtype(dtype)
        # without elements it costs nothing here, but whoever sums over the other side pays
        if prod(max(length, 1) for length in lengths) * plain.itemsize > self.limits.total_bytes:
            raise CodecError("an array with sides that no array within the limit has")
        size = prod(lengths) * plain.itemsize
        large = size >= ALIGNED_BYTES
        if large and any(self._take(-self.position % ALIGNMENT)):
            raise CodecError("something before an array where nothing belongs")
        data = self._take(size)
        if plain.kind == "b" and data.nbytes and numpy.frombuffer(data, numpy.uint8).max() > 1:
            raise CodecError("an array of booleans other than 0 and 1")
        try:
            held = data if large and self.in_place else bytearray(data)
            return numpy.frombuffer(held, plain).reshape(lengths)
        except (ValueError, OverflowError):
            raise CodecError("an array of a shape that no array has") from None


_BLOBS: dict[int, Callable[[_Reader, int], object]] = {
    INTS: lambda reader, size: reader._run("q", size),
    FLOATS: lambda reader, size: reader._run("d", size),
    TEXT: _Reader._text,
    BYTES: lambda reader, size: bytes(reader._take(size)),
    BIG: _Reader._big,
    FLOAT: lambda reader, size: DOUBLE.unpack(reader._exactly(size, 8))[0],
    COMPLEX: lambda reader, size: complex(*PAIR.unpack(reader._exactly(size, 16))),
}
