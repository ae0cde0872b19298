"""What a sandboxed evaluation costs beside a bare fork of a process that is just as warm.

Both compile the same trivial program, call it once and hand back its answer; rounds alternate, so
that a machine whose speed drifts treats both alike. CPU is that of all processes taking part. Both
have loaded the same: numpy with its generators, which the sandbox loads and seeds for candidates.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.processes import tree
from benchmarks.rows import Measured, Plan
from sandbox import Limits, Sandbox

PROGRAM = "def run(n):\n    return [i * i for i in range(n)]\n"
ROUNDS, PER_ROUND = 32, 100
"""Short ones: a virtual machine changes its speed within seconds."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

BARE = r"""
import os, random, sys
import numpy, numpy.random
source = sys.stdin.buffer.readline()
source = bytes.fromhex(source.decode())
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                space = {}
                exec(compile(source, "program.py", "exec"), space)
                os.write(write, repr(space["run"](10)).encode())
            finally:
                os._exit(0)
        os.close(write)
        answer = b""
        while chunk := os.read(read, 65536):
            answer += chunk
        os.close(read)
        os.waitpid(child, 0)
        assert answer == b"[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]"
    print("done", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds an evaluation, one figure a round."""

    bare_wall: list[float]
    bare_cpu: list[float]
    boxed_wall: list[float]
    boxed_cpu: list[float]


class Bare:
    """A warm process that forks without any isolation, as often as it is told."""

    def __enter__(self) -> Bare:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, text=True,
        )  # fmt: skip
        self.pid = self._process.pid
        self(PROGRAM.encode().hex())
        return self

    def __call__(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline()

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@lru_cache(maxsize=1)
def measure() -> Costs:
    """Alternating rounds of bare forks and sandboxed evaluations, numpy loaded in both."""
    costs = Costs([], [], [], [])
    with (
        Bare() as tell,
        Sandbox(requires=["numpy"], preload=["numpy"]) as sandbox,
    ):

        def boxed() -> None:
            for _ in range(PER_ROUND):
                with sandbox.open(
                    {"program.py": PROGRAM}, entry="program.py", limits=Limits()
                ) as c:
                    assert c.call("run", 10) == [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]

        for number in range(ROUNDS + 1):
            bare_wall, bare_cpu = _timed(lambda: tell(str(PER_ROUND)), tell.pid)
            boxed_wall, boxed_cpu = _timed(boxed, os.getpid(), apart=tell.pid)
            if number:  # the first round warms both up
                costs.bare_wall.append(bare_wall)
                costs.bare_cpu.append(bare_cpu)
                costs.boxed_wall.append(boxed_wall)
                costs.boxed_cpu.append(boxed_cpu)
    return costs


def wall_ratio(plan: Plan) -> Measured:
    costs = measure()
    return _ratio(costs.boxed_wall, costs.bare_wall)


def cpu_ratio(plan: Plan) -> Measured:
    costs = measure()
    return _ratio(costs.boxed_cpu, costs.bare_cpu)


def _ratio(boxed: list[float], bare: list[float]) -> Measured:
    ratios = [a / b for a, b in zip(boxed, bare, strict=True)]
    detail = (
        f"medians {_ms(statistics.median(boxed))} and {_ms(statistics.median(bare))} ms, "
        f"least {_ms(min(boxed))} and {_ms(min(bare))}; {ROUNDS} paired rounds of {PER_ROUND}"
    )
    return Measured(value=statistics.median(ratios), detail=detail)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"


def _timed(work: Callable[[], None], root: int, *, apart: int | None = None) -> tuple[float, float]:
    """Wall and CPU seconds an evaluation, of the processes below `root` but those of `apart`."""
    before, began = _cpu(root, apart), time.perf_counter()
    work()
    wall = time.perf_counter() - began
    return wall / PER_ROUND, (_cpu(root, apart) - before) / PER_ROUND


def _cpu(root: int, apart: int | None) -> float:
    """CPU seconds of these processes and the children they have reaped."""
    family = tree(root) - (tree(apart) if apart is not None else set())
    total = 0.0
    for process in family:
        try:
            text = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
        except FileNotFoundError:
            continue  # ended since; its parent has its time
        fields = text.rpartition(")")[2].split()
        total += sum(int(fields[i]) for i in (11, 12, 13, 14)) * _TICK_S
    return total
