"""The problems whose object is a construction: sound, known records, drawn as SVG."""

from __future__ import annotations

import importlib.util
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluators import Valid, cap_sets
from evolve import SplitKind
from evolve.authoring import check_problem
from evolve.certificate import registered
from evolve.errors import UsageError
from evolve.evaluation import judge
from evolve.loading import BUILT_IN, load
from evolve.worker import open_sandbox
from islands_db.records import Status

OBJECTS: dict[str, dict[str, object]] = {
    "cap_set": {"n": 2, "vectors": [[0, 0], [0, 1], [1, 0], [1, 1]]},
    "circle_packing": {"n": 1, "circles": [["0.5", "0.5", "0.5"]]},
    "sorting_network": {"wires": 3, "layers": [[[0, 2]], [[0, 1]], [[1, 2]]]},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in sorted(OBJECTS)),
        ("cap_set", {"interface": "search", "seconds": "0.3", "n": "4"}),
        ("circle_packing", {"interface": "search", "seconds": "0.5", "circles": "6"}),
    ],
)
def test_each_is_sound(name: str, settings: dict[str, str]) -> None:
    findings = check_problem(load(name, settings))
    assert [f for f in findings if f.fine is False] == []
    assert any(f.what == "certificate" and f.fine for f in findings)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_each_draws_what_its_verifier_accepts(name: str) -> None:
    load(name)
    assert isinstance(registered()[name].check(OBJECTS[name]), Valid)
    draw = _module(name).draw
    svg = ElementTree.fromstring(draw(OBJECTS[name]))  # noqa: S314  our own text
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(svg) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "objective", "least"),
    [
        ("cap_set", {"n": "5", "seconds": "2"}, "size", 45),  # the largest there is
        ("circle_packing", {"circles": "7", "seconds": "3"}, "sum_radii", 1.29),
    ],
)
def test_searches_find_what_is_known(
    name: str, settings: dict[str, str], objective: str, least: float
) -> None:
    task = load(name, {**settings, "interface": "search"})
    with open_sandbox(task) as sandbox:
        for program in task.seeds().values():
            verdict = judge(
                task, sandbox, dict(program.files), split=SplitKind.TRAINING, seed=3, artifact=True
            )
            assert verdict.verdicts[-1].status is Status.OK, verdict
            assert verdict.verdicts[-1].values[objective] >= least
            assert verdict.artifact


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cap_set", {"n": "9"}, "goes up to 8"),
        ("cap_set", {"seconds": "0"}, "expected 0.1 to 3600"),
        ("circle_packing", {"seconds": "1e9"}, "expected 0.1 to 3600"),
    ],
)
def test_searches_that_cannot_be_are_refused(
    name: str, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        load(name, {**settings, "interface": "search"})


def test_what_a_search_needs_is_not_loaded_for_the_other_interface() -> None:
    assert load("circle_packing").problem.preloaded_modules == []
    assert load("cap_set").problem.library == {}
    assert set(load("cap_set", {"interface": "search"}).problem.library) == {"orbits"}


def test_orbits_are_taken_whole_or_not_at_all() -> None:
    spec = importlib.util.spec_from_file_location("orbits", BUILT_IN / "cap_set" / "orbits.py")
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    rng = np.random.default_rng(5)
    for n in (2, 3, 4, 5):
        every, weights = library.points(n), 3 ** np.arange(n)[::-1]
        assert (every @ weights == np.arange(3**n)).all()
        for _ in range(30):
            images = [every[:, rng.permutation(n)] * rng.choice([1, 2], n) % 3 @ weights]
            images.append((every + rng.integers(0, 3, n)) % 3 @ weights)
            generators = images[: rng.integers(1, 3)]
            orbits = library.Orbits(np.array(generators))
            assert orbits.lengths.sum() == 3**n
            taken = orbits.take(rng.random(len(orbits)))
            if len(taken):
                assert isinstance(cap_sets.verify(n, every[taken]), Valid)
            for image in generators:
                assert set(image[taken]) == set(taken)
            whole = library.maximal(taken, n)
            assert set(taken) <= set(whole)
            assert isinstance(cap_sets.verify(n, every[whole]), Valid)
            closed = {tuple(-(a + b) % 3) for a in every[whole] for b in every[whole]}
            assert {tuple(p) for p in every} == closed
    with pytest.raises(ValueError, match="not among the 9 points"):
        library.Orbits(np.array([[9] * 9]))


def _module(name: str):  # type: ignore[no-untyped-def]
    prefix = f"evolve_problem_{name}_"
    return next(m for key, m in sys.modules.items() if key.startswith(prefix) and "." not in key)


def test_records_have_a_source_and_a_date() -> None:
    for name in OBJECTS:
        records = load(name).problem.records
        assert records
        assert all(record.source and record.date for record in records)
