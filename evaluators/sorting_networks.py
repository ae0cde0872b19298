"""Comparator networks, and the exact verifier that one sorts.

A comparator (a, b), a < b, puts the lesser of two wires on a and the greater on b. A network is a
list of layers, and the comparators of one layer share no wire.

What `verify` establishes: the network sorts every input of every ordered type. How: a comparator
network sorts all inputs if it sorts all of zeros and ones (Knuth, The Art of Computer Programming
3, section 5.3.4, theorem Z), and all 2^n of those are run, 64 in each machine word: minimum and
maximum of bits are `and` and `or`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluators.results import Invalid, Valid, Verifier

Layers = Sequence[Sequence[tuple[int, int]]]

MAX_WIRES = 32
"""2^28 inputs take about a second, 2^32 some twenty."""
_BLOCK = 1 << 13
"""Words of one wire that are worked on at a time, so that all wires stay in the cache."""
_PATTERNS = (
    0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC, 0xF0F0F0F0F0F0F0F0,
    0xFF00FF00FF00FF00, 0xFFFF0000FFFF0000, 0xFFFFFFFF00000000,
)  # fmt: skip
"""Bit x of pattern i is bit i of x."""


def verify(wires: object, layers: object) -> Valid | Invalid:
    """Checks that a network sorts; the value is its size, the number of comparators.

    Args:
        wires: Their number, not trusted.
        layers: Lists of pairs of wires, not trusted.

    Metric `depth`: layers needed when each comparator comes as early as its wires allow.
    """
    if type(wires) is not int or not 1 <= wires <= MAX_WIRES:
        return Invalid(f"wires is {str(wires)[:40]}, expected an integer from 1 to {MAX_WIRES}")
    comparators = _comparators(wires, layers)
    if isinstance(comparators, Invalid):
        return comparators
    unsorted = _unsorted(wires, comparators)
    if unsorted is not None:
        before = [unsorted >> wire & 1 for wire in range(wires)]
        after = apply(comparators, before)
        return Invalid(f"it takes {_bits(before)} to {_bits(after)}, which is not sorted")
    return Valid(len(comparators), {"depth": depth(wires, comparators)}, facts={"wires": wires})


def _comparators(wires: int, layers: object) -> list[tuple[int, int]] | Invalid:
    if not isinstance(layers, list | tuple):
        return Invalid(f"layers is {type(layers).__name__}, expected a list of layers")
    most = wires * (wires - 1) // 2
    found: list[tuple[int, int]] = []
    for number, layer in enumerate(layers):
        if not isinstance(layer, list | tuple):
            return Invalid(f"layer {number} is {type(layer).__name__}, expected a list of pairs")
        busy: set[int] = set()
        for pair in layer:
            if (
                not isinstance(pair, list | tuple)
                or len(pair) != 2
                or any(type(wire) is not int for wire in pair)
            ):
                return Invalid(f"layer {number}: a comparator is a pair of wires")
            low, high = pair
            if not 0 <= low < wires or not 0 <= high < wires:
                return Invalid(f"layer {number}: a wire outside 0 to {wires - 1}")
            if low >= high:
                return Invalid(f"layer {number}: ({low}, {high}), expected the lower wire first")
            for wire in (low, high):
                if wire in busy:
                    return Invalid(f"layer {number}: wire {wire} is in two comparators")
                busy.add(wire)
            found.append((low, high))
            if len(found) > most:
                return Invalid(f"over {most} comparators, which any {wires} wires can do with")
    return found


def depth(wires: int, comparators: Sequence[tuple[int, int]]) -> int:
    """Layers needed when each comparator comes as early as its wires allow."""
    free = [0] * wires
    for low, high in comparators:
        free[low] = free[high] = max(free[low], free[high]) + 1
    return max(free)


def apply(comparators: Sequence[tuple[int, int]], values: Sequence[int]) -> list[int]:
    """What the network makes of one input: slow and obvious."""
    wires = list(values)
    for low, high in comparators:
        wires[low], wires[high] = min(wires[low], wires[high]), max(wires[low], wires[high])
    return wires


def _unsorted(wires: int, comparators: Sequence[tuple[int, int]]) -> int | None:
    """An input of zeros and ones, as the integer of its bits, that does not come out sorted."""
    words = 1 << max(wires - 6, 0)
    for first in range(0, words, _BLOCK):
        index = np.arange(first, min(first + _BLOCK, words), dtype=np.uint64)
        state: list[NDArray[np.uint64]] = []
        for wire in range(wires):
            if wire < 6:
                state.append(np.full(len(index), _PATTERNS[wire], dtype=np.uint64))
            else:
                state.append(-(index >> np.uint64(wire - 6) & np.uint64(1)))
        spare = np.empty_like(index)
        for low, high in comparators:
            np.bitwise_and(state[low], state[high], out=spare)
            np.bitwise_or(state[low], state[high], out=state[high])
            state[low], spare = spare, state[low]
        wrong = np.zeros_like(index)
        for low in range(wires - 1):
            wrong |= state[low] & ~state[low + 1]
        if wires < 6:
            wrong &= np.uint64((1 << (1 << wires)) - 1)
        if wrong.any():
            at = int((wrong != 0).argmax())
            bits = int(wrong[at])
            return (first + at) * 64 + (bits & -bits).bit_length() - 1
    return None


def _bits(values: Sequence[int]) -> str:
    return "".join(map(str, values))


_PAIR = re.compile(r"[\[(]\s*(\d{1,3})\s*,\s*(\d{1,3})\s*[\])]")
_LINE = re.compile(rf"\[?\s*({_PAIR.pattern}\s*,?\s*)*\]?\s*,?")


def check(data: object) -> Valid | Invalid:
    """Checks {"wires": n, "layers": [[[a, b], ...], ...]}, which may be anything.

    `size` and `depth` in the data are claims: they must be the number of comparators, and the
    number of layers or what they come to when drawn together.
    """
    if not isinstance(data, dict) or "layers" not in data:
        return Invalid('expected an object with the keys "wires" and "layers"')
    result = verify(data.get("wires", data.get("n")), data["layers"])
    if isinstance(result, Invalid):
        return result
    for name, true in (
        ("size", (result.value,)),
        ("depth", (result.metrics["depth"], len(data["layers"]))),
    ):
        if name in data and (type(data[name]) is not int or data[name] not in true):
            return Invalid(f"the {name} claimed is {str(data[name])[:40]}, it is {true[0]}")
    return result


def published(content: object) -> Mapping[str, object] | None:
    """A network as a JSON object, as a list of layers, or as text with a layer a line."""
    if isinstance(content, str):
        layers = []
        for line in filter(None, map(str.strip, content.splitlines())):
            if len(line) > 10_000 or _LINE.fullmatch(line) is None:
                return None
            layers.append([[int(a), int(b)] for a, b in _PAIR.findall(line)])
        content = layers
    if isinstance(content, list) and content and all(isinstance(x, list) for x in content):
        wires = [w for layer in content for pair in layer if isinstance(pair, list) for w in pair]
        if not wires or any(type(wire) is not int for wire in wires):
            return None
        return {"network": {"wires": max(wires) + 1, "layers": content}}
    if isinstance(content, dict) and "layers" in content:
        return {"network": content}
    return None


sorting_network = Verifier(
    name="sorting_network",
    version="1",
    objective="size",
    direction="min",
    check=check,
    published=published,
)
