"""The tuner asks nothing twice: values that would do what others did are not run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from evolve import loading
from evolve.drafting import Draft
from evolve.known import Known
from evolve.messages import Listen, Mutated, Tune
from evolve.program import Program
from evolve.proposers.base import describe
from evolve.proposers.tuning import Tunings, tuned
from evolve.tree.echo import Echo
from evolve.tuning import parameters
from islands_db import Fate, Reader, Sample, Store

if TYPE_CHECKING:
    from conftest import Evolve

ToldSoFar = tuple[tuple[tuple[float, ...], tuple[int, float]], ...]

PROBLEM = """
import numpy as np
from evolve import Probe, Problem, Score

XS = list(range(40))


def sign(answers):
    return np.sign(answers).tobytes()


problem = Problem(
    name="steps", statement="statement.md", seeds=["seed.py"], objective="max agreement",
    probe=Probe(stage="agrees", function="f", columns=[XS], behaviour=sign),
)


@problem.stage(timeout_s=2.0, memory_mb=256)
def agrees(candidate):
    answers = np.array([candidate.call("f", x) for x in XS], float)
    candidate.behaves_as(sign(answers))
    return Score(agreement=int(np.sum(np.sign(answers) == np.sign(np.array(XS) - 17.5))))
"""
SEED = """
# EVOLVE-BLOCK-START
def f(x):
    return 3.0 * x - 20.25
# EVOLVE-BLOCK-END
"""


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """Only where the line crosses zero counts: most values do what others did."""
    folder = tmp_path / "steps"
    folder.mkdir()
    for name, text in {"problem.py": PROBLEM, "statement.md": "Steps.\n", "seed.py": SEED}.items():
        (folder / name).write_text(text)
    return folder


def ask(
    folder: Path, seed: int, told: ToldSoFar, tunings: Tunings, *, probed: bool = True
) -> Mutated:
    base = {"seed.py": SEED}
    question = Tune(
        session=1,
        base=base,
        literals=frozenset(p.index for p in parameters(Program.of(base))),
        told=told,
        seed=seed,
        operator="cma",
        problem=Listen(reference=str(folder), parameters={}) if probed else None,
    )
    return tuned(question, tunings)


def test_values_do_something_new_where_a_few_tries_give_such(steps: Path) -> None:
    told: ToldSoFar = (((3.0, -20.5), (1, 20.0)), ((3.0, -30.25), (1, 24.0)))
    says = Echo(loading.load(str(steps)).problem.probe).behaviour  # type: ignore[arg-type]
    known = {says(SEED.replace("- 20.25", text)) for text in ("- 20.25", "- 30.25")}
    assert len(known) == 2
    blind, seeing = Tunings(), Tunings()
    repeats = [0, 0]
    for seed in range(60):
        for probed, tunings in enumerate((blind, seeing)):
            child = ask(steps, seed, told, tunings, probed=bool(probed)).program
            assert child is not None
            repeats[probed] += says(child.files["seed.py"]) in known
    assert repeats[0] >= 10
    assert repeats[1] <= 2


def test_what_is_asked_follows_from_what_was_told_alone(steps: Path) -> None:
    told: ToldSoFar = tuple(((3.0, -20.0 - i), (1, 20.0 + i % 3)) for i in range(12))
    lasting = Tunings()
    answers = [ask(steps, seed, told[:seed], lasting) for seed in range(12)]
    assert answers == [ask(steps, seed, told[:seed], Tunings()) for seed in range(12)]
    again = ask(steps, 5, told[:5], lasting)  # as after a resume: told less than before
    assert again == answers[5]


def test_no_behaviour_is_evaluated_twice(evolve: Evolve, steps: Path) -> None:
    ended = evolve(
        "run", steps, "--proposer", "tuner", "--evals", 25, "--seed", 1, "--name", "t",
        "--workers", 1, "--lag", 1, "--deterministic",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    with Reader(evolve.folder / "runs" / "t" / "run.db") as reader:
        proposals = [p for p in reader.proposals() if p.proposer == "tuner"]
    fates = [p.fate for p in proposals]
    assert Fate.TWIN not in fates
    spared = [p for p in proposals if "worked out, not run" in p.reason]
    assert spared
    assert all(p.fate is Fate.DUPLICATE and p.duplicate_of is not None for p in spared)


def test_what_behaves_as_no_stored_program_is_taken_instead(evolve: Evolve, steps: Path) -> None:
    ended = evolve("run", steps, "--evals", 3, "--seed", 1, "--name", "t", "--workers", 1)
    assert ended.code == 0, ended.err
    says = Echo(loading.load(str(steps)).problem.probe).behaviour  # type: ignore[arg-type]

    def draft(constant: str, instead: Draft | None = None) -> Draft:
        text = SEED.replace("20.25", constant)
        described = describe(Program.of({"seed.py": text}))
        return Draft(text=described, behaviour=says(text), instead=instead)

    known, new = draft("20.5"), draft("31.0", draft("61.0"))
    sample = Sample(attempt=99, island=0, parent=1, proposer="tree")
    with closing(Store.open(evolve.folder / "runs" / "t" / "run.db")) as store:
        knows = Known(store=store, lag=1, deterministic=False)
        assert knows.foretold(sample, known) is not None
        assert knows.unheard(sample, new) is new
        for first in (draft("20.5", new), draft("20.5", draft("20.75", new))):
            assert knows.unheard(sample, first) is new
        only = draft("20.5", draft("20.75"))
        assert knows.unheard(sample, only) is only
        early = Known(store=store, lag=99, deterministic=True)  # sampled from the seed alone
        assert early.unheard(structs.replace(sample, attempt=98), draft("20.5", new)).instead is new
