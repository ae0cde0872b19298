"""A run without a model or a sandbox: every outcome is a function of the attempt and its sample.

`play` carries a run on from wherever it stands. As a program this file plays a run in child
processes that it kills with SIGKILL at random moments, and starts them again until it is complete:

    python scripted.py PATH ATTEMPTS SEED KIND
"""

from __future__ import annotations

import os
import random
import signal
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from struct import pack

from islands_db import (
    Axis,
    Cells,
    Fate,
    Graph,
    Inspire,
    Outcome,
    ProgramText,
    Sample,
    Settings,
    Status,
    Store,
    Verdict,
)

SETTINGS = Settings(
    islands=3,
    axes=(Axis(name="ones", low=0, high=40, cells=8),),
    population=12,
    inspirations=2,
    migration_every=25,
)
CHANGING = replace(
    SETTINGS,
    policies=("funsearch", "tree_search", "mix"),
    inspire=(Inspire.POLICY, Inspire.FOREIGN),
    migration=Graph.STAR,
    reset_every=40,
    stagnation=30,
    most_islands=6,
    cells=Cells.ADAPTIVE,
)
"""Everything that can change about islands does."""

ADAPTIVE = replace(
    SETTINGS,
    axes=(Axis(name="ones", low=0, high=4, cells=2),),
    population=3,
    cells=Cells.ADAPTIVE,
)
"""Cells that move while no island is born; the seeds' do when the seeds have left the islands."""

KINDS = {"plain": SETTINGS, "changing": CHANGING, "adaptive": ADAPTIVE}
SEEDS = 2
LAG = 4


def text_of(values: list[int]) -> str:
    return "values = [\n" + "".join(f"    {value},\n" for value in values) + "]\n"


def values_of(text: str) -> list[int]:
    return [int(line.strip(" ,")) for line in text.splitlines()[1:-1]]


def program_of(text: str) -> ProgramText:
    syntax = "".join(text.split())
    return ProgramText(
        hash=sha256(text.encode()).hexdigest(),
        syntax_hash=sha256(syntax.encode()).hexdigest(),
        files={"program.py": text},
        length=len(values_of(text)),
    )


def outcome_of(store: Store, sample: Sample) -> Outcome:
    """What became of an attempt: all fates occur."""
    rng = random.Random(f"outcome {sample.attempt}")
    operator = rng.choice(("change", "grow", "shrink", "nothing", "break"))
    values = [0] * 4
    if sample.parent is not None:
        values = values_of(store.files(sample.parent)["program.py"])
    elif sample.proposer == "seed":
        values = [sample.attempt + 1] * (4 + sample.attempt)
    if sample.proposer != "seed":
        if operator == "break":
            fate = rng.choice((Fate.NO_ANSWER, Fate.UNPARSABLE, Fate.NOT_FOUND))
            return Outcome(fate=fate, reason=f"block {sample.attempt} does not apply")
        place = rng.randrange(len(values))
        if operator == "change":
            values[place] = rng.randrange(10)
        elif operator == "grow" and len(values) < 12:
            values.insert(place, rng.randrange(10))
        elif operator == "shrink" and len(values) > 1:
            del values[place]
    program = program_of(text_of(values))
    known = store.known(program.hash, program.syntax_hash)
    if known is not None:
        fate = Fate.NO_OP if known == sample.parent else Fate.DUPLICATE
        return Outcome(fate=fate, duplicate_of=known, operator=operator)
    if sample.proposer != "seed" and rng.random() < 0.03:
        return Outcome(fate=Fate.EVALUATOR_ERROR, program=program, reason="the verifier broke")
    return judged(sample, program, operator, values)


def judged(sample: Sample, program: ProgramText, operator: str, values: list[int]) -> Outcome:
    """The cascade: odd totals fail the first stage, totals under 12 miss the mark of the second."""
    total = sum(values)
    fate = Fate.SEED if sample.proposer == "seed" else Fate.EVALUATED
    if total % 7 == 3 and fate is Fate.EVALUATED:
        failed = Verdict(stage="quick", split="training", status=Status.INVALID, reason="sevens")
        return Outcome(fate=fate, program=program, operator=operator, verdicts=(failed,))
    stages = ("quick", "exact") if total >= 12 else ("quick",)
    fitness = float(total) - 0.5 * len(values)
    verdicts = tuple(
        Verdict(
            stage=stage,
            split="training",
            status=Status.OK,
            values={"total": fitness},
            exact={"total": f"{2 * total - len(values)}/2"},
            fitness=fitness,
            wall_s=random.random(),
        )
        for stage in stages
    )
    return Outcome(
        fate=fate,
        operator=operator,
        program=program,
        verdicts=verdicts,
        rung=len(stages),
        fitness=fitness,
        features={"ones": float(total)} if total % 5 else {},
        cases=pack(
            f"<{len(stages) + 1}f", *(-float(total % n) for n in (3, 5, 7)[: len(stages) + 1])
        ),
        cost_usd=0.01,
        propose_s=random.random(),
    )


def step(store: Store, attempts: int) -> bool:
    """Begins what is due, settles the next attempt; False when the run is complete."""
    counts = store.counts()
    settled, begun = counts.attempts, counts.attempts + counts.pending
    if settled == attempts:
        return False
    due = settled + 1 if settled < SEEDS else min(settled + LAG, attempts)
    for attempt in range(begun, due):
        store.begin(sample_of(store, attempt))
    ahead = store.pending()[-1]
    rng = random.Random(f"hold {settled}")
    if ahead.attempt > settled and ahead.attempt not in store.held() and rng.random() < 0.3:
        store.hold(ahead.attempt, b"a result that came early")
    outcome = outcome_of(store, store.pending()[0])
    with store.atomic(durable=settled % 50 == 0):
        placement = store.settle(settled, outcome)
        if placement.best and placement.program is not None:
            check = Verdict(stage="check", split="validation", status=Status.OK, fitness=1.0)
            store.add_verdicts(placement.program, [check])
            store.event("best", {"program": placement.program})
    return True


def sample_of(store: Store, attempt: int) -> Sample:
    if attempt < SEEDS:
        return Sample(attempt=attempt, island=0, parent=None, proposer="seed", note=f"{attempt}.py")
    return store.sample(attempt, random.Random(f"sample {attempt}"), proposer="tree")


def opened(path: Path, kind: str = "plain") -> Store:
    if path.exists():
        return Store.open(path)
    return Store.create(path, settings=KINDS[kind], meta={"problem": "totals"})


def play(path: Path, attempts: int, *, until: int | None = None, kind: str = "plain") -> Store:
    """Carries a run of so many attempts on until it is complete, or `until` of them have ended."""
    store = opened(path, kind)
    while store.counts().attempts != until and step(store, attempts):
        pass
    return store


def storm(path: Path, attempts: int, seed: int, kind: str) -> int:
    """Plays the run in children killed at random moments; how many kills it took."""
    rng = random.Random(seed)
    kills = 0
    while True:
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(told)
            store = opened(path, kind)
            os.write(tell, b".")
            while step(store, attempts):
                os.write(tell, b".")
            store.close()
            os._exit(0)
        os.close(tell)
        for _ in range(rng.randrange(30)):
            os.read(told, 1)
        for _ in range(rng.randrange(20_000)):
            pass
        os.kill(child, signal.SIGKILL)
        os.close(told)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return kills
        kills += 1


if __name__ == "__main__":
    print(storm(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
