"""Mutation of kernels that programs hold as text."""

from __future__ import annotations

import random

import pytest

from evaluators import Invalid, Valid
from evaluators.kernel_c_run import verify_sorting
from evaluators.kernel_listings import parse, verify
from evolve import tree
from evolve.loading import load


def children(reference, seed, count):
    program = load(reference).program(seed)
    for number in range(count):
        made = tree.propose(program, [], random.Random(number), weights=ONLY)
        found: dict[str, str] = {}
        exec(made.program.files["program.py"], found)
        yield found


ONLY = {name: 0 for name in tree.OPERATORS if name != "kernel"}


def test_children_of_a_listing_are_listings_and_some_still_sort():
    read = [parse(c["KERNEL"]) for c in children("sorting_kernels:3", "seed_listing_3.py", 60)]
    assert not any(isinstance(listing, Invalid) for listing in read)
    right = [verify(listing, lengths=[3]) for listing in read]
    values = {result.value for result in right if isinstance(result, Valid)}
    assert 12 in values


def test_children_of_c_differ_and_some_still_sort():
    texts = [c["SOURCE"] for c in children("sorting_speed:3", "seed_3.py", 60)]
    assert len(set(texts)) > 40
    right = [isinstance(verify_sorting(text, 3), Valid) for text in texts]
    assert any(right)
    assert not all(right)


@pytest.mark.parametrize("reference", ["bin_packing", "cap_set"])
def test_programs_without_kernels_are_left_to_the_others(reference):
    task = load(reference)
    for name in task.problem.seed_files(task.parameters):
        with pytest.raises(tree.TreeError):
            tree.propose(task.program(name), [], random.Random(1), weights=ONLY)
