"""What an attempt with a model costs the engine in a run of a given size; vendor and sandbox aside.

Sampling, the prompt with all it shows, the call's rows, the answer read and applied, settling: as a
run does it, one attempt after another in one thread. The programs before it are made up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
from msgspec import structs

from evolve.answers import Applied, apply_answer
from evolve.loading import load
from evolve.program import Program
from evolve.prompts import facts_of, load_templates
from evolve.proposers.base import describe
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
_TURNS = 20


def attempt_ms(sizes: Sequence[int], *, attempts: int, seed: int) -> list[float]:
    """CPU milliseconds of the engine for an attempt, in runs of so many programs.

    The runs take turns, so that a machine whose speed drifts treats them alike; medians of turns.
    """
    facts = facts_of(load("bin_packing:or1"))
    rng = random.Random(seed)
    with ExitStack() as held:
        runs = []
        for size in sizes:
            folder = held.enter_context(TemporaryDirectory(prefix="evolve-prompting-"))
            path = Path(folder, "run.db")
            settings = Settings(islands=4, seed=seed)
            store = held.enter_context(closing(Store.create(path, settings=settings, meta={})))
            _fill(store, size, rng)
            store.checkpoint()  # as a run does every few seconds
            store.begin_log_anew()
            reader = held.enter_context(Reader(path))
            runs.append((store, Prompting(store, reader, load_templates(), facts)))
        times: list[list[float]] = [[] for _ in runs]
        for turn in range(_TURNS + 1):
            for (store, prompting), taken in zip(runs, times, strict=True):
                began = time.process_time()
                for _ in range(attempts // _TURNS):
                    _attempt(store, prompting, rng)
                if turn:  # in the first, things are read and compiled once
                    taken.append(1000 * (time.process_time() - began) / (attempts // _TURNS))
        return [median(taken) for taken in times]


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
    store.begin(structs.replace(sample, note=msgspec.json.encode(recipe).decode()))
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
    ended = structs.replace(call, state=CallState.ANSWERED, answer=answer, cost_usd=0.01, input=900)
    store.end_call(store.open_call(call), ended)
    result = apply_answer(parent, answer, expect=recipe.operator.expect)
    assert isinstance(result, Applied)
    store.settle(number, _judged(result.program, Fate.EVALUATED, rng))
