"""Where the object is the result: the best of a run is certified, whoever found it, and when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evolve.conftest import Evolve

PROBLEM = '''
from evaluators import Invalid, cap_sets
from evolve import Problem, Score

problem = Problem(
    name="caps", statement="statement.md", seeds=["seed.py"], objective="max size",
    parameters={"n": 2}, verifier="cap_set", certify="best",
)


def judged(candidate, n, most):
    vectors = candidate.call("vectors", n)[:most]
    result = cap_sets.verify(n, vectors)
    if isinstance(result, Invalid):
        return result
    return Score(size=result.value, artifact={"n": n, "vectors": vectors})


@problem.stage(timeout_s=2.0, memory_mb=256)
def training(candidate, *, n):
    return judged(candidate, n, 4)


@problem.validation(timeout_s=2.0, memory_mb=256)
def validation(candidate, *, n):
    return judged(candidate, n, 2)


@problem.test(timeout_s=2.0, memory_mb=256)
def test(candidate, *, n):
    """A search that has less luck this time."""
    return judged(candidate, n, 3)
'''
SEED = """
# EVOLVE-BLOCK-START
def vectors(n):
    return [[0, 0], [0, 1], [1, 0], [1, 1]]
# EVOLVE-BLOCK-END
"""


@pytest.fixture
def caps(tmp_path: Path) -> Path:
    folder = tmp_path / "caps"
    folder.mkdir()
    for name, text in (("problem.py", PROBLEM), ("seed.py", SEED), ("statement.md", "Cap sets.")):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_an_object_of_training_that_the_test_does_not_find_again_is_certified(
    evolve: Evolve, caps: Path
) -> None:
    ended = evolve(
        "run", caps, "--evals", 5, "--deterministic", "--seed", 1, "--name", "mine", "--json"
    )
    assert ended.code == 0
    certificate = evolve.folder / "runs" / "mine" / "certificate.json"
    held = json.loads(certificate.read_text())
    assert held["claim"]["value"] == "4"
    assert len(held["artifact"]["vectors"]) == 4
    assert held["lineage"][-1] == held["program"]
    verified = evolve("verify", certificate)
    assert (verified.code, "equal to the best known" in verified.out) == (0, False)
    # it is in the database, not only in the file: a run that is cut off writes it on resume
    certificate.unlink()
    assert evolve("resume", "mine", "--evals", 6).code == 0
    again = json.loads(certificate.read_text())
    assert (again["artifact"], again["program"]) == (held["artifact"], held["program"])
