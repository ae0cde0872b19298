"""What crosses crosses exactly; hostile bytes are refused cheaply."""

from __future__ import annotations

import math
import re
import struct
import subprocess
import sys
import time
from contextlib import suppress
from enum import IntEnum
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import CodecError, CodecLimits, decode, encode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary() | st.fractions(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
NUMBERS = st.integers() | st.integers(-(2**64), 2**64) | st.floats() | st.complex_numbers()
VALUES = st.recursive(
    KEYS | NUMBERS | st.lists(st.floats(), min_size=8) | st.lists(st.integers(), min_size=8),
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=30,
)


def same(a: object, b: object) -> bool:
    """Equal in type and value, bit for bit where they are floats."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    return a == b


@given(VALUES)
def test_what_is_encoded_comes_back_exactly(value: object) -> None:
    assert same(decode(encode(value)), value)


@given(st.integers(0, 2**64 - 1))
def test_every_bit_pattern_of_a_float_crosses(bits: int) -> None:
    (value,) = struct.unpack("<d", struct.pack("<Q", bits))
    assert same(decode(encode(value)), value)
    assert same(decode(encode([value] * 9)), [value] * 9)


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u8", "i4", "f2", "f4", "f8", "c8", "c16", ">i4", ">f8"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_arrays_cross_with_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    back = decode(encode(array))
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype.newbyteorder("<")
    assert back.shape == shape
    assert (back == array).all()
    assert back.flags.writeable


def test_arrays_that_are_views_cross() -> None:
    array = np.arange(24.0).reshape(4, 6)[::2, ::-3].T
    back = decode(encode(array))
    assert isinstance(back, np.ndarray)
    assert (back == array).all()


class Colour(IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, 3),
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.int16(-3), -3),
        (np.bool_(True), True),
        (np.complex64(1j), 1j),
        (np.str_("x"), "x"),
        (type("L", (list,), {})([1, 2]), [1, 2]),
        (type("D", (dict,), {})({1: 2}), {1: 2}),
    ],
)
def test_subclasses_and_numpy_scalars_become_plain(value: object, plain: object) -> None:
    assert same(decode(encode(value)), plain)
    assert same(decode(encode([value] * 9)), [plain] * 9)


@pytest.mark.parametrize("kind", [np.matrix, np.ma.MaskedArray, np.memmap, np.recarray])
def test_arrays_with_methods_of_their_own_become_plain(kind: type[np.ndarray]) -> None:
    decoded = decode(encode(np.eye(3).view(kind)))
    assert type(decoded) is np.ndarray
    assert decoded.tolist() == np.eye(3).tolist()


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        object(),
        (i for i in range(3)),
        range(3),
        len,
        int,
        np.array([object()]),
        np.array(["x"]),
        np.zeros(2, dtype=[("a", "i4")]),
        np.longdouble(1),
        "\ud800",
        1 << (1 << 20),
        Fraction(1, 1 << 40000),
        bytearray(b"x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused_with_a_reason(value: object) -> None:
    with pytest.raises(CodecError, match=r"."):
        encode(value)


def test_an_integer_beyond_what_str_accepts_crosses() -> None:
    assert decode(encode(10**10000)) == 10**10000


def test_a_list_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(CodecError, match="nested deeper"):
        encode(loop)


def test_limits_are_those_given() -> None:
    limits = CodecLimits(total_bytes=1000, depth=2)
    assert decode(encode([[1]], limits), limits) == [[1]]
    with pytest.raises(CodecError, match="nested"):
        encode([[[1]]], limits)
    with pytest.raises(CodecError, match="nested"):
        decode(encode([[[1]]]), limits)
    with pytest.raises(CodecError, match="bytes"):
        encode(bytes(1001), limits)
    with pytest.raises(CodecError, match="bytes"):
        decode(encode(bytes(1001)), limits)


def framed(skeleton: bytes, blobs: bytes = b"") -> bytes:
    return struct.pack("<I", len(skeleton)) + skeleton + blobs


HOSTILE = {
    "nothing": b"",
    "half a header": b"\0\0",
    "a skeleton that claims gigabytes": struct.pack("<I", 2**32 - 1) + b"1",
    "an empty skeleton": framed(b""),
    "not JSON": framed(b"nul"),
    "two values": framed(b"1 2"),
    "bytes behind the value": framed(b"1", b"x"),
    "not ASCII": framed('"é"'.encode()),
    "a text that hides outside ASCII": framed(b'"\\u00e9"'),
    "a lone surrogate": framed(b'"\\ud800"'),
    "NaN by name": framed(b"NaN"),
    "infinity by name": framed(b"-Infinity"),
    "an object": framed(b"{}"),
    "an object with a repeated key": framed(b'[0,{"a":1,"a":2}]'),
    "an array without a tag": framed(b"[]"),
    "an array whose tag is a text": framed(b'["0"]'),
    "an array whose tag is a bool": framed(b"[false]"),
    "an array whose tag is a float": framed(b"[0.0]"),
    "an unknown tag": framed(b"[99,1]"),
    "a negative tag": framed(b"[-1]"),
    "a blob of a negative size": framed(b"[6,-1]"),
    "a blob of a fractional size": framed(b"[6,1.0]", b"x"),
    "a blob of a boolean size": framed(b"[6,true]", b"x"),
    "a blob of a huge size": framed(b"[6,99999999999999999999]"),
    "a blob without a size": framed(b"[6]"),
    "a text that is not utf-8": framed(b"[5,2]", b"\xff\xff"),
    "a text with a surrogate in utf-8": framed(b"[5,3]", b"\xed\xa0\x80"),
    "a run with a broken end": framed(b"[3,9]", bytes(9)),
    "a float of three bytes": framed(b"[8,3]", bytes(3)),
    "a complex of nine bytes": framed(b"[9,9]", bytes(9)),
    "a fraction over nothing": framed(b"[10,1,1]", b"\1\0"),
    "a fraction over less than nothing": framed(b"[10,1,1]", b"\1\xff"),
    "a fraction too long": framed(b"[10,5000,1]", bytes(5000) + b"\1"),
    "an integer too long": framed(b"[7,70000]", bytes(70000)),
    "a dict with half a pair": framed(b"[2,1]"),
    "a dict with a duplicate key": framed(b"[2,1,2,1,3]"),
    "a dict with keys that are equal": framed(b"[2,1,2,1.0,3]"),
    "a dict with a list as a key": framed(b"[2,[0],1]"),
    "a dict with a dict as a key": framed(b"[2,[2],1]"),
    "a dict with a list inside a key": framed(b"[2,[1,[0]],1]"),
    "a dict with an array as a key": framed(b'[2,[11,"<i8",1],1]', bytes(8)),
    "an array of objects": framed(b'[11,"|O",1]', bytes(8)),
    "an array of a dtype that is a program": framed(b'[11,"i8,(9999,9999)f8",1]', bytes(8)),
    "an array that claims too much": framed(b'[11,"<f8",1000000000]', bytes(8)),
    "an array whose size overflows": framed(b'[11,"<f8",4294967296,4294967296]', bytes(8)),
    "an array of a negative length": framed(b'[11,"<f8",-1,-1]', bytes(8)),
    "an empty array of an impossible shape": framed(b'[11,"<f8",0,9223372036854775807,2]'),
    "an array of forty dimensions": framed(b'[11,"<f8"' + b",1" * 40 + b"]", bytes(8)),
    "booleans that are neither": framed(b'[11,"|b1",1]', b"\2"),
    "digits": framed(b"1" * 100_000),
    "digits behind a point": framed(b"0." + b"1" * 100_000),
    "an exponent of many digits": framed(b"1e" + b"1" * 100_000),
    "deep nesting": framed(b"[0," * 100_000 + b"0" + b"]" * 100_000),
    "deep nesting of objects": framed(b'{"a":' * 100_000),
    "nodes": framed(b"[0" + b",[]" * 3_000_000 + b"]"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_refused_at_once(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(CodecError):
        decode(data)
    assert time.process_time() - start < 5


def test_keys_that_share_a_hash_are_refused_before_they_cost_anything() -> None:
    prime = (1 << 61) - 1
    some = {prime * k << 70: 0 for k in range(200)}
    assert decode(encode(some)) == some
    with pytest.raises(CodecError, match="share a hash"):
        decode(encode({prime * k << 70: 0 for k in range(5000)}))


def test_points_share_hashes_where_minus_one_and_minus_two_do_and_still_cross() -> None:
    points = dict.fromkeys(product(range(-2, 3), repeat=6), 0)
    assert decode(encode(points)) == points


@pytest.mark.parametrize("part", [Fraction(1, 3), 0.5, (0.5,)], ids=repr)
def test_what_colliding_keys_cost_is_counted_over_all_dicts(part: object) -> None:
    prime = (1 << 61) - 1
    keys = [(*[part] * 100, prime * k << 70) for k in range(40)]
    made = dict.fromkeys(keys, 0)
    assert decode(encode(made)) == made
    with pytest.raises(CodecError, match="share a hash"):
        decode(encode([made] * 40))


@given(VALUES, st.data())
@settings(max_examples=300)
def test_damaged_bytes_decode_or_are_refused_but_nothing_else(
    value: object, data: st.DataObject
) -> None:
    raw = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(raw)))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "drop"])):
            case "flip" if where < len(raw):
                raw[where] = data.draw(st.integers(0, 255))
            case "cut":
                del raw[where:]
            case "insert":
                raw[where:where] = data.draw(
                    st.binary(max_size=4) | st.sampled_from([b"[", b",", b"9"])
                )
            case "drop":
                del raw[where : where + 1]
    try:
        again = decode(raw)
    except CodecError:
        return
    assert same(decode(encode(again)), again)


@given(st.lists(st.sampled_from([0, 3, 65535, 65536, 70001]), max_size=3), st.data())
@settings(max_examples=60)
def test_damaged_arrays_decode_in_place_as_elsewhere(sizes: list[int], data: st.DataObject) -> None:
    raw = bytearray(
        encode([np.ones(size, data.draw(st.sampled_from(["?", "u1", "i1"]))) for size in sizes])
    )
    for _ in range(data.draw(st.integers(0, 3))):
        # its head, the padding before an array, or its last bytes
        raw[
            data.draw(st.integers(0, min(len(raw), 100) - 1)) * data.draw(st.sampled_from([1, -1]))
        ] = data.draw(st.integers(0, 255))
    try:
        expected = decode(raw)
    except CodecError as error:
        with pytest.raises(CodecError, match=f"^{re.escape(str(error))}$"):
            decode(raw, in_place=True)
        return
    there = bytearray(raw)
    found = decode(there, in_place=True)
    assert encode(found) == encode(expected)
    large = [part for part in found if part.nbytes >= 1 << 16] if isinstance(found, list) else []
    for part in large:
        assert part.flags.aligned
        assert np.shares_memory(part, np.frombuffer(there, "u1"))


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(raw: bytes) -> None:
    for data in (raw, framed(raw)):
        with suppress(CodecError):
            decode(data)


_GREEDY = """
import resource, struct, sys
from sandbox.codec import decode, CodecError, CodecLimits
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = 4 << 20
limits = CodecLimits(total_bytes=size)
nodes = size // 8 - 10
framed = lambda s: struct.pack("<I", len(s)) + s
for data in (
    framed(b"[0" + b",[0]" * (nodes // 2) + b"]"),
    framed(b"[0" + b',"abc"' * nodes + b"]"),
    framed(b"[0" + b",1.5e10" * nodes + b"]"),
    framed(b"[0" + b",[1]" * (nodes // 2) + b"]"),
    framed(b"[2" + b"".join(b",%d,0" % i for i in range(nodes // 2)) + b"]"),
    framed(b"[3,%d]" % (size - 64)) + b"\\x7f" * (size - 64),
    framed(b"[0" + b",[10,4,4]" * (nodes // 4) + b"]") + b"\\1\\0\\0\\0" * (nodes // 2),
):
    try:
        decode(data, limits)
    except CodecError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / size)
"""


@pytest.mark.slow
def test_memory_stays_a_small_multiple_of_the_limit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _GREEDY], capture_output=True, text=True, check=True, timeout=400
    )
    assert float(done.stdout) < 20


def test_decoding_needs_no_numpy_unless_an_array_arrives() -> None:
    code = (
        "import sys; from sandbox.codec import encode, decode; decode(encode([1, 'x', {2: 3}]));"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sixty_levels_cross() -> None:
    deep: object = 0
    for _ in range(60):
        deep = [deep]
    assert same(decode(encode(deep)), deep)
