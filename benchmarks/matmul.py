"""What the seeds of `matmul` find without any evolution, and how soon; every scheme is verified.

`python -m benchmarks.matmul` writes the table of docs/results.md, row by row as they come:
each format up to <5,5,5> over both rings, one seed and `--seconds` each, stopped at the best known
rank. It goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from itertools import combinations_with_replacement
from pathlib import Path
from types import ModuleType

from benchmarks.rows import RESULTS, Measured, Plan, Row, machine
from evaluators import Invalid, bilinear
from evolve.loading import ENTRY, Task, load
from evolve.worker import open_sandbox
from sandbox import Limits, Sandbox

SEED_PROGRAM = "seed_flip_graph.py"
TABLE = RESULTS / "matmul_table.jsonl"
_GRACE_S = 10.0
_DRIVER = '''
import time


class Enough(Exception):
    """A descent has reached the rank asked for."""


def timed(program, shape, ring, seed, seconds, enough):
    """Seconds to the best scheme of the seed's search, and the scheme."""
    began, best, descend = time.monotonic(), [None, 0.0], program.descend

    def watched(*arguments):
        found = descend(*arguments)
        first = found[0]
        if first.shape == shape and (best[0] is None or first.rank < best[0].rank):
            best[:] = first.copy(), time.monotonic() - began
            if first.rank <= enough:
                raise Enough
        return found

    program.descend = watched
    try:
        last = program.search(shape, ring, seed, seconds, [])
        if best[0] is None:
            best[0] = last
    except Enough:
        pass
    return best[1], best[0].matrices()
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A verified rank, and after how many seconds it was there."""

    rank: int
    seconds: float


@cache
def _task(ring: str) -> Task:
    return load("matmul", {"ring": ring})


@contextmanager
def _sandboxed(ring: str) -> Iterator[tuple[Sandbox, Task]]:
    task = _task(ring)
    with open_sandbox(task) as sandbox:
        yield sandbox, task


def search(
    shape: tuple[int, int, int], ring: str, *, seed: int, seconds: float, enough: int
) -> Found:
    """Runs the seed's search in the sandbox, stops it at rank `enough`, verifies what it found.

    Raises:
        ValueError: the scheme is not valid.
    """
    with _sandboxed(ring) as (sandbox, task):
        limits = Limits(wall_s=seconds + _GRACE_S)
        files = dict(task.program(SEED_PROGRAM).files)
        with sandbox.open(files, entry=ENTRY, driver=_DRIVER, limits=limits) as candidate:
            answer = candidate.drive("timed", shape, ring, seed, seconds, enough)
    assert isinstance(answer, tuple)
    took, (u, v, w) = answer
    verdict = bilinear.verify(bilinear.Scheme(*shape, ring, u, v, w))
    if isinstance(verdict, Invalid):
        raise ValueError(verdict.reason)
    return Found(rank=int(verdict.value), seconds=float(took))


def share_of_seeds(
    plan: Plan, *, shape: tuple[int, int, int], ring: str, rank: int, seconds: float
) -> Measured:
    """The share of seeds that reach the rank in time; a sample is one seed."""
    found = [
        search(shape, ring, seed=plan.seed + index, seconds=seconds, enough=rank)
        for index in range(5 if plan.full else 1)
    ]
    share = sum(f.rank <= rank for f in found) / len(found)
    shown = ", ".join(f"{f.rank} in {f.seconds:.1f} s" for f in found)
    return Measured(value=share, detail=f"{shown} of at most {seconds:g}")


def gain(plan: Plan, *, shape: tuple[int, int, int], ring: str) -> Measured:
    """How many products fewer a run finds than its seed alone in the same search time.

    The run evolves the seed by mutation and crossover without a model; every evaluation searches
    `seconds`. The seed alone searches as long as all evaluations together.
    """
    evaluations, seconds, seeds = (60, 10.0, 5) if plan.full else (6, 1.0, 1)
    pairs = []
    for seed in range(plan.seed, plan.seed + seeds):
        evolved = _evolved(shape, ring, seed=seed, evaluations=evaluations, seconds=seconds)
        # a tenth more for the first stage
        alone = search(shape, ring, seed=seed, seconds=1.1 * evaluations * seconds, enough=0)
        pairs.append((alone.rank, evolved))
    shown = ", ".join(f"{alone} alone, {evolved} evolved" for alone, evolved in pairs)
    mean = sum(alone - evolved for alone, evolved in pairs) / len(pairs)
    return Measured(value=mean, detail=f"{shown}; {evaluations} evaluations of {seconds:g} s")


def _evolved(
    shape: tuple[int, int, int], ring: str, *, seed: int, evaluations: int, seconds: float
) -> int:
    """The rank that a run certifies."""
    name = "x".join(map(str, shape))
    with tempfile.TemporaryDirectory(prefix="evolve-matmul-") as folder:
        options = [
            "--set", f"ring={ring}", "--set", f"seconds={seconds}", "--evals", str(evaluations),
            "--seed", str(seed), "--name", "run", "--workers", "1",
        ]  # fmt: skip
        subprocess.run(
            [sys.executable, "-P", "-m", "evolve", "run", f"matmul:{name}", *options],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        certificate = Path(folder) / "runs" / "run" / "certificate.json"
        held = json.loads(certificate.read_text(encoding="utf-8"))
    return int(held["claim"]["value"])


def _row(ring: str, name: str, rank: int, seconds: float, at_least: float) -> Row:
    n, m, p = (int(side) for side in name.split("x"))
    minutes = "1 minute" if seconds == 60 else f"{seconds / 60:g} minutes"
    return Row(
        name=f"{ring} <{n},{m},{p}> {rank} in {minutes}",
        unit="of seeds",
        measure=partial(share_of_seeds, shape=(n, m, p), ring=ring, rank=rank, seconds=seconds),
        at_least=at_least,
    )


ROWS = [
    _row("GF2", "3x3x3", 23, 60, 0.8),
    _row("GF2", "3x3x4", 29, 60, 0.8),
    _row("GF2", "3x4x4", 38, 60, 0.8),
    _row("GF2", "4x4x4", 49, 60, 0.8),
    _row("GF2", "4x4x4", 47, 300, 0.4),
    _row("Z", "3x3x3", 23, 60, 0.8),
    _row("Z", "3x3x4", 29, 60, 0.8),
    _row("Z", "3x4x4", 39, 60, 0.8),
    Row(
        name="evolved below seed alone, GF2 <3,4,4>",
        unit="products",
        measure=partial(gain, shape=(3, 4, 4), ring="GF2"),
    ),
    Row(
        name="evolved below seed alone, Z <3,4,4>",
        unit="products",
        measure=partial(gain, shape=(3, 4, 4), ring="Z"),
    ),
]


def _published() -> ModuleType:
    problem = _task("Z").problem.stages[0].function.__module__
    return import_module(f"{problem}.published")


def fill_table(seconds: float, seed: int) -> None:
    """Measures what the table lacks, from small formats to large."""
    done = set()
    if TABLE.exists():
        lines = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
        done = {(x["format"], x["ring"]) for x in lines if x["seconds"] >= seconds}
    best = {row.shape: row.best for row in _published().rows()}
    shapes = sorted(
        combinations_with_replacement((2, 3, 4, 5), 3), key=lambda s: s[0] * s[1] * s[2]
    )
    for shape in shapes:
        for ring in ("GF2", "Z"):
            name = "x".join(map(str, shape))
            if (name, ring) in done:
                continue
            found = search(shape, ring, seed=seed, seconds=seconds, enough=best[shape][ring])
            line = {
                "format": name, "ring": ring, "rank": found.rank, "reached_s": found.seconds,
                "seconds": seconds, "seed": seed, "machine": machine(),
            }  # fmt: skip
            RESULTS.mkdir(exist_ok=True)
            with TABLE.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{name} {ring}: {found.rank} in {found.seconds:.1f} s", flush=True)


def table() -> str:
    """The measured table beside the published ranks, as Markdown."""
    lines = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
    found: dict[tuple[str, str], dict[str, float]] = {}
    for line in lines:
        key = line["format"], line["ring"]
        if key not in found or (line["rank"], line["reached_s"]) < (
            found[key]["rank"],
            found[key]["reached_s"],
        ):
            found[key] = line
    text = [
        "| format | definition | GF(2) reached | minutes | best | AlphaTensor "
        "| Z reached | minutes | best | AlphaTensor | AlphaEvolve |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in _published().rows():
        if max(row.shape) > 5:
            continue
        n, m, p = row.shape
        cells = [f"{n}x{m}x{p}", str(n * m * p)]
        for ring in ("GF2", "Z"):
            line = found.get((cells[0], ring))
            cells += [f"{line['rank']}", f"{line['reached_s'] / 60:.2f}"] if line else ["-", "-"]
            cells += [str(row.best[ring]), str(row.alphatensor[ring] or "")]
        ring = row.alphaevolve_ring
        cells.append(f"{row.alphaevolve} ({ring})" if row.alphaevolve else "")
        text.append("| " + " | ".join(cells) + " |")
    return "\n".join(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matmul", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-show", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.only_show:
        fill_table(arguments.seconds, arguments.seed)
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
