"""Sorting kernels: networks by greed, then instructions taken away by annealing."""

import random
import time
from itertools import combinations

import numpy as np
from annealing import anneal, chance, listing, of_network, sorts, weak_orders

# EVOLVE-BLOCK-START

SCRATCH = 1
STEPS = 50_000
HOT = 1.0
COLD = 0.05
INPUTS = 128  # that annealing looks at, of all weak orders
NETWORKS = 30
BEHIND = 1  # instructions that a network may be behind the best


def network(n, rng):
    """Comparators that sort, each the one after which the fewest outputs of 0s and 1s are left."""
    left = set(range(1 << n))
    found = []
    while len(left) > n + 1:
        choices = []
        for low, high in combinations(range(n), 2):
            after = {
                x ^ (1 << low | 1 << high) if x >> low & 1 and not x >> high & 1 else x
                for x in left
            }
            choices.append((len(after) + rng.random(), (low, high), after))
        _, pair, left = min(choices)
        found.append(pair)
    return found


def shortened(program, orders):
    """Without instructions that change nothing."""
    k = 0
    while k < len(program):
        child = np.delete(program, k, axis=0)
        if sorts(child, orders, SCRATCH):
            program, k = child, 0
        else:
            k += 1
    return program


def search(n, seed, seconds):
    deadline = time.monotonic() + seconds
    rng, state = random.Random(seed), chance(seed)
    best = []
    for _ in range(NETWORKS if n < 7 else 5):
        made = of_network(network(n, rng), n)
        if not best or len(made) < len(best[0]):
            best = []
        if not best or len(made) == len(best[0]):
            best.append(made)
    orders = weak_orders(n)
    pick = np.random.default_rng(seed).permutation(orders.shape[1])[:INPUTS]
    inputs = np.ascontiguousarray(orders[:, pick])
    expected = np.sort(inputs, axis=0)
    while time.monotonic() < deadline:
        # each network goes its own way down, until it is left behind
        line = rng.randrange(len(best))
        child = np.delete(best[line], rng.randrange(len(best[line])), axis=0)
        if anneal(child, inputs, expected, SCRATCH, STEPS, HOT, COLD, state):
            continue
        if sorts(child, orders, SCRATCH):
            best[line] = shortened(child, orders)
            least = min(map(len, best))
            best = [program for program in best if len(program) <= least + BEHIND]
    return min(best, key=len)


# EVOLVE-BLOCK-END


def in_memory(lines, n):
    """The same with loads before and stores behind."""
    loads = [f"mov r{i} [{i}]" for i in range(n)]
    return [*loads, *lines, *(f"mov [{i}] r{i}" for i in range(n))]


def kernel(lengths, interface, seed, seconds):
    """A listing that sorts inputs of these lengths, as text, one instruction a line."""
    found = [listing(search(n, seed, seconds / len(lengths))) for n in lengths]
    if interface == "registers":
        return found[0]
    whole = [in_memory(lines, n) for lines, n in zip(found, lengths, strict=True)]
    text = []
    for number, (lines, n) in enumerate(zip(whole, lengths, strict=True)):
        if number < len(whole) - 1:
            text += [f"cmp n {n}", f"jne over{n}", *lines, "jmp end", f"over{n}:"]
        else:
            text += lines
    return [*text, "end:"] if len(whole) > 1 else text
