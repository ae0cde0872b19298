"""Annealing of instruction listings, compiled by numba: a library for candidates.

The sandbox's server runs this file once, so its compiled functions are there in every candidate. It
decides nothing: what a candidate hands over is proved elsewhere.

A program is an array (length, 3) of int64: operation, target register, source register. Its cost is
the number of values that are in the wrong place at the end, over all inputs given. What nothing set
holds a lane's filler, below all values in one lane and above them in the next. Inputs lie side by
side in bytes, so that one instruction on all of them is a few vector operations.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import int64, uint64

NAMES = ("mov", "cmp", "cmovl", "cmovg")
MOV, CMP, LESS, GREATER = range(4)


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


@numba.njit
def cost(program, inputs, expected, registers, flags):
    """Values out of place, over all inputs.

    Args:
        program: (length, 3), int64.
        inputs, expected: (n, lanes), int8.
        registers: (n + scratch, lanes), int8, overwritten.
        flags: (lanes,), int8, overwritten.
    """
    n, lanes = inputs.shape
    for i in range(len(registers)):
        for x in range(lanes):
            registers[i, x] = inputs[i, x] if i < n else np.int8(-100 if x & 1 else 100)
    for x in range(lanes):
        flags[x] = np.int8(-1 if x & 1 else 1)
    # rows are indexed in place: a view for each instruction cost as much as the instruction
    for k in range(len(program)):
        operation, target, source = program[k, 0], program[k, 1], program[k, 2]
        if operation == MOV:
            for x in range(lanes):
                registers[target, x] = registers[source, x]
        elif operation == CMP:
            for x in range(lanes):
                flags[x] = registers[target, x] - registers[source, x]
        elif operation == LESS:
            for x in range(lanes):
                moved, kept = registers[source, x], registers[target, x]
                registers[target, x] = moved if flags[x] < 0 else kept
        else:
            for x in range(lanes):
                moved, kept = registers[source, x], registers[target, x]
                registers[target, x] = moved if flags[x] > 0 else kept
    wrong = 0
    for i in range(n):
        for x in range(lanes):
            wrong += registers[i, x] != expected[i, x]
    return wrong


@numba.njit(inline="always")
def _instruction(program, k, count, state):
    while True:
        operation, target, source = _below(state, 4), _below(state, count), _below(state, count)
        if target != source:
            program[k, 0], program[k, 1], program[k, 2] = operation, target, source
            return


@numba.njit
def anneal(program, inputs, expected, scratch, steps, hot, cold, state):
    """Changes `program` in place by so many random steps; gives the least cost, and stops at 0.

    A step draws an instruction anew, changes its operation or one register, exchanges two, moves
    one elsewhere, or exchanges two registers from some line on. It is kept if the cost does not
    rise, or else with probability exp(-rise / temperature); temperatures fall from hot to cold.
    """
    n, lanes = inputs.shape
    count, length = n + scratch, len(program)
    registers = np.zeros((count, lanes), dtype=np.int8)
    flags = np.zeros(lanes, dtype=np.int8)
    before = program.copy()
    now = cost(program, inputs, expected, registers, flags)
    best, best_program = now, program.copy()
    for step in range(steps):
        if now == 0:
            break
        temperature = hot + (cold - hot) * step / steps
        before[:] = program
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
        then = cost(program, inputs, expected, registers, flags)
        if then <= now or _uniform(state) < math.exp((now - then) / temperature):
            now = then
            if now < best:
                best = now
                best_program[:] = program
        else:
            program[:] = before
    program[:] = best_program
    return best


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
    """Each input in two neighbouring lanes, and what sorting makes of them."""
    doubled = np.ascontiguousarray(np.repeat(orders, 2, axis=1))
    return doubled, np.sort(doubled, axis=0)


def sorts(program, orders, scratch: int) -> bool:
    """Whether a program sorts these inputs, and reads nothing before it is set."""
    inputs, expected = lanes(orders)
    n, count = inputs.shape
    if not _sets_before_it_reads(program, n):
        return False
    registers = np.empty((n + scratch, count), dtype=np.int8)
    return cost(program, inputs, expected, registers, np.empty(count, dtype=np.int8)) == 0


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
anneal(of_network([(0, 1)], 2), *lanes(_some), 1, 1, 1.0, 0.1, chance(0))
sorts(of_network([(0, 1)], 2), _some, 1)
