"""The layouts that others publish their objects in, each from an object known to be right."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from evaluators import Invalid, Valid, bilinear_files, cap_sets, circle_packings
from evaluators import sorting_networks as networks
from evaluators.bilinear import Scheme
from evaluators.bilinear_published import published
from tests.evaluators.test_exact_objects import definition, strassen

GF2_OF_EIGHT = """\
(a11 + a22)*(b11 + b22)*(c22)
(a22)*(b11 + b21)*(c12)
(a11)*(b12 + b22)*(c21 + c22)
(a11 + a21)*(b11 + b12)*(c22)
(a12)*(b11 + b21)*(c11)
(a11 + a12)*(b22)*(c11 + c12 + c21 + c22)
(a11 + a12)*(b11 + b22)*(c11 + c12 + c22)
(a11 + a12 + a21 + a22)*(b11)*(c12 + c22)
"""


def matrices(scheme: Scheme) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A row for each tensor index."""
    u, v, w = (factor.T for factor in scheme.factors)
    return u, v, w


def terms(scheme: Scheme, *, transposed: bool = True) -> list[list[list[list[int]]]]:
    """For each term the three matrices, the last one p x n, or n x p."""
    n, m, p = scheme.n, scheme.m, scheme.p
    last = scheme.w.reshape(-1, p, n)
    if not transposed:
        last = last.swapaxes(1, 2)
    parts = scheme.u.reshape(-1, n, m), scheme.v.reshape(-1, m, p), last
    return [[x.tolist() for x in term] for term in zip(*parts, strict=True)]


def layouts(scheme: Scheme) -> dict[str, object]:
    u, v, w = matrices(scheme)
    size = (scheme.n, scheme.m, scheme.p)
    flat = " ".join(map(str, (*size, scheme.rank)))
    listed = [x.tolist() for x in (u, v, w)]
    arrays = ", ".join(f"np.array({x}, dtype=np.int32)" for x in listed)
    halves = ", ".join(
        f"np.array({x.tolist()}, dtype=np.complex64)" for x in (u * (0.5 + 0.5j), v * (1 - 1j), w)
    )
    mathematica = str(terms(scheme)).replace("[", "{").replace("]", "}")
    return {
        "npz by size": {",".join(map(str, size)): [u, v, w]},
        "npz by size and factor": {f"u_{size[0]}x{size[1]}x{size[2]}": u}
        | {f"v_{size[0]}x{size[1]}x{size[2]}": v, f"w_{size[0]}x{size[1]}x{size[2]}": w},
        "npz by factor": {"U": u, "V": v, "W": w},
        "npz in numpy's numbering": {"arr_0": u, "arr_1": v, "arr_2": w},
        "npz with a dict": {"arr_0": {",".join(map(str, size)): [u, v, w]}},
        "JSON, a row a term": {
            "n": list(size), "m": scheme.rank, "z2": False,
            "u": u.T.tolist(), "v": v.T.tolist(), "w": w.T.tolist(),
        },
        "JSON matrices": listed,
        "JSON terms": terms(scheme),
        "Python": f"decomposition = ({arrays})",
        "Python, complex": f"# found\nscheme = ({halves},)",
        "Mathematica": mathematica,
        "Mathematica, C as it is": str(terms(scheme, transposed=False)).translate(
            str.maketrans("[]", "{}")
        ),
        "numbers": "\n".join([flat, *(" ".join(map(str, x.ravel())) for x in scheme.factors)]),
        "numbers by index": "\n".join([flat, *(" ".join(map(str, x.ravel())) for x in (u, v, w))]),
    }  # fmt: skip


@pytest.mark.parametrize("layout", sorted(layouts(strassen())))
@pytest.mark.parametrize("scheme", [strassen(), definition(2, 3, 4)], ids=["2x2x2", "2x3x4"])
def test_every_layout_of_a_scheme_is_read(scheme: Scheme, layout: str) -> None:
    found = published(layouts(scheme)[layout])
    assert found is not None
    (only,) = found.values()
    result = bilinear_files.check(only)
    assert isinstance(result, Valid)
    assert result.value == scheme.rank
    facts = result.facts
    assert (facts["n"], facts["m"], facts["p"]) == (scheme.n, scheme.m, scheme.p)
    assert facts["ring"] == ("Z[i]/2" if "complex" in layout else "Z")


def test_products_of_sums_are_read_modulo_two_where_only_that_holds() -> None:
    found = published(GF2_OF_EIGHT)
    assert found is not None
    result = bilinear_files.check(found["scheme"])
    assert isinstance(result, Valid)
    assert (result.value, result.facts["ring"]) == (8, "GF2")
    off = published(GF2_OF_EIGHT.replace("(a22)*", "(a21)*", 1))
    assert off is not None
    assert isinstance(bilinear_files.check(off["scheme"]), Invalid)


def test_thirds_are_exact_and_their_decimals_are_not() -> None:
    u, v, w = (x.tolist() for x in matrices(strassen()))
    thirds = [[f"{x}/3" for x in row] for row in u]
    threes = [[3 * x for x in row] for row in v]
    found = published(str([thirds, threes, w]).replace("'", ""))
    assert found is not None
    assert isinstance(bilinear_files.check(found["scheme"]), Valid)
    decimals = published([[[x / 3 for x in row] for row in u], threes, w])
    assert decimals is not None
    assert isinstance(decimals["scheme"], Invalid)
    assert "rounded, so not exact" in decimals["scheme"].reason


@pytest.mark.parametrize("scheme", [strassen(), definition(2, 3, 4)], ids=["2x2x2", "2x3x4"])
def test_matrices_with_a_row_a_term_are_refused_as_transposed(scheme: Scheme) -> None:
    name = f"{scheme.n},{scheme.m},{scheme.p}"
    for content in ({name: list(scheme.factors)}, [x.tolist() for x in scheme.factors]):
        found = published(content)
        assert found is not None
        (only,) = found.values()
        assert isinstance(only, Invalid)
        assert "transposed" in only.reason


@pytest.mark.parametrize(
    "content",
    [
        "", "hello", "1 2 3", "[[1, 2], [3, 4]]", "{{{1, 2}, {3}}, {{1}}}", "2 2 2 7 1 1",
        "(a11)*(b11)", "(a11)*(b11)*(c11) + x", "(a99)*(b99)*(c99)\n(a11)*(b11)", [], {}, 3, None,
        "(" * 1000, "2 2 2 7 " + "1-1 " * 84, "²" * 9, "np.array(", [[[1]], [[1]]], {"4x4x4": 3},
    ],
)  # fmt: skip
def test_what_is_no_scheme_is_left_to_others(content: object) -> None:
    assert not published(content)


SORTED_3 = [[0, 2], [0, 1], [1, 2]]


@pytest.mark.parametrize(
    "content",
    [
        {"N": 3, "L": 3, "D": 3, "symmetric": False, "nw": SORTED_3},
        {"wires": 3, "layers": [[pair] for pair in SORTED_3]},
        SORTED_3,
        [[pair] for pair in SORTED_3],
        "Sorting network for 3 inputs, 3 CEs, 3 layers:\n[(0,2)]\n[(0,1)]\n[(1,2)]\n",
        "(0,2) (0,1) (1,2)".replace(" ", "\n"),
        "[[0:2]]\n[[0:1]]\n[[1:2]]",
    ],
)
def test_every_layout_of_a_network_is_read(content: object) -> None:
    found = networks.published(content)
    assert found is not None
    result = networks.check(found["network"])
    assert isinstance(result, Valid)
    assert (result.value, result.metrics["depth"]) == (3, 3)


def test_a_network_of_fewer_comparators_than_it_claims() -> None:
    found = networks.published({"N": 3, "L": 2, "D": 3, "nw": SORTED_3})
    assert found is not None
    refused = networks.check(found["network"])
    assert isinstance(refused, Invalid)
    assert "size claimed" in refused.reason


CAP = [[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 2]]


@pytest.mark.parametrize(
    "content",
    [
        CAP,
        {"n": 3, "vectors": CAP},
        {"arr_0": np.array(CAP, dtype=np.int8)},
        "\n".join(map(str, CAP)),
        "\n".join(" ".join(map(str, row)) for row in CAP),
        "# a cap\n" + "\n".join("".join(map(str, row)) for row in CAP),
        "\n".join(str(tuple(row)) + "," for row in CAP),
    ],
)
def test_every_layout_of_a_cap_set_is_read(content: object) -> None:
    found = cap_sets.published(content)
    assert found is not None
    (only,) = found.values()
    assert cap_sets.check(only) == Valid(4, facts={"n": 3})


HALVES = [["0.25", "0.25", "0.25"], ["0.75", "0.75", "0.25"]]
FLOATS = [[float(x) for x in row] for row in HALVES]


@pytest.mark.parametrize(
    "content",
    [
        {"circles": HALVES},
        FLOATS,
        {"circles": np.array(FLOATS)},
        {"arr_0": np.array(FLOATS)},
        {"centers": [row[:2] for row in FLOATS], "radii": [row[2] for row in FLOATS]},
        "# x y r\n0.25 0.25 0.25\n0.75, 0.75, 0.25\n",
        "1 0.25 0.25 0.25\n2 0.75 0.75 0.25\n",
        "  1  -0.25  -0.25  0.25\n  2   0.25   0.25  0.25\n",
        f"packing = np.array({FLOATS})",
    ],
)
def test_every_layout_of_circles_is_read(content: object) -> None:
    found = circle_packings.published(content)
    assert found is not None
    result = circle_packings.check(found["packing"])
    assert isinstance(result, Valid)
    assert result.value == Fraction(1, 2)


def test_circles_without_radii_are_refused_for_that() -> None:
    found = circle_packings.published("1 0.25 0.25\n2 0.75 0.75\n")
    assert found is not None
    assert isinstance(found["packing"], Invalid)
    assert "radii are missing" in found["packing"].reason


def test_what_is_settled_about_two_schemes_is_said() -> None:
    one, other = strassen(), definition(2, 2, 2)
    turned = Scheme(2, 2, 2, "Z", -2 * one.u[::-1], one.v[::-1], one.w[::-1])
    compare = bilinear_files.compare
    assert "8 terms" in compare(one, other)
    assert "same scheme" in compare(one, turned)
    assert "another ring" in compare(one, definition(2, 2, 2, "Q"))
    assert "another format" in compare(one, definition(2, 2, 3))


RING_NAMES = {
    "Z": ("z", " Z ", "ZZ", "ZT"),
    "Q": ("QQ", "r", "RR"),
    "GF2": ("gf2", "F_2", "GF(2)", "Z/2", "Z/2Z", "Z_2"),
    "Z[i]/2": ("Z[i]/2 ", "z[i]/2"),
    "Q(i)": ("Q[i]", "QQ(i)", "Q( i )", "Q(I)", "C", "Q(sqrt-1)", "Q(sqrt(-1))"),
    "Q(sqrt-3)": ("Q[sqrt(-3)]", "QQ(sqrt(-3))", "Q(√-3)", "q(sqrt -3)"),
}


@pytest.mark.parametrize("ring", RING_NAMES)
def test_a_ring_is_known_by_its_usual_names(ring: str) -> None:
    assert {bilinear_files.ring_named(name) for name in RING_NAMES[ring]} == {ring}


@pytest.mark.parametrize(
    "name", ["", "GF3", "Z/4", "Z[i]", "Q(sqrt4)", "Q(sqrt2.0)", "Q(cbrt2)", "9" * 10**6, 2, None]
)
def test_other_rings_are_refused(name: object) -> None:
    assert isinstance(bilinear_files.ring_named(name), Invalid)


def test_products_may_have_factors_inside_their_sums() -> None:
    text = "(2*a11 - a11)*(b11)*(3*c11 - 2*c11)"
    found = published(text)
    assert found is not None
    assert bilinear_files.check(found["scheme"]) == bilinear_files.check(definition(1, 1, 1))


def test_numbers_that_no_machine_word_holds_are_not_taken_for_others() -> None:
    # read as the largest word, both would be equal and the two terms would cancel
    head, *rows = layouts(definition(2, 2, 2))["numbers"].split("\n")  # type: ignore[attr-defined]
    widths = (f"{9 * '9'}{12 * '9'} 0 0 0 {9 * '9'}{16 * '9'} 0 0 0", "1 0 0 0 -1 0 0 0")
    extra = [*widths, "1 0 0 0 1 0 0 0"]
    text = "\n".join(
        [head.replace("8", "10"), *(f"{a} {b}" for a, b in zip(rows, extra, strict=True))]
    )
    found = published(text)
    assert found is not None
    assert isinstance(found["scheme"], Invalid)
    assert "over 18 digits" in found["scheme"].reason


@pytest.mark.parametrize("near", ["1.000000000000000000000000001", "1.000000000000000000001+0j"])
@pytest.mark.parametrize("beside", ["0", "0.5+0.5j"])
def test_decimals_close_to_integers_are_not_these(near: str, beside: str) -> None:
    found = published(f"[np.array([[{near}]]), np.array([[1]]), np.array([[1]])]")
    assert found is not None
    assert isinstance(bilinear_files.check(found["scheme"]), Invalid)
    text = str([x.tolist() for x in matrices(strassen())])
    found = published(text.replace("[[[1, 0", f"x = [[[{near}, {beside}", 1))
    assert found is None or isinstance(bilinear_files.check(found["scheme"]), Invalid)


def test_scaling_to_one_denominator_does_not_wrap_around() -> None:
    # 2^40 - 1 times 3^20 exceeds a machine word
    large = 2**40 - 1
    found = published(f"x = [[[{large}]], [[1/{3**20}]], [[{3**20}/{large}]]]")
    assert found is not None
    assert isinstance(bilinear_files.check(found["scheme"]), Valid)


@pytest.mark.parametrize("key", ["field", "denominator", "rank", "n"])
def test_what_a_file_says_of_its_factors_is_not_passed_over(key: str) -> None:
    u, v, w = (x.tolist() for x in matrices(strassen()))
    found = published({"u": u, "v": v, "w": w, key: 6})
    assert found is not None
    refused = bilinear_files.check(found["scheme"])
    assert isinstance(refused, Invalid)
    assert "expected an object with the keys n, m, p, field" in refused.reason


def test_sides_may_stand_beside_the_factors_in_an_npz() -> None:
    u, v, w = matrices(definition(1, 4, 1))
    sides = {name: np.array(side) for name, side in zip("nmp", (1, 4, 1), strict=True)}
    found = published({"u": u, "v": v, "w": w, **sides})
    assert found is not None
    assert isinstance(bilinear_files.check(found["scheme"]), Valid)
    wrong = published({"u": u, "v": v, "w": w, **sides, "m": np.array(2)})
    assert wrong is not None
    assert isinstance(wrong["scheme"], Invalid)


SORTERS = [
    [[[0, 2]], [[0, 1]], [[1, 2]]],
    [[[0, 1], [2, 3]], [[0, 2], [1, 3]], [[1, 2]]],
]


@pytest.mark.parametrize("layers", SORTERS)
def test_three_layers_are_a_network_and_no_scheme(layers: list[object]) -> None:
    assert published(layers) is None
    found = networks.published(layers)
    assert found is not None
    assert isinstance(networks.check(found["network"]), Valid)


def test_wires_under_two_names_must_agree() -> None:
    data = {"wires": 3, "n": 3, "layers": [[pair] for pair in SORTED_3]}
    assert isinstance(networks.check(data), Valid)
    assert isinstance(networks.check({**data, "n": 4}), Invalid)


@pytest.mark.parametrize("vectors", [[[0], [1]], [[0, 0], [0, 1], [1, 0], [1, 1]]])
def test_small_cap_sets_are_read_too(vectors: list[object]) -> None:
    found = cap_sets.published(vectors)
    assert found is not None
    result = cap_sets.check(found["cap set"])
    assert isinstance(result, Valid)
    assert result.value == len(vectors)
