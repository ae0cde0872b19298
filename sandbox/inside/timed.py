"""The far side of timing: loads compiled functions and times them in turn. Holds no score.

Runs as a candidate, so nothing here is believed outside: the times are checked against another
clock, the outputs against their inputs. It has the standard library, and cffi to call addresses.

Machine code is copied into memory of our own instead of being loaded from a file, which gives the
choice of its address: any multiple of 64 bytes, drawn anew for each round.
"""

from __future__ import annotations

import mmap
import random
import struct
import time
from itertools import permutations
from typing import Any

from cffi import FFI

_ARENA = 1 << 20
_ALIGNMENT = 64
_PAGE = 4096
_ORDERS = tuple(permutations((0, 1, 2)))
_LOAD, _DYNSYM, _RELA = 1, 11, 4
_ABSOLUTE, _GLOBAL, _JUMP, _RELATIVE = 1, 6, 7, 8
_MOST_TRIES = 20
_LIBC = ("memcpy", "memmove", "memset")

_ffi = FFI()
_ffi.cdef(
    "void *memcpy(void *, const void *, size_t); void *memmove(void *, const void *, size_t);"
    "void *memset(void *, int, size_t);"
)
_libc = _ffi.dlopen(None)


def _address(pointer: Any) -> int:
    return int(_ffi.cast("uintptr_t", pointer))


class Image:
    """A shared object as bytes to be placed: its segments in order, relocations and symbols."""

    def __init__(self, data: bytes) -> None:
        offset, sections = struct.unpack_from("<QQ", data, 32)
        phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 54)
        self.size = 0
        self.segments = []
        for number in range(phnum):
            kind, _, at, address, _, filled, size, _ = struct.unpack_from(
                "<IIQQQQQQ", data, offset + number * phentsize
            )
            if kind == _LOAD:
                self.segments.append((address, data[at : at + filled]))
                self.size = max(self.size, address + size)
        self.symbols: dict[str, int] = {}
        self.relocations: list[tuple[int, int, str, int]] = []
        tables = [
            struct.unpack_from("<IIQQQQIIQQ", data, sections + number * shentsize)
            for number in range(shnum)
        ]
        names: list[tuple[str, int, bool]] = []
        for _, kind, _, _, at, size, link, _, _, _ in tables:
            if kind != _DYNSYM:
                continue
            strings = tables[link][4]
            for entry in range(at, at + size, 24):
                name_at, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", data, entry)
                start = strings + name_at
                name = data[start : data.index(b"\0", start)].decode()
                names.append((name, value if section else -1, info >> 4 == 2))
                if section:
                    self.symbols[name] = value
        for _, kind, flags, _, at, size, _, _, _, _ in tables:
            if kind != _RELA or not flags & 2:
                continue
            for entry in range(at, at + size, 24):
                where, info, addend = struct.unpack_from("<QQq", data, entry)
                which, symbol = info & 0xFFFFFFFF, info >> 32
                name, value, weak = names[symbol] if symbol else ("", 0, False)
                if which not in (_ABSOLUTE, _GLOBAL, _JUMP, _RELATIVE):
                    raise ValueError(f"a relocation of kind {which}")
                if value < 0 and not weak and name not in _LIBC:
                    raise ValueError(f"it needs {name!r} of another library")
                self.relocations.append((where, value, name, addend))


class Arena:
    """Memory that can be run, and images placed in it."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, _ARENA, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.base = _address(_ffi.from_buffer(self.memory))

    def place(self, images: list[Image], rng: random.Random) -> list[int]:
        """Copies images one behind the other, in any order and at any multiple of 64 bytes."""
        order = list(range(len(images)))
        rng.shuffle(order)
        at, placed = 0, [0] * len(images)
        for number in order:
            at += rng.randrange(4 * _PAGE // _ALIGNMENT) * _ALIGNMENT
            placed[number] = self._put(images[number], at)
            at += -(-images[number].size // _ALIGNMENT) * _ALIGNMENT
        return placed

    def _put(self, image: Image, at: int) -> int:
        if at + image.size > _ARENA:
            raise ValueError(f"code of {image.size} bytes does not fit")
        start = self.base + at
        self.memory[at : at + image.size] = bytes(image.size)
        for address, content in image.segments:
            self.memory[at + address : at + address + len(content)] = content
        for where, value, name, addend in image.relocations:
            if value >= 0:
                target = start + value + addend
            elif name in _LIBC:
                target = _address(getattr(_libc, name))
            else:
                target = 0
            struct.pack_into("<Q", self.memory, at + where, target)
        return start


_LOOP = "void (*)(void *, void *, void *, long, long)"


class Bench:
    """Candidate, baseline and the baseline's copy, each with a loop of its own that calls it.

    One loop for all would not do: a processor guesses the first target that a call site had faster
    than the others, and whichever function came first ran a third faster.
    """

    def __init__(self, loop: bytes, candidate: bytes, baseline: bytes, sizes: list[int]) -> None:
        self.item_in, self.item_out = sizes
        kernels = [Image(candidate), Image(baseline), Image(baseline)]
        self.images = [*kernels, *(Image(loop) for _ in kernels)]
        self.arena = Arena()
        self.move(random.Random(0))

    def move(self, rng: random.Random) -> None:
        placed = self.arena.place(self.images, rng)
        entries = [
            start + image.symbols["kernel" if number < 3 else "loop"]
            for number, (start, image) in enumerate(zip(placed, self.images, strict=True))
        ]
        self.kernels = [_ffi.cast("void *", entry) for entry in entries[:3]]
        self.loops = [_ffi.cast(_LOOP, entry) for entry in entries[3:]]

    def load(self, inputs: bytes) -> None:
        """Takes the items, each of `item_in` bytes, to an address on a page's start."""
        self.count = len(inputs) // self.item_in
        self.source = mmap.mmap(-1, max(len(inputs), 1) + _PAGE)
        self.source[: len(inputs)] = inputs
        self.target = mmap.mmap(-1, self.count * self.item_out + _PAGE)
        self.source_at = _ffi.from_buffer(self.source)
        self.target_at = _ffi.from_buffer(self.target)

    def run(self, which: int, repeats: int) -> int:
        """Nanoseconds of so many passes over the items.

        What a host took away, a virtual machine takes off the time that is used next, and a run may
        seem to take none at all; then another one counts.
        """
        loop, kernel = self.loops[which], self.kernels[which]
        source, target, count = self.source_at, self.target_at, self.count
        took = 0
        for _ in range(_MOST_TRIES):
            began = time.thread_time_ns()
            loop(kernel, source, target, count, repeats)
            took = time.thread_time_ns() - began
            if took > 0:
                break
        return took

    def outputs(self) -> bytes:
        return bytes(self.target[: self.count * self.item_out])


_bench: list[Bench] = []


def prepare(loop: bytes, candidate: bytes, baseline: bytes, sizes: list[int]) -> bool:
    """Loads the three images; `sizes` are the bytes of an item's input and output."""
    _bench[:] = [Bench(loop, candidate, baseline, sizes)]
    return True


def measure(
    inputs: bytes, repeats: int, blocks: int, seed: int
) -> tuple[list[int], list[int], list[bytes]]:
    """One round: nanoseconds of candidate, baseline and copy for each block, orders, outputs.

    The outputs are those of the last timed run of each.
    """
    bench, rng = _bench[0], random.Random(seed)
    bench.move(rng)
    bench.load(inputs)
    for which in (0, 1, 2):
        bench.run(which, max(1, repeats // 4))
    orders = [number for number in range(len(_ORDERS)) for _ in range(blocks)]
    rng.shuffle(orders)
    times: list[int] = []
    last = {}
    for number, order in enumerate(orders):
        found = [0, 0, 0]
        for which in _ORDERS[order]:
            found[which] = bench.run(which, repeats)
            if number == len(orders) - 1:
                last[which] = bench.outputs()
        times += found
    return times, orders, [last[which] for which in (0, 1, 2)]


def steady(which: int, repeats: int) -> int:
    """Nanoseconds of one long run over the items that are there."""
    return _bench[0].run(which, repeats)
