"""Matrix multiplication schemes: the library's moves, the seeds, stages, parameters, cheats."""

from __future__ import annotations

import importlib.util
import json
import sys
from itertools import product

import numpy as np
import pytest

from evaluators import Invalid, Valid, bilinear, bilinear_files
from evolve import SplitKind
from evolve.errors import UsageError
from evolve.evaluation import judge
from evolve.loading import BUILT_IN, load
from evolve.standing import standings
from evolve.worker import open_sandbox
from islands_db.records import Status

FOLDER = BUILT_IN / "matmul"
QUICK = {"seconds": "1.5"}


@pytest.fixture(scope="module")
def flip_graph():
    """The library, as the sandbox's server runs it."""
    spec = importlib.util.spec_from_file_location("flip_graph", FOLDER / "flip_graph.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(load("matmul")) as opened:
        yield opened


def verdict_of(scheme):
    u, v, w = scheme.matrices()
    return bilinear.verify(bilinear.Scheme(*scheme.shape, scheme.ring, u, v, w))


def judged(sandbox, reference, program, *, split=SplitKind.TRAINING, seed=5, **settings):
    task = load(reference, {**QUICK, **settings})
    source = program if "\n" in program else task.problem.read(program)
    return judge(task, sandbox, {"program.py": source}, split=split, seed=seed, artifact=True)


@pytest.mark.parametrize("ring", ["Z", "GF2"])
@pytest.mark.parametrize("shape", [(2, 2, 2), (1, 3, 2), (3, 4, 2), (5, 5, 5), (8, 8, 8)])
def test_every_move_leaves_a_scheme_that_multiplies(flip_graph, ring, shape):
    state = flip_graph.chance(3)
    scheme = flip_graph.Scheme.naive(*shape, ring)
    for _ in range(12):
        before = scheme.rank
        scheme.walk(3_000, state)
        assert scheme.rank <= before
        if scheme.rank < shape[0] * shape[1] * shape[2]:  # no verifier takes more
            scheme.plus(state)
        assert verdict_of(scheme).value == scheme.rank
        for turned in (scheme.rotated(), scheme.transposed(), scheme.copy()):
            assert verdict_of(turned).value == scheme.rank
    n, m, p = shape
    assert scheme.rotated().shape == (m, p, n)
    assert scheme.transposed().shape == (p, m, n)


@pytest.mark.parametrize("ring", ["Z", "GF2"])
def test_extension_adds_what_the_smaller_scheme_leaves_out(flip_graph, ring):
    state = flip_graph.chance(4)
    small = flip_graph.Scheme.naive(2, 3, 2, ring)
    small.walk(20_000, state)
    for grown in product((0, 1), repeat=3):
        n, m, p = (side + more for side, more in zip((2, 3, 2), grown, strict=True))
        scheme = small.extended(n, m, p)
        assert verdict_of(scheme).value == small.rank + n * m * p - 12
    with pytest.raises(ValueError, match="does not contain"):
        small.extended(1, 3, 2)


@pytest.mark.parametrize("ring", ["Z", "GF2"])
def test_a_scheme_comes_back_from_its_matrices(flip_graph, ring):
    scheme = flip_graph.Scheme.naive(3, 2, 4, ring)
    state = flip_graph.chance(5)
    for _ in range(20):
        scheme.walk(1_000, state)
        if scheme.rank < 24:
            scheme.plus(state)
    again = flip_graph.Scheme.of(*scheme.matrices(), scheme.shape, ring)
    for ours, theirs in zip(scheme.matrices(), again.matrices(), strict=True):
        # only where the sign of a term stands may differ
        assert np.array_equal(np.abs(ours), np.abs(theirs))
    assert verdict_of(again).value == scheme.rank


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda u, v, w: (u[:, :-1], v, w), "expected rows of 4"),
        (lambda u, v, w: (u, v[:-1], w), "different numbers of rows"),
        (lambda u, v, w: (u * 2, v, w), "beyond -1, 0, 1"),
        (lambda u, v, w: (u, v, w * 0), "a zero row"),
    ],
)
def test_matrices_that_cannot_be_held_are_refused(flip_graph, change, reason):
    factors = flip_graph.Scheme.naive(2, 2, 2, "Z").matrices()
    with pytest.raises(ValueError, match=reason):
        flip_graph.Scheme.of(*change(*factors), (2, 2, 2), "Z")


def strassen(flip_graph):
    """A scheme of seven products, or the last that was tried."""
    scheme, state = flip_graph.Scheme.naive(2, 2, 2, "Z"), flip_graph.chance(1)
    for _ in range(10_000):
        before = scheme.rank
        scheme.walk(5_000, state)
        if scheme.rank == 7:
            break
        if scheme.rank == before and (scheme.rank >= 12 or not scheme.plus(state)):
            scheme = flip_graph.Scheme.naive(2, 2, 2, "Z")
    return scheme


def test_plus_transitions_and_flips_find_strassen(flip_graph):
    verdict = verdict_of(strassen(flip_graph))
    assert isinstance(verdict, Valid)
    assert verdict.value == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reference", "ring", "most"), [("matmul:2x2x3", "Z", 11), ("matmul:2x3x3", "GF2", 15)]
)
def test_the_seed_reaches_the_best_known_rank_of_small_formats(sandbox, reference, ring, most):
    found = judged(sandbox, reference, "seed_flip_graph.py", ring=ring)
    assert [verdict.status for verdict in found.verdicts] == [Status.OK, Status.OK]
    assert found.verdicts[-1].values["rank"] == most


@pytest.mark.slow
def test_the_test_gives_a_scheme_that_anyone_can_check(sandbox):
    found = judged(sandbox, "matmul:2x2x2", "seed_flip_graph.py", split=SplitKind.TEST)
    artifact = json.loads(found.artifact)
    assert bilinear_files.check(artifact).value == found.verdicts[-1].values["rank"] == 7
    artifact["u"][0][0] += 1
    assert isinstance(bilinear_files.check(artifact), Invalid)


@pytest.mark.slow
def test_gradients_find_a_scheme_over_the_integers(sandbox):
    found = judged(sandbox, "matmul:2x2x2", "seed_gradient.py", seconds="3")
    assert found.verdicts[-1].status is Status.OK
    assert found.verdicts[-1].values["rank"] <= 8


@pytest.mark.slow
def test_the_rank_is_added_up_over_several_formats(sandbox):
    found = judged(
        sandbox,
        "matmul:2x2x3",
        "seed_flip_graph.py",
        also="2x2x2",
        ring="GF2",
        split=SplitKind.TEST,
    )
    assert found.verdicts[-1].values["rank"] == 7 + 11
    assert found.artifact == ""


@pytest.mark.slow
def test_known_schemes_are_extended(sandbox, tmp_path, monkeypatch, flip_graph):
    seven = bilinear.Scheme(2, 2, 2, "Z", *strassen(flip_graph).matrices())
    larger = bilinear.Scheme(3, 3, 3, "Z", *flip_graph.Scheme.naive(3, 3, 3, "Z").matrices())
    for name, known in (("seven", seven), ("larger", larger)):
        (tmp_path / f"{name}.json").write_text(json.dumps(bilinear_files.data_of(known)))
    (tmp_path / "noise.json").write_text('{"u": [')
    (tmp_path / "forged.json").write_text(
        json.dumps({**bilinear_files.data_of(seven), "u": [[1] * 7] * 4})
    )
    monkeypatch.setenv("EVOLVE_PUBLISHED", str(tmp_path))
    program = (
        "from flip_graph import Scheme\n\n# EVOLVE-BLOCK-START\n"
        "def decompose(n, m, p, ring, seed, seconds, known):\n"
        "    if not known:\n        return Scheme.naive(n, m, p, ring).matrices()\n"
        "    (a, b, c, u, v, w), = known\n"
        "    return Scheme.of(u, v, w, (a, b, c), ring).extended(n, m, p).matrices()\n"
        "# EVOLVE-BLOCK-END\n"
    )
    for ring in ("Z", "GF2"):
        found = judged(sandbox, "matmul:2x2x3", program, known="published", ring=ring)
        assert found.verdicts[-1].values["rank"] == 7 + 4


@pytest.mark.parametrize("file", sorted(p.name for p in (FOLDER / "known_bad").glob("*.py")))
@pytest.mark.parametrize("ring", ["Z", "GF2"])
def test_cheats_are_refused(sandbox, file, ring):
    found = judged(sandbox, "matmul:2x2x3", f"known_bad/{file}", ring=ring)
    assert found.verdicts[-1].status is Status.INVALID
    assert found.fitness is None


def test_a_program_that_takes_longer_than_told_is_refused(sandbox):
    source = (
        "import time\n\nfrom flip_graph import Scheme\n\n# EVOLVE-BLOCK-START\n"
        "def decompose(n, m, p, ring, seed, seconds, known):\n    time.sleep(60)\n"
        "# EVOLVE-BLOCK-END\n"
    )
    found = judged(sandbox, "matmul:2x2x2", source, seconds="0.1")
    assert found.verdicts[-1].status is Status.TIMEOUT


@pytest.mark.parametrize(
    ("reference", "settings", "reason"),
    [
        ("matmul:3x4", {}, "expected matmul:{n}x{m}x{p}"),
        ("matmul:0x4x5", {}, "sides from 1 on"),
        ("matmul:9x9x9", {}, "at most 64 entries"),
        ("matmul:-2x2x2", {}, "sides from 1 on"),
        ("matmul:3x3x3", {"ring": "R"}, "none of Z, GF2"),
        ("matmul:3x3x3", {"also": "3x4"}, "expected formats such as"),
        ("matmul:3x3x3", {"also": "3x3x3"}, "named twice"),
        ("matmul:3x3x3", {"seconds": "0"}, "expected 0.1 to 3600"),
    ],
)
def test_parameters_that_make_no_sense_are_one_line(reference, settings, reason):
    with pytest.raises(UsageError, match=reason):
        load(reference, settings)


def test_a_rank_is_compared_with_published_ones_in_any_order_of_the_sides():
    for reference in ("matmul:3x4x5", "matmul:5x3x4"):
        task = load(reference)
        values = {record.value for record in task.problem.known_records(task.parameters)}
        assert values == {47}
    task = load("matmul:4x4x4", {"ring": "GF2"})
    assert {record.value for record in task.problem.known_records(task.parameters)} == {47}


def test_smaller_formats_are_halves():
    smaller = sys.modules[load("matmul").problem.stages[0].function.__module__].smaller
    assert smaller([(3, 4, 5), (5, 5, 5), (1, 2, 8)]) == [(1, 2, 4), (2, 2, 3), (3, 3, 3)]


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 4, 5)])
def test_a_scheme_is_drawn(shape: tuple[int, int, int]) -> None:
    from evaluators import bilinear, bilinear_files
    from evolve.loading import load
    from evolve.picture import checked

    n, m, p = shape
    triples = [(i, j, k) for i in range(n) for j in range(m) for k in range(p)]
    u = [[int((i, j) == divmod(row, m)) for i, j, _ in triples] for row in range(n * m)]
    v = [[int((j, k) == divmod(row, p)) for _, j, k in triples] for row in range(m * p)]
    w = [[int((k, i) == divmod(row, n)) for i, _, k in triples] for row in range(p * n)]
    data = {"n": n, "m": m, "p": p, "field": "Z", "u": u, "v": v, "w": w}
    scheme = bilinear_files.scheme_of(data)
    assert isinstance(scheme, bilinear.Scheme)
    draw = load("matmul").problem.drawing
    assert draw is not None
    shown = checked(draw(bilinear_files.data_of(scheme)))
    assert shown.count("h1v1h-1z") == 3 * n * m * p, "a one in each factor for each product"


@pytest.mark.parametrize(
    ("shape", "ring", "best"),
    [
        ((4, 4, 4), "Z", 49), ((4, 4, 4), "Q", 48), ((4, 4, 4), "Z[i]/2", 48),
        ((4, 4, 4), "GF2", 47), ((4, 4, 4), "Q(sqrt2)", 48), ((5, 2, 4), "Q(sqrt-3)", 32),
        ((5, 2, 4), "Z", 33), ((6, 3, 3), "Q(i)", 40), ((4, 5, 5), "GF2", 73),
        ((4, 9, 4), "Q(sqrt5)", 104), ((4, 9, 4), "Z", 107), ((16, 16, 16), "Q", 2304),
    ],
)  # fmt: skip
def test_the_best_known_rank_is_that_over_the_ring(shape, ring, best):
    problem = load("matmul").problem
    n, m, p = shape
    known = problem.known_records({"n": n, "m": m, "p": p, "ring": ring, "also": ""})
    assert min(record.value for record in known) == best
    assert all(record.source and record.date for record in known)
    assert [
        s.word
        for value in (best - 1, best, best + 1)
        for s in standings(problem.objectives, {"rank": value}, known)
    ] == ["better than", "equal to", "short of"]


def test_nothing_is_known_over_rings_that_are_none():
    problem = load("matmul").problem
    for ring in ("GF3", "Q(cbrt2)", 7, None):
        assert not problem.known_records({"n": 4, "m": 4, "p": 4, "ring": ring, "also": ""})
