"""What a hash of 9 to 16 bytes must hold, tested on the checked C itself: constraints, no score.

Bounds lie six standard deviations and more from what a random function does, so a good hash fails
about once in a million evaluations by chance.
"""

from __future__ import annotations

from math import e, sqrt

import numpy as np
from numpy.typing import NDArray

from evaluators.kernel_c_run import run
from evaluators.kernel_c_types import Kernel

Words = NDArray[np.uint64]
_LENGTHS = range(9, 17)
_KEYS = 4096
MOST_BIAS = 0.05
"""Of the chance that an output bit changes with an input bit; 6.4 standard deviations."""
_BUCKET_BITS = 14


def words(keys: NDArray[np.uint8]) -> tuple[Words, Words, Words]:
    """First and last eight bytes, little endian, and the length; keys is (count, length), uint8."""
    first = np.ascontiguousarray(keys[:, :8]).view("<u8").ravel().astype(np.uint64)
    last = np.ascontiguousarray(keys[:, -8:]).view("<u8").ravel().astype(np.uint64)
    return first, last, np.full(len(keys), keys.shape[1], dtype=np.uint64)


def hashed(kernel: Kernel, keys: NDArray[np.uint8]) -> Words:
    """Hashes of keys of one length."""
    found, _ = run(kernel, words(keys))
    return np.broadcast_to(found, (len(keys),)).astype(np.uint64)


def fault(kernel: Kernel, rng: np.random.Generator) -> str:
    """The first test it fails, in one line; empty where it passes all."""
    for length in _LENGTHS:
        keys = rng.integers(0, 256, size=(_KEYS, length), dtype=np.uint8)
        before = hashed(kernel, keys)
        for bit in range(8 * length):
            flipped = keys.copy()
            flipped[:, bit // 8] ^= np.uint8(1 << bit % 8)
            changed = (hashed(kernel, flipped) ^ before).astype("<u8").view(np.uint8)
            share = np.unpackbits(changed.reshape(-1, 8), axis=1, bitorder="little").mean(axis=0)
            worst = int(np.abs(share - 0.5).argmax())
            if abs(share[worst] - 0.5) > MOST_BIAS:
                return (
                    f"avalanche, {length} bytes: with input bit {bit} output bit {worst} changes "
                    f"in {share[worst]:.0%} of keys, expected 45 to 55 %"
                )
    for name, keys in _structured(rng):
        found = hashed(kernel, keys)
        if len(np.unique(found)) < len(found):
            return f"{name}: {len(found) - len(np.unique(found))} of {len(found)} hashes collide"
        for end, buckets in (
            ("low", found & np.uint64((1 << _BUCKET_BITS) - 1)),
            ("high", found >> np.uint64(64 - _BUCKET_BITS)),
        ):
            count = 1 << _BUCKET_BITS
            load = len(found) / count
            expected = count * (1 - e**-load)
            deviation = sqrt(count * (e**-load - (1 + load) * e ** (-2 * load)))
            filled = len(np.unique(buckets))
            if filled < expected - 6 * deviation:
                return f"{name}: the {end} {_BUCKET_BITS} bits fill {filled} buckets, a random " \
                    f"function about {expected:.0f}"  # fmt: skip
    lengths = [
        hashed(kernel, np.full((1, length), byte, dtype=np.uint8))[0]
        for length in range(9, 17)
        for byte in (0, 97)
    ]
    if len(set(lengths)) < len(lengths):
        return "keys of one byte repeated collide across lengths"
    return ""


def _structured(rng: np.random.Generator) -> list[tuple[str, NDArray[np.uint8]]]:
    numbers = np.arange(1 << _BUCKET_BITS)
    start = int(rng.integers(10**8))
    text = [f"id:{start + int(n):09d}".encode() for n in numbers]
    bits = np.zeros((128 * 127 // 2, 16), dtype=np.uint8)
    pairs = [(a, b) for a in range(128) for b in range(a)]
    for row, (a, b) in enumerate(pairs):
        bits[row, a // 8] ^= 1 << a % 8
        bits[row, b // 8] ^= 1 << b % 8
    packed = np.zeros((len(numbers), 16), dtype=np.uint8)
    packed[:, :4] = numbers.astype("<u4").view(np.uint8).reshape(-1, 4)
    packed[:, 12:] = packed[:, :4]
    return [
        ("numbers as text", np.array([list(key) for key in text], dtype=np.uint8)),
        ("two bits set", bits),
        ("two counters", packed),
    ]
