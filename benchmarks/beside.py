"""A slow model beside tree mutation in one run: neither may wait for the other."""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.loopback import EVOLVE, loopback
from benchmarks.rows import Measured, Plan

_RAN = "SELECT count(*) FROM attempts WHERE fate IN ('seed', 'evaluated', 'twin')"
_WHOLE_RUN_S = 540.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A slow model and tree mutation in one run, and tree mutation alone."""

    in_flight: float
    """Calls in flight on average, of those allowed."""
    evaluations_per_s: float
    alone_per_s: float


@lru_cache(maxsize=4)
def _beside(plan: Plan) -> Beside:
    seconds, concurrency = (120 if plan.full else 20), 16
    with tempfile.TemporaryDirectory(prefix="evolve-llm-") as name:
        scratch = Path(name)
        file = scratch / "run.toml"
        file.write_text(
            'policy = "fixed"\n[proposers]\ntree = 1.0\n[[llm]]\nmodel = "openai/loopback"\n'
            f"concurrency = {concurrency}\nprice = {{ input = 0.0, output = 0.0 }}\n"
        )

        def evaluated(run: str, *options: str) -> float:
            command = [*EVOLVE, "run", "bin_packing:or1", *options, "--minutes", str(seconds / 60),
                       "--seed", str(plan.seed), "--json", "--name", run,
                       "--runs", name]  # fmt: skip
            subprocess.run(
                command, env=vendor.environment, check=True, capture_output=True,
                timeout=_WHOLE_RUN_S,
            )  # fmt: skip
            with closing(sqlite3.connect(scratch / run / "run.db")) as connection:
                count: int = connection.execute(_RAN).fetchone()[0]
            return count / seconds

        with loopback(scratch / "ledger.jsonl", "--latency", "2", "--answers", "literal") as vendor:
            both, alone = evaluated("both", "--config", str(file)), evaluated("alone")
            entries = vendor.entries()
    began = {str(e["id"]): float(str(e["at"])) for e in entries if e["state"] == "taken"}
    ended = {str(e["id"]): float(str(e["at"])) for e in entries if e["state"] == "sent"}
    # the first calls start together, and after the last start nothing is asked
    first, last = min(began.values()) + 2.0, max(began.values())
    busy = sum(
        max(0.0, min(ended.get(one, last), last) - max(start, first))
        for one, start in began.items()
    )
    return Beside(
        in_flight=busy / (last - first) / concurrency,
        evaluations_per_s=both,
        alone_per_s=alone,
    )


def calls_beside(plan: Plan) -> Measured:
    found = _beside(plan)
    detail = "of 16 calls allowed at 2 s, tree mutation beside"
    return Measured(value=found.in_flight, detail=detail)


def evaluations_beside(plan: Plan) -> Measured:
    found = _beside(plan)
    return Measured(
        value=found.evaluations_per_s / found.alone_per_s,
        detail=f"{found.evaluations_per_s:.1f}/s beside {found.alone_per_s:.1f}/s without a model",
    )
