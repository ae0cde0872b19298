"""Where the object is the result: the best of a run is certified, whoever found it, and when."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from evolve import objects
from evolve.loading import ENTRY
from evolve.problem import Objective
from evolve.program import Program
from evolve.proposers.base import describe
from islands_db import Fate, Outcome, Reader, Sample, Status, Store, Verdict
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


FOUR = [[0, 0], [0, 1], [1, 0], [1, 1]]


def _two(folder: Path) -> None:
    (folder / "seed.py").write_text(SEED.replace(str(FOUR), str(FOUR[:2])), encoding="utf-8")


def _four(store: Store, parent: int, comment: str = "") -> int:
    """Stores a program that found four vectors, as a search does."""
    text = SEED + comment
    verdict = Verdict(
        stage="training", split="training", status=Status.OK, values={"size": 4.0},
        exact={"size": "4"}, fitness=4.0,
    )  # fmt: skip
    described = describe(Program.of({ENTRY: text}))
    with store.atomic():
        attempt = store.counts().attempts + store.counts().pending
        store.begin(Sample(attempt=attempt, island=0, parent=parent, proposer="tree"))
        placed = store.settle(
            attempt,
            Outcome(
                fate=Fate.EVALUATED, program=described, verdicts=(verdict,), rung=1, fitness=4.0,
            ),
        )  # fmt: skip
        artifact = json.dumps({"n": 2, "vectors": FOUR})
        objects.keep(store, Objective.parse("max size"), described.hash, verdict, artifact)
    assert placed.program is not None
    return placed.program


def test_what_a_banned_program_found_is_not_certified(evolve: Evolve, caps: Path) -> None:
    _two(caps)
    command = ("run", caps, "--evals", 3, "--deterministic", "--seed", 1, "--name", "mine")
    assert evolve(*command).code == 0
    run = evolve.folder / "runs" / "mine"
    with closing(Store.open(run / "run.db")) as store:
        four = _four(store, 1)
        found = objects.kept(store)
        assert found is not None
        assert found.value == "4"
        store.ban(four)
        assert objects.kept(store) is None
    assert evolve("resume", "mine", "--evals", 5).code == 0
    held = json.loads((run / "certificate.json").read_text())
    assert held["claim"]["value"] == "2"
    with Reader(run / "run.db") as reader:
        assert held["program"] == reader.program(1).hash
    with closing(Store.open(run / "run.db")) as store:
        _four(store, four, "# and a child of it\n")
        found = objects.kept(store)
        assert found is not None
        assert found.value == "2"


def test_a_merged_run_keeps_the_best_object_that_is_not_banned(evolve: Evolve, caps: Path) -> None:
    _two(caps)
    for name in ("one", "other"):
        command = ("run", caps, "--evals", 3, "--deterministic", "--seed", 1, "--name", name)
        assert evolve(*command).code == 0
    with closing(Store.open(evolve.folder / "runs" / "one" / "run.db")) as store:
        store.ban(_four(store, 1))
    assert evolve("merge", "one", "other", "-o", "both").code == 0
    with Reader(evolve.folder / "runs" / "both" / "run.db") as reader:
        found = objects.best(reader.meta)
    assert found is not None
    assert found.value == "2"


def test_what_another_verifier_made_of_an_object_does_not_stand(evolve: Evolve, caps: Path) -> None:
    """The old one counted two too many."""
    problem = caps / "problem.py"
    problem.write_text(PROBLEM.replace("size=result.value,", "size=result.value + 2,"))
    command = ("run", caps, "--evals", 5, "--deterministic", "--seed", 1, "--name", "mine")
    ended = evolve(*command)
    assert "no certificate: the best object is no longer 6: it is 4" in ended.err
    problem.write_text(PROBLEM)
    assert evolve("rescore", "mine").code == 0
    assert evolve("resume", "mine", "--evals", 6).code == 0
    held = json.loads((evolve.folder / "runs" / "mine" / "certificate.json").read_text())
    assert held["claim"]["value"] in {"3", "4"}
