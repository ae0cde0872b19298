"""What an attempt with a model costs the engine in a run of a given size; vendor and sandbox aside.

Sampling, the prompt with all it shows, the call's rows, the answer read and applied, settling: as a
run does it, one attempt after another in one thread. The programs before it are made up.
"""

from __future__ import annotations

import random
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec

from evolve.answers import Applied, apply_answer
from evolve.drafting import describe
from evolve.loading import load
from evolve.program import Program
from evolve.prompts import facts_of, load_templates
from evolve.proposers.llm import Prompting
from islands_db import (
    Call,
    CallState,
    Fate,
    Outcome,
    Reader,
    Sample,
    Settings,
    Status,
    Store,
    Verdict,
)

_FIRST = '''"""Which bin an item wants."""

# EVOLVE-BLOCK-START


def priority(item: int, remaining: int) -> float:
    """The highest wins."""
    left = remaining - item
    if left == 0:
        return 100.0
    return -float(left) * 0  # weight


# EVOLVE-BLOCK-END
'''
_BATCH = 500


def attempt_ms(programs: int, *, attempts: int, seed: int) -> float:
    """CPU milliseconds of the engine for an attempt, after so many programs."""
    rng = random.Random(seed)
    settings = Settings(islands=4, seed=seed)
    with tempfile.TemporaryDirectory(prefix="evolve-prompting-") as name:
        path = Path(name) / "run.db"
        with closing(Store.create(path, settings=settings, meta={})) as store:
            _fill(store, programs, rng)
            with Reader(path) as reader:
                facts = facts_of(load("bin_packing:or1"))
                prompting = Prompting(store, reader, load_templates(), facts)
                for _ in range(20):  # what is read and compiled once
                    _attempt(store, prompting, rng)
                began = time.process_time()
                for _ in range(attempts):
                    _attempt(store, prompting, rng)
                return 1000 * (time.process_time() - began) / attempts


def _fill(store: Store, programs: int, rng: random.Random) -> None:
    while (done := store.counts().programs) < programs:
        with store.atomic():
            for number in range(done, min(done + _BATCH, programs)):
                sample = Sample(attempt=number, island=number % 4, parent=None, proposer="seed")
                if number:
                    sample = store.sample(number, rng, proposer="m")
                store.begin(sample)
                text = _FIRST.replace("* 0 ", f"* {number} ")
                fate = Fate.EVALUATED if number else Fate.SEED
                store.settle(number, _judged(Program.of({"program.py": text}), fate, rng))


def _judged(program: Program, fate: Fate, rng: random.Random) -> Outcome:
    excess = 4.0 + rng.random()
    verdict = Verdict(
        stage="training", split="training", status=Status.OK, fitness=-excess,
        values={"excess_percent": excess}, exact={"excess_percent": str(excess)},
        feedback="bins with gaps of 1 to 4: 17",
    )  # fmt: skip
    return Outcome(
        fate=fate,
        program=describe(program),
        verdicts=(verdict,),
        rung=1,
        fitness=-excess,
        features={"length": float(rng.randrange(200))},
    )


def _attempt(store: Store, prompting: Prompting, rng: random.Random) -> None:
    number = store.counts().attempts
    sample = store.sample(number, rng, proposer="m")
    recipe = prompting.plan(sample, rng)
    store.begin(replace(sample, note=msgspec.json.encode(recipe).decode()))
    prompt = prompting.render(recipe)
    assert sample.parent is not None
    parent = Program.of(store.files(sample.parent))
    (line,) = [text for text in parent.files["program.py"].split("\n") if "# weight" in text]
    new = f"    return -float(left) * {number}  # weight"
    answer = f"<<<<<<< SEARCH\n{line}\n=======\n{new}\n>>>>>>> REPLACE\n"
    call = Call(
        attempt=number, turn=0, model="m", template=prompt.templates, prompt=prompt.hash,
        reserve_usd=0.2, reserve_tokens=20_000,
    )  # fmt: skip
    ended = replace(call, state=CallState.ANSWERED, answer=answer, cost_usd=0.01, input=900)
    store.end_call(store.open_call(call), ended)
    result = apply_answer(parent, answer, expect=recipe.operator.expect)
    assert isinstance(result, Applied)
    store.settle(number, _judged(result.program, Fate.EVALUATED, rng))
