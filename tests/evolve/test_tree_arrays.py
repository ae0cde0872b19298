"""Mutation of code over numpy arrays: kinds, shapes, and text that reads like a person's."""

from __future__ import annotations

import ast
import random
import warnings
from collections import Counter

import numpy as np
import pytest

from evolve import tree
from evolve.program import Program
from evolve.tree.kinds import Kind, annotated
from evolve.tree.reading import kind_of

SEED = """
import numpy as np

# EVOLVE-BLOCK-START
def priority(item: int, bins: np.ndarray) -> np.ndarray:
    return item - bins
# EVOLVE-BLOCK-END
"""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a - 1", Kind.ARRAY),
        ("2 * a / n", Kind.ARRAY),
        ("-a", Kind.ARRAY),
        ("a > n", Kind.MASK),
        ("(a > 1) & (a < n)", Kind.MASK),
        ("~(a > 1)", Kind.MASK),
        ("np.where(a > 1, a, 0)", Kind.ARRAY),
        ("np.sqrt(a)", Kind.ARRAY),
        ("np.sqrt(n)", Kind.NUMBER),
        ("np.sum(a)", Kind.NUMBER),
        ("a.max() + a.size", Kind.NUMBER),
        ("a[a > 1]", Kind.ARRAY),
        ("a[0]", Kind.OTHER),
        ("a @ unknown", Kind.OTHER),
        ("n - 1", Kind.NUMBER),
        ("n > 1", Kind.BOOLEAN),
    ],
)
def test_kinds_follow_arrays(text: str, kind: Kind) -> None:
    names = {"a": Kind.ARRAY, "n": Kind.NUMBER}
    assert kind_of(ast.parse(text, mode="eval").body, names, {}) is kind


@pytest.mark.parametrize("text", ["np.ndarray", "NDArray[np.float64]", "'ndarray'"])
def test_annotations_name_arrays(text: str) -> None:
    assert annotated(ast.parse(text, mode="eval").body) is Kind.ARRAY


def test_children_over_arrays_keep_their_shape_and_differ() -> None:
    rng = random.Random(1)
    pool = [Program.of({"program.py": SEED})]
    ended: Counter[str] = Counter()
    for _ in range(300):
        child = tree.propose(rng.choice(pool), [rng.choice(pool)], rng, primitives=["abs", "min"])
        names: dict[str, object] = {}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                exec(child.program.files["program.py"], names)
                found = names["priority"](30, np.array([40, 50, 100, 30]))  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001  whatever a child raises
            ended[type(error).__name__] += 1
            continue
        ended["kept" if np.shape(found) == (4,) else "another shape"] += 1
        pool.append(child.program)
    assert ended["kept"] > 285
    texts = [program.files["program.py"] for program in pool]
    for words in (["np.where("], ["np.maximum("], [" & ", " | "], ["* bins"], ["bins /"]):
        assert any(word in text for text in texts for word in words), words


def test_without_numpy_arrays_are_left_to_plain_arithmetic() -> None:
    text = SEED.replace("import numpy as np\n", "").replace("np.ndarray", "'ndarray'")
    rng = random.Random(2)
    parent = Program.of({"program.py": text})
    for _ in range(60):
        child = tree.propose(parent, [], rng)
        assert "np." not in child.program.files["program.py"]
