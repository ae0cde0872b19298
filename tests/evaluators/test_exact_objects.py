"""Schemes, networks, circles, cap sets: each verifier against a slow, obvious twin."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from evaluators import (
    Invalid,
    Valid,
    bilinear,
    bilinear_files,
    bilinear_lifting,
    bilinear_symmetry,
    cap_sets,
    circle_packings,
)
from evaluators import sorting_networks as networks
from evaluators.bilinear import Scheme

STRASSEN = {
    "n": 2, "m": 2, "p": 2, "field": "Z", "denominator": 1,
    "u": [[1, 0, 1, 0, 1, -1, 0], [0, 0, 0, 0, 1, 0, 1],
          [0, 1, 0, 0, 0, 1, 0], [1, 1, 0, 1, 0, 0, -1]],
    "v": [[1, 1, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 1, 0],
          [0, 0, 0, 1, 0, 0, 1], [1, 0, -1, 0, 1, 0, 1]],
    "w": [[1, 0, 0, 1, -1, 0, 1], [0, 1, 0, 1, 0, 0, 0],
          [0, 0, 1, 0, 1, 0, 0], [1, -1, 1, 0, 0, 1, 0]],
}  # fmt: skip


def definition(n: int, m: int, p: int, ring: str = "Z") -> Scheme:
    """The scheme of n m p products, one for each."""
    tensor = bilinear.matmul_tensor(n, m, p)
    places = np.nonzero(tensor)
    factors = []
    for size, at in zip(tensor.shape, places, strict=True):
        factor = np.zeros((n * m * p, size), dtype=np.int64)
        factor[np.arange(n * m * p), at] = 1
        if bilinear.radicand(ring) is not None:
            factor = np.stack([factor, np.zeros_like(factor)], axis=-1)
        factors.append(factor)
    u, v, w = factors
    return Scheme(n, m, p, ring, u, v, w)


def strassen() -> Scheme:
    scheme = bilinear_files.scheme_of(STRASSEN)
    assert isinstance(scheme, Scheme)
    return scheme


def identity_by_definition(scheme: Scheme) -> bool:
    """Every entry of the tensor, term by term, in Python's integers."""
    n, m, p = scheme.n, scheme.m, scheme.p
    tensor = bilinear.matmul_tensor(n, m, p)
    for a, b, c in product(*map(range, tensor.shape)):
        first, *rest = bilinear.entry(scheme, a, b, c)
        if first != tensor[a, b, c] or any(rest):
            return False
    return True


def test_strassen_and_the_definition_hold() -> None:
    found = bilinear_files.check(STRASSEN)
    assert isinstance(found, Valid)
    assert (found.value, found.metrics["additions"]) == (7, 18)
    for ring in ("Z", "Q", "GF2", "Z[i]/2", "Q(i)", "Q(sqrt-3)", "Q(sqrt2)"):
        assert bilinear.verify(definition(2, 3, 2, ring)) == Valid(
            12, {"additions": 8}, facts={"n": 2, "m": 3, "p": 2, "ring": ring}
        )


def test_every_change_of_one_entry_is_refused() -> None:
    for scheme in (strassen(), definition(2, 1, 3), definition(2, 2, 2, "GF2")):
        for which, factor in enumerate(scheme.factors):
            for place in np.ndindex(factor.shape):
                for change in (-2, -1, 1, 2, 3**60):
                    factors = [f.astype(object) for f in scheme.factors]
                    factors[which][place] += change
                    changed = Scheme(scheme.n, scheme.m, scheme.p, scheme.ring, *factors)
                    assert isinstance(bilinear.verify(changed), Invalid)


@pytest.mark.parametrize("ring", ["Z", "GF2", "Q", "Q(i)", "Q(sqrt-3)", "Q(sqrt2)"])
def test_schemes_agree_with_the_twin(ring: str) -> None:
    """Under changes of basis, which keep a scheme right, and under changes of entries."""
    rng = random.Random(ring)
    extension = bilinear.radicand(ring) is not None
    for _ in range(60):
        base = definition(2, 2, 1, ring)
        factors = [factor.astype(object) for factor in base.factors]
        denominator = 1
        if ring not in ("Z", "GF2"):
            denominator = rng.choice([1, 2, 3, 10**20])
            factors = [factor * denominator for factor in factors]
        if rng.random() < 0.5:
            which = rng.randrange(3)
            place = tuple(rng.randrange(side) for side in factors[which].shape)
            factors[which][place] += rng.choice([-1, 1, 10**15])
        scheme = Scheme(2, 2, 1, ring, *factors, denominator)
        sound = all(
            any(np.any(row != 0) for row in factor[index : index + 1])
            for factor in factors
            for index in range(len(factor))
        )
        in_ring = ring != "GF2" or all(np.isin(f.astype(float), (0, 1)).all() for f in factors)
        expected = sound and in_ring and identity_by_definition(scheme)
        assert isinstance(bilinear.verify(scheme), Valid) == expected
    assert extension == (len(definition(1, 1, 1, ring).u.shape) == 3)


def test_numbers_beyond_doubles_are_decided_exactly() -> None:
    big = 3**100
    scheme = strassen()
    u, v, w = (factor.astype(object) for factor in scheme.factors)
    assert isinstance(bilinear.verify(Scheme(2, 2, 2, "Q", u * big, v * big, w * big, big)), Valid)
    off = u * big
    off[0, 0] += 1
    assert isinstance(bilinear.verify(Scheme(2, 2, 2, "Q", off, v * big, w * big, big)), Invalid)


def test_the_transposed_layouts_are_named() -> None:
    u = STRASSEN["u"]
    assert isinstance(u, list)
    turned = bilinear_files.check({**STRASSEN, "u": [list(row) for row in zip(*u, strict=True)]})
    assert isinstance(turned, Invalid)
    assert "u is transposed: 7 rows of 4" in turned.reason
    w = STRASSEN["w"]
    assert isinstance(w, list)
    by_rows = bilinear_files.check({**STRASSEN, "w": [w[0], w[2], w[1], w[3]]})
    assert isinstance(by_rows, Invalid)
    assert "w is transposed: its rows are to be indexed by k*n + i" in by_rows.reason


@pytest.mark.parametrize(
    "change",
    [
        {"n": 0}, {"n": True}, {"n": 10**6}, {"field": "R[x]"}, {"field": []}, {"rank": 6},
        {"denominator": 0}, {"denominator": -1}, {"denominator": 2}, {"denominator": 1.0},
        {"u": []}, {"u": None}, {"u": [[], [], [], []]}, {"u": [[0] * 7] * 4},
        {"u": [[1.0] * 7] * 4}, {"u": [[True] * 7] * 4}, {"u": [[10**400] * 7] * 4},
        {"u": [["1"] * 7] * 4}, {"u": [[1] * 6, [1] * 7, [1] * 7, [1] * 7]},
    ],
)  # fmt: skip
def test_bad_schemes_are_invalid(change: dict[str, object]) -> None:
    assert isinstance(bilinear_files.check({**STRASSEN, **change}), Invalid)


def test_networks_agree_with_sorting_every_input() -> None:
    rng = random.Random(1)
    for _ in range(400):
        wires = rng.randint(1, 7)
        pairs = [(i, i + 1) for end in range(wires - 1, 0, -1) for i in range(end)]
        for _ in range(rng.randint(0, 2)):
            if pairs:
                pairs.pop(rng.randrange(len(pairs)))
        sorts = all(
            networks.apply(pairs, bits) == sorted(bits) for bits in product((0, 1), repeat=wires)
        )
        found = networks.verify(wires, [[pair] for pair in pairs])
        assert isinstance(found, Valid) == sorts
        if isinstance(found, Valid):
            kept = networks.without_idle(wires, pairs)
            assert isinstance(networks.verify(wires, [[pair] for pair in kept]), Valid)


@pytest.mark.parametrize(
    ("wires", "layers"),
    [
        (0, []), (33, []), (True, []), (2, None), (2, [[0, 1]]), (2, [[[1, 0]]]), (2, [[[0, 2]]]),
        (3, [[[0, 1], [1, 2]]]), (2, [[[0, 1]]] * 2), (2, [[[0, 1.0]]]), (2, [[[0, True]]]),
    ],
)  # fmt: skip
def test_bad_networks_are_invalid(wires: object, layers: object) -> None:
    assert isinstance(networks.verify(wires, layers), Invalid)


def test_seventeen_wires_go_through_more_than_one_word() -> None:
    pairs = [(i, i + 1) for end in range(16, 0, -1) for i in range(end)]
    assert isinstance(networks.verify(17, [[pair] for pair in pairs]), Valid)
    for missing in (0, 50, 135):
        less = [[pair] for index, pair in enumerate(pairs) if index != missing]
        assert isinstance(networks.verify(17, less), Invalid)


def test_cap_sets_agree_with_all_triples() -> None:
    rng = random.Random(2)
    for _ in range(300):
        n = rng.randint(1, 4)
        vectors = [[rng.randrange(3) for _ in range(n)] for _ in range(rng.randint(1, 8))]
        free = len(set(map(tuple, vectors))) == len(vectors) and not any(
            all(sum(x) % 3 == 0 for x in zip(a, b, c, strict=True))
            for a, b, c in combinations(vectors, 3)
        )
        assert isinstance(cap_sets.verify(n, vectors), Valid) == free
        assert isinstance(cap_sets.verify(n, np.array(vectors)), Valid) == free


def test_cap_sets_in_more_than_six_dimensions() -> None:
    vectors = [list(vector) for vector in product((0, 1), repeat=8)]
    assert cap_sets.verify(8, vectors) == Valid(256, facts={"n": 8})
    assert isinstance(cap_sets.verify(8, [*vectors, [2] * 8]), Invalid)


@pytest.mark.parametrize(
    ("n", "vectors"),
    [(0, [[]]), (2, []), (2, [[0, 3]]), (2, [[0, -1]]), (2, [[0, 1.0]]), (2, [[0]]), (99, [[0]]),
     (2, [[0, True]]), (2, np.array([[0.0, 1.0]])), (2, np.array([[0, 3]])), (2, "01")],
)  # fmt: skip
def test_bad_cap_sets_are_invalid(n: object, vectors: object) -> None:
    assert isinstance(cap_sets.verify(n, vectors), Invalid)


def disjoint_by_definition(circles: list[list[str]]) -> bool:
    exact = [[Fraction(x) for x in circle] for circle in circles]
    inside = all(r > 0 and r <= x <= 1 - r and r <= y <= 1 - r for x, y, r in exact)
    return inside and all(
        (a - x) ** 2 + (b - y) ** 2 >= (r + s) ** 2
        for (a, b, r), (x, y, s) in combinations(exact, 2)
    )


def test_circles_agree_with_fractions_and_repair_makes_them_hold() -> None:
    rng = random.Random(3)
    outcomes = set()
    for _ in range(400):
        side = rng.choice([2, 3, 7])
        circles = [
            [str((i + 0.5) / side), str((j + 0.5) / side), str(0.5 / side)]
            for i, j in product(range(side), repeat=2)
        ]
        if rng.random() < 0.5:
            at = rng.randrange(len(circles))
            change = rng.choice([-1, 1]) * 10.0 ** -rng.randint(4, 18)
            circles[at][rng.randrange(3)] = str(float(circles[at][0]) + change)
        found = circle_packings.packing(circles)
        assert isinstance(found, circle_packings.Packing)
        holds = disjoint_by_definition(circles)
        assert isinstance(circle_packings.verify(found), Valid) == holds
        repaired = circle_packings.repair(found)
        outcomes.add((holds, isinstance(repaired, Invalid)))
        if not isinstance(repaired, Invalid):
            again = circle_packings.data_of(repaired)["circles"]
            assert disjoint_by_definition(again)  # type: ignore[arg-type]
            lost = sum(Fraction(c[2]) - Fraction(d[2]) for c, d in zip(circles, again, strict=True))  # type: ignore[call-overload]
            assert lost == 0 if holds else 0 < lost < Fraction(1, 1000)
    assert {(True, False), (False, False), (False, True)} <= outcomes


@pytest.mark.parametrize(
    "circles",
    [None, [], [["0.5", "0.5"]], [["0.5", "0.5", "nan"]], [[0.5, 0.5, float("inf")]],
     [["0.5", "0.5", "1/0"]], [["0.5", "0.5", "1e-99999999"]], [["0.5", "0.5", "1" * 500]],
     [[0.5, 0.5, True]], [[10**400, 0.5, 0.1]], [["0.5", "0.5", "-0.1"]], [["0.5", "0.5", "0"]],
     [["0.5", "0.5", "0.500000000000000000000001"]]],
)  # fmt: skip
def test_bad_circles_are_invalid(circles: object) -> None:
    assert isinstance(circle_packings.check({"circles": circles}), Invalid)


def modulo_two(scheme: Scheme) -> Scheme:
    u, v, w = (factor % 2 for factor in scheme.factors)
    return Scheme(scheme.n, scheme.m, scheme.p, "GF2", u, v, w)


def test_strassen_modulo_two_is_lifted_to_the_integers() -> None:
    binary = modulo_two(strassen())
    assert isinstance(bilinear.verify(Scheme(2, 2, 2, "Z", *binary.factors)), Invalid)
    lifted = bilinear_lifting.lift(binary)
    assert isinstance(lifted, Scheme)
    assert isinstance(bilinear.verify(lifted), Valid)
    for factor, before in zip(lifted.factors, binary.factors, strict=True):
        assert (factor % 2 == before).all()
    assert isinstance(bilinear_lifting.lift(strassen()), Invalid)


def test_invariants_survive_a_change_of_basis_and_tell_schemes_apart() -> None:
    scheme = strassen()
    basis, inverse = np.array([[1, 1], [0, 1]]), np.array([[1, -1], [0, 1]])
    u = np.array([(basis @ x.reshape(2, 2)).ravel() for x in scheme.u])
    w = np.array([(x.reshape(2, 2) @ inverse).ravel() for x in scheme.w])
    moved = Scheme(2, 2, 2, "Z", u, scheme.v, w)
    # the dual basis: u goes by X, so A's rows do, and w by the inverse transposed
    if isinstance(bilinear.verify(moved), Invalid):
        u = np.array([(inverse.T @ x.reshape(2, 2)).ravel() for x in scheme.u])
        w = np.array([(x.reshape(2, 2) @ basis.T).ravel() for x in scheme.w])
        moved = Scheme(2, 2, 2, "Z", u, scheme.v, w)
    assert isinstance(bilinear.verify(moved), Valid)
    assert bilinear_symmetry.invariant(moved) == bilinear_symmetry.invariant(scheme)
    assert bilinear_symmetry.equivalent(moved, scheme) is True
    assert bilinear_symmetry.equivalent(scheme, definition(2, 2, 2)) is False
    turned = definition(3, 3, 3)
    assert bilinear_symmetry.equivalent(turned, turned) is None
    found = bilinear_files.check(STRASSEN)
    assert isinstance(found, Valid)
    assert any("Strassen" in note for note in found.notes)


def grid_of_circles(count: int, tail: str) -> list[list[str]]:
    """Disjoint circles on a 32 by 32 grid, each coordinate lengthened by the digits `tail`."""
    return [
        [f"{(i % 32 + 0.5) / 32:.6f}{tail}", f"{(i // 32 + 0.5) / 32:.6f}{tail}", f"0.001{tail}"]
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("circles", "why"),
    [
        (grid_of_circles(1000, "1" * 380), "decimals"),
        (grid_of_circles(1000, "1" * 100), "more work"),
        ([[0.5, 0.5, 5e-324 * (i + 1)] for i in range(1000)], "decimals"),
        ([[0.5, 0.5, 2.0**-300 * (i + 1)] for i in range(1000)], "more work"),
        ([[0.5 + i * 1e-10, 0.5, 6e-6] for i in range(1000)], "pairs overlap"),
    ],
)
def test_circles_that_would_cost_too_much_are_refused(circles: object, why: str) -> None:
    found = circle_packings.repaired({"circles": circles})
    assert isinstance(found, Invalid)
    assert why in found.reason


@pytest.mark.parametrize(
    "circles", [grid_of_circles(1000, "1" * 40), grid_of_circles(300, "1" * 350)]
)
def test_repaired_circles_at_the_limit_can_be_read_again(circles: list[list[str]]) -> None:
    circles[0][0] = "0.00111111"  # less than its radius, by 1e-9
    again = circle_packings.check(circle_packings.repaired({"circles": circles}))
    assert isinstance(again, Valid)
