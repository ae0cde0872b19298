"""The default search finds a known optimum that misleads whoever only climbs."""

import random

import pytest

from islands_db import Fate, Outcome, Sample

BLOCKS, SIZE = 6, 3
OPTIMUM = BLOCKS * SIZE
ATTEMPTS = 4000


def fitness(bits):
    """A trap in each block: every single step leads away from its optimum, all ones.

    Source: Deb, Goldberg, "Analyzing deception in trap functions", FOGA 2 (1993), 93-108.
    """
    total = 0.0
    for start in range(0, len(bits), SIZE):
        ones = bits.count("1", start, start + SIZE)
        total += SIZE if ones == SIZE else 0.6 * (SIZE - 1 - ones)
    return total


def child(parent, others, rng):
    """A few bits flipped, or a run of blocks copied from an inspiration."""
    if others and rng.random() < 0.5:
        start = SIZE * rng.randrange(BLOCKS)
        end = start + SIZE * rng.randrange(1, 4)
        return parent[:start] + rng.choice(others)[start:end] + parent[end:]
    return "".join(bit if rng.random() > 1.5 / len(parent) else "10"[int(bit)] for bit in parent)


def attempts_needed(store, make, seed):
    """Attempts until the optimum is stored, or all of them."""
    store.begin(Sample(attempt=0, island=0, parent=None, proposer="seed"))
    store.settle(0, make.evaluated("0" * OPTIMUM, fitness("0" * OPTIMUM), fate=Fate.SEED))
    for attempt in range(1, ATTEMPTS):
        rng = random.Random(f"{seed} {attempt}")
        sample = store.sample(attempt, rng, proposer="bits")
        texts = [store.files(n)["program.py"] for n in (sample.parent, *sample.inspirations)]
        bits = child(texts[0], texts[1:], rng)
        program = make.program(bits)
        known = store.known(program.hash, program.syntax_hash)
        outcome = Outcome(fate=Fate.DUPLICATE, duplicate_of=known)
        if known is None:
            outcome = make.evaluated(bits, fitness(bits), length=1 + bits.count("1"))
        with store.atomic():
            store.begin(sample)
            store.settle(attempt, outcome)
        if store.best[1] == OPTIMUM:
            return attempt
    return ATTEMPTS


def climbed(seed):
    """How far (1+1) comes in as many attempts: always the best so far is the parent."""
    best = "0" * OPTIMUM
    for attempt in range(1, ATTEMPTS):
        bits = child(best, [], random.Random(f"{seed} {attempt}"))
        if fitness(bits) >= fitness(best):
            best = bits
    return fitness(best)


@pytest.mark.slow
def test_the_optimum_behind_the_traps_is_found_where_climbing_fails(new_run, make):
    for seed in range(3):
        run = new_run(islands=4, population=50)
        assert attempts_needed(run.store, make, seed) < ATTEMPTS
        assert climbed(seed) < OPTIMUM
