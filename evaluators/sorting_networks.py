"""Comparator networks, and the exact verifier that one sorts.

A comparator (a, b), a < b, puts the lesser of two wires on a and the greater on b. A network is a
list of layers, and the comparators of one layer share no wire.

What `verify` establishes: the network sorts every input of every ordered type. How: a comparator
network sorts all inputs if it sorts all of zeros and ones (Knuth, The Art of Computer Programming
3, section 5.3.4, theorem Z). Up to 24 wires all 2^n of those are run, 64 in each machine word:
minimum and maximum of bits are `and` and `or`. Beyond, what can be on the wires at all is followed:
the set of distinct states after each comparator, kept apart for wires that no comparator has joined
yet, as those are independent. Networks that are any good have few states (28,224 where two sorters
of 16 wires begin with four layers each); one with more than can be followed is refused, not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluators.results import Invalid, Valid, Verifier

Layers = Sequence[Sequence[tuple[int, int]]]

MAX_WIRES = 64
_ALL_INPUTS = 24
"""Wires up to which all inputs are run: 2^24 through 276 comparators take a fifth of a second."""
_MAX_STATES = 1 << 20
_MAX_WORK = 30_000_000
"""States taken through comparators in one check: a third of a second."""
_STALE = 8
"""Comparators after which equal states are merged: sorting takes as long as several of them."""
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
    fault = (_fault_of_inputs if wires <= _ALL_INPUTS else fault_of_states)(wires, comparators)
    if fault is not None:
        return fault
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
    return len(in_layers(wires, comparators))


def in_layers(wires: int, comparators: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """The same network in layers, each comparator as early as its wires allow."""
    free = [0] * wires
    layers: list[list[tuple[int, int]]] = []
    for low, high in comparators:
        at = max(free[low], free[high])
        free[low] = free[high] = at + 1
        layers.extend([] for _ in range(at + 1 - len(layers)))
        layers[at].append((low, high))
    return layers


def without_idle(wires: int, comparators: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same network without comparators that exchange nothing on any input.

    By the 0-1 principle a comparator that leaves all zeros and ones as they are leaves everything.
    """
    idle = [True] * len(comparators)
    if wires > _ALL_INPUTS:
        found = _states(wires, comparators)
        assert not isinstance(found, Invalid), "only for networks that were verified"
        return [pair for pair, used in zip(comparators, found[1], strict=True) if used]
    for _, state in _blocks(wires):
        for index, (low, high) in enumerate(comparators):
            least = state[low] & state[high]
            if idle[index] and (state[low] != least).any():
                idle[index] = False
            state[high] |= state[low]
            state[low] = least
    return [pair for pair, unused in zip(comparators, idle, strict=True) if not unused]


def apply(comparators: Sequence[tuple[int, int]], values: Sequence[int]) -> list[int]:
    """What the network makes of one input: slow and obvious."""
    wires = list(values)
    for low, high in comparators:
        wires[low], wires[high] = min(wires[low], wires[high]), max(wires[low], wires[high])
    return wires


def _blocks(wires: int) -> Iterator[tuple[int, list[NDArray[np.uint64]]]]:
    """All inputs of zeros and ones in blocks: the first word's number, and the words of each wire.

    Bit t of word w belongs to the input whose bits are those of the integer 64 w + t.
    """
    words = 1 << max(wires - 6, 0)
    for first in range(0, words, _BLOCK):
        index = np.arange(first, min(first + _BLOCK, words), dtype=np.uint64)
        state = [np.full(len(index), pattern, dtype=np.uint64) for pattern in _PATTERNS[:wires]]
        for wire in range(6, wires):
            state.append(-(index >> np.uint64(wire - 6) & np.uint64(1)))
        if wires < 6:
            # one word has room for more inputs than there are: the rest are zeros throughout
            state = [word & np.uint64((1 << (1 << wires)) - 1) for word in state]
        yield first, state


def _fault_of_inputs(wires: int, comparators: Sequence[tuple[int, int]]) -> Invalid | None:
    """Runs all inputs of zeros and ones."""
    unsorted = _unsorted(wires, comparators)
    if unsorted is None:
        return None
    before = [unsorted >> wire & 1 for wire in range(wires)]
    after = apply(comparators, before)
    return Invalid(f"it takes {_bits(before)} to {_bits(after)}, which is not sorted")


def fault_of_states(wires: int, comparators: Sequence[tuple[int, int]]) -> Invalid | None:
    """What is wrong with a network, by following the states that zeros and ones can lead to."""
    found = _states(wires, comparators)
    if isinstance(found, Invalid):
        return found
    ends = found[0]
    # sorted: the ones are on the last wires, so adding the lowest of them carries out at the top
    whole = np.uint64((1 << wires) - 1)
    wrong = (ends + (ends & -ends)) & whole != 0
    if not wrong.any():
        return None
    end = int(ends[int(wrong.argmax())])
    after = _bits([end >> wire & 1 for wire in range(wires)])
    return Invalid(f"an input of zeros and ones comes out as {after}, which is not sorted")


def _states(
    wires: int, comparators: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.uint64], list[bool]] | Invalid:
    """What inputs of zeros and ones come out as, a bit a wire, and which comparators exchange.

    Where wires are never joined, some of the outcomes: enough to hold one that is not sorted.
    """
    groups = [[wire] for wire in range(wires)]
    states = [np.array([0, 1 << wire], dtype=np.uint64) for wire in range(wires)]
    of = list(range(wires))
    stale = [0] * wires
    used = [False] * len(comparators)
    work = 0

    def cost(index: int) -> int:
        low, high = comparators[index]
        return 0 if of[low] == of[high] else len(states[of[low]]) * len(states[of[high]])

    for index in _in_order(wires, comparators, cost):
        low, high = comparators[index]
        at, other = of[low], of[high]
        if at != other:
            first, second = _distinct(states[at]), _distinct(states[other])
            if len(first) * len(second) > _MAX_STATES:
                return _too_many()
            states[at], states[other] = (first[:, None] | second).ravel(), first[:0]
            for wire in groups[other]:
                of[wire] = at
            groups[at] += groups[other]
            groups[other] = []
        found = states[at]
        work += len(found)
        if work > _MAX_WORK:
            return _too_many()
        swapped = (found >> np.uint64(low)) & ~(found >> np.uint64(high)) & np.uint64(1)
        used[index] = bool(swapped.any())
        found ^= (swapped << np.uint64(low)) | (swapped << np.uint64(high))
        stale[at] += 1
        if stale[at] >= _STALE:
            states[at], stale[at] = _distinct(found), 0
    together = [group for group in groups if group]
    if len(together) == 1:
        return states[of[0]], used
    # ones on all wires of one group and none elsewhere: for two groups not both can be sorted
    masks = [sum(1 << wire for wire in group) for group in together]
    return np.array(masks, dtype=np.uint64), used


def _in_order(
    wires: int, comparators: Sequence[tuple[int, int]], cost: Callable[[int], int]
) -> Iterator[int]:
    """The comparators by index, on each wire in their order, and else the one of least cost next.

    Comparators without a common wire may change places, and joining late keeps states few.
    """
    waiting: list[list[int]] = [[] for _ in range(wires)]
    for index in reversed(range(len(comparators))):
        for wire in comparators[index]:
            waiting[wire].append(index)
    for _ in comparators:
        ready = [
            queue[-1]
            for wire, queue in enumerate(waiting)
            if queue
            and wire == comparators[queue[-1]][0]
            and waiting[comparators[queue[-1]][1]][-1] == queue[-1]
        ]
        index = min(ready, key=cost)
        for wire in comparators[index]:
            waiting[wire].pop()
        yield index


def _distinct(states: NDArray[np.uint64]) -> NDArray[np.uint64]:
    states = np.sort(states)
    kept = np.ones(len(states), dtype=np.bool_)
    np.not_equal(states[1:], states[:-1], out=kept[1:])
    return states[kept]


def _too_many() -> Invalid:
    return Invalid(
        f"not checked: with over {_ALL_INPUTS} wires the states that inputs can lead to are "
        f"followed, and here they are over {_MAX_STATES}, or {_MAX_WORK:.0e} in all"
    )


def _unsorted(wires: int, comparators: Sequence[tuple[int, int]]) -> int | None:
    """An input of zeros and ones, as the integer of its bits, that does not come out sorted."""
    for first, state in _blocks(wires):
        spare = np.empty_like(state[0])
        for low, high in comparators:
            np.bitwise_and(state[low], state[high], out=spare)
            np.bitwise_or(state[low], state[high], out=state[high])
            state[low], spare = spare, state[low]
        wrong = np.zeros_like(spare)
        for low in range(wires - 1):
            wrong |= state[low] & ~state[low + 1]
        if wrong.any():
            at = int((wrong != 0).argmax())
            bits = int(wrong[at])
            return (first + at) * 64 + (bits & -bits).bit_length() - 1
    return None


def _bits(values: Sequence[int]) -> str:
    return "".join(map(str, values))


_PAIR = re.compile(r"[\[(] {0,9}([0-9]{1,3}) {0,9}[,:] {0,9}([0-9]{1,3}) {0,9}[\])]")
_REST = re.compile(r"[\[\](), ]*")
_CLAIMS = {"L": "size", "D": "depth"}


def check(data: object) -> Valid | Invalid:
    """Checks {"wires": n, "layers": [[[a, b], ...], ...]}, which may be anything.

    `size` and `depth` in the data are claims: they must be the number of comparators, and the
    number of layers or what they come to when drawn together.
    """
    if not isinstance(data, dict) or "layers" not in data:
        return Invalid('expected an object with the keys "wires" and "layers"')
    wires = data.get("wires", data.get("n"))
    if data.get("n", wires) != wires:
        return Invalid(f"wires is {str(wires)[:40]}, and n is {str(data['n'])[:40]}")
    result = verify(wires, data["layers"])
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
    """A network as a JSON object or list, as {"N", "nw"}, or as text with a layer a line."""
    if isinstance(content, str):
        content = _layers_of(content)
    if isinstance(content, list) and content and all(isinstance(x, list) for x in content):
        if all(len(x) == 2 and all(type(wire) is int for wire in x) for x in content):
            content = [[pair] for pair in content]
        wires = [w for layer in content for pair in layer if isinstance(pair, list) for w in pair]
        if not wires or any(type(wire) is not int for wire in wires):
            return None
        return {"network": {"wires": max(wires) + 1, "layers": content}}
    if isinstance(content, dict) and "layers" in content:
        return {"network": content}
    if isinstance(content, dict) and isinstance(content.get("nw"), list):
        flat = {"wires": content.get("N"), "layers": [[pair] for pair in content["nw"]]}
        return {"network": flat | {_CLAIMS[x]: content[x] for x in "LD" if x in content}}
    return None


def _layers_of(text: str) -> list[list[list[int]]] | None:
    """A layer a line, such as [(0,1),(2,3)]; lines that begin with a letter or # say what it is."""
    layers = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line[0].isalpha() or line[0] == "#":
            continue
        if len(line) > 10_000 or _REST.fullmatch(_PAIR.sub("", line)) is None:
            return None
        layers.append([[int(a), int(b)] for a, b in _PAIR.findall(line)])
    return layers or None


sorting_network = Verifier(
    name="sorting_network",
    version="3",
    objective="size",
    direction="min",
    check=check,
    published=published,
)
