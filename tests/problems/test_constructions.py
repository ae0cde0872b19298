"""The problems whose object is a construction: sound, known records, drawn as SVG."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest

from evaluators import Valid
from evolve.authoring import check_problem
from evolve.certificate import registered
from evolve.loading import load

OBJECTS: dict[str, dict[str, object]] = {
    "cap_set": {"n": 2, "vectors": [[0, 0], [0, 1], [1, 0], [1, 1]]},
    "circle_packing": {"n": 1, "circles": [["0.5", "0.5", "0.5"]]},
    "sorting_network": {"wires": 3, "layers": [[[0, 2]], [[0, 1]], [[1, 2]]]},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_each_is_sound(name: str) -> None:
    findings = check_problem(load(name))
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


def _module(name: str):  # type: ignore[no-untyped-def]
    prefix = f"evolve_problem_{name}_"
    return next(m for key, m in sys.modules.items() if key.startswith(prefix) and "." not in key)


def test_records_have_a_source_and_a_date() -> None:
    for name in OBJECTS:
        records = load(name).problem.records
        assert records
        assert all(record.source and record.date for record in records)
