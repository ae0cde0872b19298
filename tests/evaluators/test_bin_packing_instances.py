"""Draws are the same everywhere and follow their distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.bin_packing_instances import distributions, draw, fingerprint, names

# Written down once; a change here would make every certificate with a seed worthless.
FINGERPRINTS = {
    "weibull5k": "cb1763ca1a9c3c5467db1e3b1793d82f99981fcca3aad32ce0562b3fd3ccaa4c",
    "or1": "19ac3f0457952614d41ddcb80c32ff73091025ed4dc002e431edce32f86237f8",
    "or2": "14bfae336183b40a98917f6ba38b9b57c517a92d1cee351b89291bf61a118794",
    "or3": "25fe6d8c4d6303432e20a65a548c57fc12c630e53b000d3934948b03c23f8c38",
    "or4": "b081c7ea5b9f5b97d4fe206d642f0e514c7ff1457fe99d31774428fc310ae444",
}


@pytest.mark.parametrize("name", names())
def test_a_seed_gives_the_same_instances_for_ever(name):
    assert fingerprint(draw(name, 2, 12345)) == FINGERPRINTS[name]


def test_fewer_instances_are_the_first_of_more_and_seeds_differ():
    few, many, others = draw("or1", 2, 7), draw("or1", 5, 7), draw("or1", 2, 8)
    assert [items.tolist() for items in few] == [items.tolist() for items in many[:2]]
    assert few[0].tolist() != others[0].tolist()
    assert few[0].tolist() != few[1].tolist()


def test_a_draw_cannot_be_written_to():
    (items,) = draw("or1", 1, 3)
    with pytest.raises(ValueError, match="read-only"):
        items[0] = 1


def test_unknown_distributions_and_negative_seeds_are_refused():
    with pytest.raises(ValueError, match="no distribution 'or9'"):
        draw("or9", 1, 0)
    with pytest.raises(ValueError, match="negative"):
        draw("or1", 1, -1)


@pytest.mark.parametrize("name", names())
def test_lengths_and_ranges(name):
    for items in draw(name, 3, 1):
        assert len(items) == distributions()[name].length
        low, high = (1, 100) if name == "weibull5k" else (20, 100)
        assert low <= items.min() <= items.max() <= high


@pytest.mark.parametrize("name", ["weibull5k", "or4"])
def test_sizes_follow_the_distribution(name):
    """Every size occurs as often as it should, within six standard deviations."""
    sizes = np.concatenate(draw(name, 60, 99))
    counts = np.bincount(sizes, minlength=102)

    def below(x):  # P(size before rounding < x)
        if name == "weibull5k":
            return 1.0 if x > 100 else 1 - math.exp(-((x / 45) ** 3))
        return min(max((x - 19.5) / 81, 0.0), 1.0)

    for size in range(1, 101):
        share = below(size + 0.5) - (below(size - 0.5) if size > 1 else 0.0)
        spread = 6 * math.sqrt(len(sizes) * share) + 3
        assert abs(counts[size] - len(sizes) * share) < spread, size
