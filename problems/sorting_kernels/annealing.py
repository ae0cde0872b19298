"""Annealing of instruction listings, compiled by numba: a library for candidates.

The sandbox's server runs this file once, so its compiled functions are there in every candidate. It
decides nothing: what a candidate hands over is proved elsewhere.

A program is an array (length, 3) of int64: operation, target register, source register. Its cost is
the number of values that are in the wrong place at the end, over all inputs given. What nothing set
holds a lane's filler, below all values in one lane and above them in the next. Inputs lie side by
side in words, a bit plane each, so that one instruction on 128 of them is a dozen operations.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import int64, uint64

NAMES = ("mov", "cmp", "cmovl", "cmovg")
MOV, CMP, LESS, GREATER = range(4)
PLANES = 4
"""Bits of a value; values are from 1 to 14, and fillers 0 and 15."""
HIGH = np.uint64(0x5555555555555555)
"""Lanes whose filler is above all values; in the others it is below."""
_WORDS = 2
"""Of 64 lanes, worked on at once."""


@numba.njit(inline="always")
def _draw(state):
    # xorshift128+, Vigna 2014
    a, b = state[0], state[1]
    state[0] = b
    a ^= a << uint64(23)
    state[1] = a ^ b ^ (a >> uint64(17)) ^ (b >> uint64(26))
    return state[1] + b


@numba.njit(inline="always")
def _below(state, bound):
    return int64(((_draw(state) >> uint64(32)) * uint64(bound)) >> uint64(32))


@numba.njit(inline="always")
def _uniform(state):
    return float(_draw(state) >> uint64(11)) * (1.0 / 9007199254740992.0)


@numba.njit(inline="always")
def _ones(word):
    word = word - ((word >> uint64(1)) & uint64(0x5555555555555555))
    word = (word & uint64(0x3333333333333333)) + ((word >> uint64(2)) & uint64(0x3333333333333333))
    word = (word + (word >> uint64(4))) & uint64(0x0F0F0F0F0F0F0F0F)
    return int64((word * uint64(0x0101010101010101)) >> uint64(56))


def planes(rows):
    """Bit planes of rows of values from 1 to 14, the highest bit first.

    Args:
        rows: (n, lanes), int8.

    Returns:
        (n, PLANES, words), uint64; lanes behind the last are the first ones again.
    """
    lanes = rows.shape[1]
    chosen = rows[:, np.arange(-(-lanes // (64 * _WORDS)) * 64 * _WORDS) % lanes]
    bits = [np.packbits(chosen >> p & 1, axis=1, bitorder="little") for p in range(PLANES)]
    return np.ascontiguousarray(np.stack(bits[::-1], axis=1)).view(np.uint64)


@numba.njit
def cost(program, inputs, expected, registers):
    """Values out of place, over all inputs.

    Args:
        program: (length, 3), int64.
        inputs, expected: (n, PLANES, words), uint64, by `planes`.
        registers: (n + scratch, PLANES, 2), uint64, overwritten.
    """
    n, _, words = inputs.shape
    wrong = 0
    for first in range(0, words, _WORDS):
        for i in range(len(registers)):
            for p in range(PLANES):
                for w in range(_WORDS):
                    registers[i, p, w] = inputs[i, p, first + w] if i < n else HIGH
        less0 = less1 = ~HIGH
        more0 = more1 = HIGH
        for k in range(len(program)):
            operation = program[k, 0]
            x, y = registers[uint64(program[k, 1])], registers[uint64(program[k, 2])]
            if operation == MOV:
                for p in range(PLANES):
                    x[p, 0], x[p, 1] = y[p, 0], y[p, 1]
            elif operation == CMP:
                less0 = less1 = more0 = more1 = uint64(0)
                same0 = same1 = ~uint64(0)
                for p in range(PLANES):
                    a0, a1, b0, b1 = x[p, 0], x[p, 1], y[p, 0], y[p, 1]
                    less0 |= same0 & ~a0 & b0
                    less1 |= same1 & ~a1 & b1
                    more0 |= same0 & a0 & ~b0
                    more1 |= same1 & a1 & ~b1
                    same0 &= ~(a0 ^ b0)
                    same1 &= ~(a1 ^ b1)
            else:
                moves0, moves1 = (less0, less1) if operation == LESS else (more0, more1)
                for p in range(PLANES):
                    x[p, 0] ^= (x[p, 0] ^ y[p, 0]) & moves0
                    x[p, 1] ^= (x[p, 1] ^ y[p, 1]) & moves1
        for i in range(n):
            for w in range(_WORDS):
                differs = uint64(0)
                for p in range(PLANES):
                    differs |= registers[i, p, w] ^ expected[i, p, first + w]
                wrong += _ones(differs)
    return wrong


@numba.njit(inline="always")
def _instruction(program, k, count, state):
    while True:
        operation, target, source = _below(state, 4), _below(state, count), _below(state, count)
        if target != source:
            program[k, 0], program[k, 1], program[k, 2] = operation, target, source
            return


@numba.njit
def _anneal(program, inputs, expected, scratch, steps, hot, cold, state):
    count, length = len(inputs) + scratch, len(program)
    registers = np.zeros((count, PLANES, _WORDS), dtype=np.uint64)
    # copied by loops: a slice that is assigned to cost as much as half of a program's run
    flat, size = program.reshape(-1), 3 * length
    kept = flat.copy()
    now = cost(program, inputs, expected, registers)
    best, best_program = now, flat.copy()
    for step in range(steps):
        if now == 0:
            break
        temperature = hot + (cold - hot) * step / steps
        for at in range(size):
            kept[at] = flat[at]
        choice, k = _below(state, 16), _below(state, length)
        if choice < 4:
            _instruction(program, k, count, state)
        elif choice < 6:
            program[k, 0] = _below(state, 4)
        elif choice < 9:
            program[k, 1 + _below(state, 2)] = _below(state, count)
        elif choice < 12:
            j = _below(state, length)
            for part in range(3):
                held = program[k, part]
                program[k, part] = program[j, part]
                program[j, part] = held
        elif choice < 15:
            j = _below(state, length)
            first, second, third = program[k, 0], program[k, 1], program[k, 2]
            way = 1 if k < j else -1
            at = k
            while at != j:
                for part in range(3):
                    program[at, part] = program[at + way, part]
                at += way
            program[j, 0], program[j, 1], program[j, 2] = first, second, third
            if choice == 12:
                _instruction(program, j, count, state)
        else:
            one, other = _below(state, count), _below(state, count)
            for at in range(k, length):
                for part in (1, 2):
                    if program[at, part] == one:
                        program[at, part] = other
                    elif program[at, part] == other:
                        program[at, part] = one
        then = cost(program, inputs, expected, registers)
        if then <= now or _uniform(state) < math.exp((now - then) / temperature):
            now = then
            if now < best:
                best = now
                for at in range(size):
                    best_program[at] = flat[at]
        else:
            for at in range(size):
                flat[at] = kept[at]
    for at in range(size):
        flat[at] = best_program[at]
    return best


def anneal(program, inputs, expected, scratch, steps, hot, cold, state):
    """Changes `program` in place by so many random steps; gives the least cost, and stops at 0.

    A step draws an instruction anew, changes its operation or one register, exchanges two, moves
    one elsewhere, or exchanges two registers from some line on. It is kept if the cost does not
    rise, or else with probability exp(-rise / temperature); temperatures fall from hot to cold.

    Args:
        inputs, expected: (n, lanes), int8, values from 1 to 14.
    """
    rows = planes(inputs), planes(expected)
    return _anneal(program, *rows, scratch, steps, hot, cold, state)


def chance(seed: int):
    """State of a generator."""
    return np.random.SeedSequence(seed).generate_state(2, np.uint64) | np.uint64(1)


def weak_orders(n: int):
    """An input of each weak order of n values: (n, count), int8, ranks from 1 on."""
    found = [((), 0)]
    for _ in range(n):
        grown = []
        for ranks, top in found:
            for rank in range(1, top + 1):
                grown.append(((*ranks, rank), top))
            for rank in range(1, top + 2):
                moved = tuple(r + (r >= rank) for r in ranks)
                grown.append(((*moved, rank), top + 1))
        found = grown
    return np.array([ranks for ranks, _ in found], dtype=np.int8).T.copy()


def lanes(orders):
    """Each input in two neighbouring lanes, and what sorting makes of them, as bit planes."""
    if not _last or not np.array_equal(_last[0], orders):
        doubled = np.repeat(orders, 2, axis=1)
        _last[:] = [orders.copy(), planes(doubled), planes(np.sort(doubled, axis=0))]
    return _last[1], _last[2]


_last = []
"""The orders that were asked for last, and their lanes: a search asks for the same ones."""


def sorts(program, orders, scratch: int) -> bool:
    """Whether a program sorts these inputs, and reads nothing before it is set."""
    inputs, expected = lanes(orders)
    n = len(inputs)
    if not _sets_before_it_reads(program, n):
        return False
    registers = np.empty((n + scratch, PLANES, _WORDS), dtype=np.uint64)
    return cost(program, inputs, expected, registers) == 0


def _sets_before_it_reads(program, n: int) -> bool:
    known, flags = set(range(n)), False
    for operation, target, source in program.tolist():
        if source not in known or (operation != MOV and target not in known):
            return False
        if operation in (LESS, GREATER) and not flags:
            return False
        known.add(target)
        flags = flags or operation == CMP
    return True


def listing(program) -> list[str]:
    """A program as text, one instruction a line."""
    return [f"{NAMES[o]} r{a} r{b}" for o, a, b in program.tolist()]


def of_network(comparators, n: int):
    """The program of a comparator network: four instructions a comparator, one scratch register."""
    lines = []
    for low, high in comparators:
        lines += [(MOV, n, low), (CMP, high, low), (LESS, low, high), (LESS, high, n)]
    return np.array(lines, dtype=np.int64).reshape(-1, 3)


# compiled where the server starts, not in a candidate's time
_some = weak_orders(2)
anneal(of_network([(0, 1)], 2), _some, np.sort(_some, axis=0), 1, 1, 1.0, 0.1, chance(0))
sorts(of_network([(0, 1)], 2), _some, 1)
