"""`python -m benchmarks NAME [--full] [--only TEXT]`: figures beside their targets."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module

from benchmarks.rows import Plan, Result, Row, keep, kept, machine, measure

SUITES = {
    "kernels": "timing of code, proofs and searches of sorting kernels",
    "path": "the whole path from a fresh clone to a checked result",
    "sandbox": "what isolation costs, how limits hold, what is left behind",
    "verifiers": "what the exact verifiers take, refuse and believe",
    "matmul": "what the seeds of matmul find alone",
    "islands": "the island database at a million programs, and how well it searches",
    "llm": "calls to models: rate, CPU, faults, kills",
    "offline": "what search finds without a model, and what explain says of it",
    "seen": "what a person sees",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join(f"{name} ({what})" for name, what in SUITES.items())
    parser.add_argument("name", choices=SUITES, help=names)
    parser.add_argument("--full", action="store_true", help="everything; goes on where it was cut")
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="rows whose name holds it; may be repeated"
    )
    parser.add_argument("--seed", type=int, help="by default today's date")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    today = int(datetime.now(UTC).strftime("%Y%m%d"))
    plan = Plan(full=arguments.full, seed=today if arguments.seed is None else arguments.seed)
    rows: list[Row] = import_module(f"benchmarks.{arguments.name}").ROWS
    wanted: list[str] = arguments.only or [""]
    rows = [row for row in rows if any(text in row.name for text in wanted)]
    if not rows:
        parser.error(f"no row of {arguments.name} holds {' or '.join(wanted)!r} in its name")
    done = {r.name: r for r in kept(arguments.name, plan)} if plan.full else {}
    results = []
    if not arguments.as_json:
        print(f"{arguments.name}, {'full' if plan.full else 'sample'}, seed {plan.seed}")
        print(machine(), flush=True)
    for row in rows:
        result = done.get(row.name)
        if result is None:
            result = measure(arguments.name, row, plan)
            if plan.full and result.value is not None:
                keep(result)
        results.append(result)
        if not arguments.as_json:
            print(_line(result), flush=True)
    if arguments.as_json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    return 0


def _line(result: Result) -> str:
    value = "-" if result.value is None else f"{result.value:.4g}"
    figure = f"{result.name:<52} {value:>9} {result.unit:<9} {result.target:>9}  {result.verdict}"
    return figure + (f"\n    {result.detail}" if result.detail else "")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("benchmarks: interrupted; what was kept stays, and --full goes on from there")
