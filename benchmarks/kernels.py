"""Kernels: what timing calls different, which cheats pass, how long proofs and searches take.

A full measurement keeps every trial (results/kernels-trials.jsonl), and goes on behind the last.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks import rows
from benchmarks.blas import blas_beside_definition, block_beside_blas
from benchmarks.rows import Measured, NotMeasured, Plan, Row
from evaluators import Invalid, Valid, kernel_listings
from evaluators.kernel_export import assembly
from evaluators.weak_orders import sorted_orders, weak_orders
from evolve import SplitKind
from evolve.evaluation import judge
from evolve.loading import BUILT_IN, load
from evolve.timing import CannotJudge, Decision, Loop, Race, race
from evolve.worker import open_sandbox
from islands_db.records import Status
from sandbox import CandidateFailure, SandboxError

_TRIAL_S = 2.0
_ALIKE = {True: 500, False: 6}
_PLANTED = {True: 100, False: 6}
_LOADED = {True: 200, False: 6}
_SEARCH_S = 10.0
_CHAIN = 500


def _chain(steps: int) -> str:
    """A kernel that takes as long as its number of steps: each needs the one before."""
    return (
        "#include <stdint.h>\n"
        "__attribute__((aligned(64), noinline)) void kernel(uint64_t *x);\n"
        "void kernel(uint64_t *x) {\n    uint64_t s = *x;\n"
        f"    for (int i = 0; i < {steps}; i++) s = (s ^ (s >> 29)) * 0x9E3779B97F4A7C15u;\n"
        "    *x = s;\n}\n"
    )


_CHAIN_LOOP = Loop(
    source="""
        #include <stdint.h>
        #include <string.h>
        void loop(void *kernel, const void *in, void *out, long count, long repeats) {
            void (*f)(uint64_t *) = (void (*)(uint64_t *))kernel;
            for (long pass = 0; pass < repeats; pass++) {
                memcpy(out, in, 8 * count);
                for (long i = 0; i < count; i++) f((uint64_t *)out + i);
            }
        }
    """,
    item_in=8,
    item_out=8,
)


def _chained(candidate: int) -> Race | Invalid:
    """Chains against chains of 500 steps; whatever the outputs are."""
    return race(
        _chain(candidate), _chain(_CHAIN), _CHAIN_LOOP,
        draw=lambda rng: rng.bytes(8 * 16), verify=lambda inputs, outputs: "",
        seconds=_TRIAL_S, tries=1,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _calling() -> dict[str, Callable[..., object]]:
    """The loop, inputs and baselines of sorting_speed, which problems keep to themselves."""
    found: dict[str, Callable[..., object]] = {}
    text = (BUILT_IN / "sorting_speed" / "calling.py").read_text(encoding="utf-8")
    exec(compile(text, "calling.py", "exec"), found)  # noqa: S102
    return found


def _sorted_by(
    candidate: str, n: int, *, seconds: float = _TRIAL_S, tries: int = 1
) -> Race | Invalid:
    calling = _calling()
    return race(
        candidate, str(calling["baseline"](n)), calling["loop"](n),  # type: ignore[arg-type]
        draw=lambda rng: calling["draw"](rng, n),  # type: ignore[arg-type,return-value]
        verify=lambda i, o: str(calling["fault"](i, o, n)), seconds=seconds, tries=tries,
    )  # fmt: skip


def _same() -> Race | Invalid:
    """The plain kernel for three values against itself: the shortest, so the most sensitive."""
    return _sorted_by(str(_calling()["baseline"](3)), 3)


_ACCUSED = "accused of lying"
"""What an honest kernel must never be; counted as a wrong decision."""


def _decided(trial: Callable[[], Race | Invalid]) -> str:
    try:
        found = trial()
    except CannotJudge:
        return Decision.CANNOT_JUDGE
    except CandidateFailure:
        return _ACCUSED
    assert not isinstance(found, Invalid)
    return found.comparison.decision


def _counted(
    name: str, trials: int, trial: Callable[[], Race | Invalid], plan: Plan
) -> dict[str, int]:
    """Decisions of so many trials; in a full measurement those on file are not made again."""
    found: dict[str, int] = dict.fromkeys([*Decision, _ACCUSED], 0)
    file = rows.RESULTS / "kernels-trials.jsonl"
    commit = rows.commit()
    key = {"trials": name, "commit": commit, "seed": plan.seed}
    keeps = plan.full and not commit.endswith("+")  # one changed tree looks like another
    if keeps and file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # a line that was cut off by a kill
                kept = json.loads(line)
                if kept.items() >= key.items():
                    found[kept["decision"]] += 1
    for _ in range(trials - sum(found.values())):
        decision = _decided(trial)
        found[decision] += 1
        if keeps:
            rows.RESULTS.mkdir(exist_ok=True)
            with file.open("a", encoding="utf-8") as kept_file:
                kept_file.write(
                    "\n" * _cut(file) + json.dumps({**key, "decision": decision}) + "\n"
                )
    return found


def _cut(file: Path) -> bool:
    """Whether a file ends within a line, as a kill leaves it."""
    return file.stat().st_size > 0 and not file.read_bytes().endswith(b"\n")


def _named(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {decision}" for decision, count in found.items() if count)


def alike(plan: Plan) -> Measured | NotMeasured:
    """Wrong decisions among trials that were judged."""
    try:
        found = _counted("alike", _ALIKE[plan.full], _same, plan)
    except SandboxError as error:
        return NotMeasured(why=str(error))
    wrong = found[Decision.FASTER] + found[Decision.SLOWER] + found[_ACCUSED]
    judged = sum(found.values()) - found[Decision.CANNOT_JUDGE]
    if not judged:
        return NotMeasured(why=f"nothing could be judged: {_named(found)}")
    return Measured(value=100 * wrong / judged, detail=_named(found))


def planted(plan: Plan) -> Measured | NotMeasured:
    """Chains of 490 steps against 500, and of 510 in the other half of the trials."""
    half = _PLANTED[plan.full] // 2
    try:
        faster = _counted("2 % less", half, lambda: _chained(_CHAIN * 49 // 50), plan)
        slower = _counted("2 % more", half, lambda: _chained(_CHAIN * 51 // 50), plan)
    except SandboxError as error:
        return NotMeasured(why=str(error))
    right = faster[Decision.FASTER] + slower[Decision.SLOWER]
    detail = f"2 % less: {_named(faster)}; 2 % more: {_named(slower)}"
    return Measured(value=100 * right / (2 * half), detail=detail)


@contextmanager
def _others_busy() -> Iterator[None]:
    """Keeps every core but the one for timing busy with arithmetic and memory."""
    text = "import array\na = array.array('q', range(1 << 20))\nwhile True:\n    a.reverse()\n"
    cores = sorted(os.sched_getaffinity(0))[:-1]
    busy = []
    try:
        for core in cores:
            process = subprocess.Popen([sys.executable, "-c", text])
            busy.append(process)
            os.sched_setaffinity(process.pid, {core})
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def loaded(plan: Plan) -> Measured | NotMeasured:
    if len(os.sched_getaffinity(0)) < 2:
        return NotMeasured(why="needs two cores")
    try:
        with _others_busy():
            found = _counted("other cores busy", _LOADED[plan.full], _same, plan)
    except SandboxError as error:
        return NotMeasured(why=str(error))
    return Measured(value=found[Decision.FASTER], detail=_named(found))


def cheats(plan: Plan) -> Measured | NotMeasured:
    """Kernels in known_bad of the timed problems that were not called invalid."""
    passed, count = [], 0
    try:
        for name in ("sorting_speed:3", "hash_short", "matmul_kernel"):
            task = load(name)
            with open_sandbox(task) as sandbox:
                for file in task.problem.known_bad_files():
                    program = {"program.py": file.read_text(encoding="utf-8")}
                    found = judge(task, sandbox, program, split=SplitKind.TRAINING, seed=plan.seed)
                    count += 1
                    if found.verdicts[-1].status is not Status.INVALID:
                        passed.append(f"{name} {file.stem}")
    except SandboxError as error:
        return NotMeasured(why=str(error))
    detail = f"{count} kernels of three problems; {', '.join(passed) or 'all caught'}"
    return Measured(value=len(passed), detail=detail)


def _proof(n: int) -> Measured:
    network: list[tuple[int, int]] = _calling()["NETWORKS"][n]  # type: ignore[index]
    listing = kernel_listings.of_network(network, n)
    weak_orders.cache_clear()
    sorted_orders.cache_clear()
    began = time.perf_counter()
    found = kernel_listings.verify(listing, lengths=[n])
    cold = time.perf_counter() - began
    assert not isinstance(found, Invalid)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        kernel_listings.verify(listing, lengths=[n])
        times.append(time.perf_counter() - began)
    orders = weak_orders(n).shape[1]
    detail = f"{orders} orders, {len(listing)} instructions; the first time {cold * 1000:.1f} ms"
    return Measured(value=float(np.median(times)) * 1000, detail=detail)


@lru_cache(maxsize=8)
def _searched(n: int, seed: int) -> tuple[list[str], int] | str:
    """What the seed program finds in ten seconds, and in how many instructions."""
    task = load(f"sorting_kernels:{n}", {"seconds": str(_SEARCH_S)})
    with open_sandbox(task) as sandbox:
        program = {"program.py": task.problem.read("seed_search.py")}
        found = judge(task, sandbox, program, split=SplitKind.TRAINING, seed=seed, artifact=True)
    verdict = found.verdicts[-1]
    if verdict.status is not Status.OK:
        return verdict.reason
    return json.loads(found.artifact)["listing"], int(verdict.values["instructions"])


def _search(n: int, plan: Plan) -> Measured | NotMeasured:
    try:
        found = _searched(n, plan.seed)
    except SandboxError as error:
        return NotMeasured(why=str(error))
    if isinstance(found, str):
        return NotMeasured(why=found)
    return Measured(value=found[1], detail=f"{_SEARCH_S:g} s of wall time, one core, no loads")


_LIBCXX: dict[int, list[tuple[int, ...]]] = {
    3: [(1, 2), (0, 1, 2)],
    4: [(0, 2), (1, 3), (0, 1), (2, 3), (1, 2)],
    5: [(0, 1), (3, 4), (2, 3, 4), (1, 4), (0, 2, 3), (1, 2, 3)],
}
"""What `__sort3_maybe_branchless` and its like do, by positions: two are `__cond_swap`, three
are `__partially_sorted_swap`, whose last two are in order already (LLVM, __algorithm/sort.h)."""
_INSERTION = """
void kernel(int *v) {
    for (int i = 1; i < %d; i++) {
        int j = i - 1;
        if (v[i] < v[j]) {
            int t = v[i], k = j;
            j = i;
            do { v[j] = v[k]; j = k; } while (j != 0 && t < v[--k]);
            v[j] = t;
        }
    }
}
"""
"""What std::sort does with six elements and more, up to 24: `__insertion_sort`."""


def _libcxx(n: int) -> str:
    """What libc++'s std::sort does with n integers; up to five proved to sort.

    With conditional moves, as it is meant; gcc makes branches of some of it, 2 to 7 times slower.
    """
    if n not in _LIBCXX:
        return _INSERTION % n
    lines = []
    for at in _LIBCXX[n]:
        x, y, z = (f"r{i}" for i in (*at, at[-1])[:3])
        if len(at) == 2:
            lines += [f"mov r{n} {x}", f"cmp {y} {x}", f"cmovl {x} {y}", f"cmovl {y} r{n}"]
        else:
            lines += [f"mov r{n} {x}", f"cmp {z} {x}", f"cmovl r{n} {z}", f"cmovl {z} {x}",
                      f"cmp r{n} {y}", f"cmovge {x} {y}", f"cmovge {y} r{n}"]  # fmt: skip
    listing = kernel_listings.parse(lines)
    assert not isinstance(listing, Invalid)
    proved, made = kernel_listings.verify(listing, lengths=[n]), assembly(listing, [n], "registers")
    assert isinstance(proved, Valid), proved
    assert not isinstance(made, Invalid)
    return made


def _alphadev(n: int) -> str | NotMeasured:
    folder = os.environ.get("EVOLVE_PUBLISHED")
    if folder is None:
        return NotMeasured(why="EVOLVE_PUBLISHED names no folder of published objects")
    path = Path(folder) / f"Sort{n}AlphaDev.json"
    if not path.exists():
        return NotMeasured(why=f"no {path.name} there")
    read = kernel_listings.published(json.loads(path.read_text(encoding="utf-8"))) or {}
    for artifact in read.values():
        if isinstance(artifact, dict):
            listing = kernel_listings.parse(artifact["listing"])
            assert not isinstance(listing, Invalid)
            made = assembly(listing, [n], "memory")
            return NotMeasured(why=made.reason) if isinstance(made, Invalid) else made
    return NotMeasured(why=f"{path.name} holds no listing")


def _ours(n: int, seed: int) -> str | NotMeasured:
    found = _searched(n, seed)
    if isinstance(found, str):
        return NotMeasured(why=found)
    listing = kernel_listings.parse(found[0])
    assert not isinstance(listing, Invalid)
    made = assembly(listing, [n], "registers")
    return NotMeasured(why=made.reason) if isinstance(made, Invalid) else made


def _nanoseconds(
    n: int, make: Callable[[Plan, int], str | NotMeasured], plan: Plan
) -> Measured | NotMeasured:
    """The ratio of times to plain minimum and maximum, as gcc makes it."""
    try:
        source = make(plan, n)
        if isinstance(source, NotMeasured):
            return source
        found = _sorted_by(source, n, seconds=8.0 if plan.full else 2.0, tries=3)
    except (CannotJudge, CandidateFailure, SandboxError) as error:
        return NotMeasured(why=str(error))
    if isinstance(found, Invalid):
        return NotMeasured(why=found.reason)
    return Measured(value=found.comparison.ratio, detail=str(found))


def _speed_rows() -> list[Row]:
    made = []
    for n in (3, 4, 5, 8):
        kinds: dict[str, Callable[[Plan, int], str | NotMeasured]] = {
            "AlphaDev": lambda plan, n: _alphadev(n),
            "libc++'s approach": lambda plan, n: _libcxx(n),
            "found here, conditional moves": lambda plan, n: _ours(n, plan.seed),
        }
        for name, make in kinds.items():
            made.append(
                Row(
                    name=f"{name} / plain min-max, n={n}",
                    unit="time",
                    measure=lambda plan, n=n, make=make: _nanoseconds(n, make, plan),  # type: ignore[misc]
                )
            )
    return made


ROWS = [
    Row(name="the same code called different", unit="%", measure=alike, at_most=1),
    Row(name="a difference of 2 % found in 2 s", unit="%", measure=planted, at_least=95),
    Row(name="false wins, other cores busy", unit="wins", measure=loaded, at_most=0),
    Row(name="cheating kernels that got a score", unit="kernels", measure=cheats, at_most=0),
    Row(name="proof over all weak orders, n=5", unit="ms", measure=lambda plan: _proof(5),
        at_most=5),
    Row(name="proof over all weak orders, n=8", unit="ms", measure=lambda plan: _proof(8),
        at_most=5000),
    Row(name="instructions found in 10 s, n=3", unit="", measure=lambda plan: _search(3, plan),
        at_most=11),
    Row(name="instructions found in 10 s, n=4", unit="", measure=lambda plan: _search(4, plan),
        at_most=20),
    Row(name="instructions found in 10 s, n=5", unit="", measure=lambda plan: _search(5, plan),
        at_most=33),
    Row(name="instructions found in 10 s, n=6 (AlphaDev: 45)", unit="",
        measure=lambda plan: _search(6, plan)),
    *_speed_rows(),
    Row(name="BLAS as numpy has it / compiler's best, 16 x 16 float", unit="time",
        measure=blas_beside_definition),
    Row(name="block of two rows in C / BLAS, 16 x 16 float", unit="time",
        measure=block_beside_blas),
]  # fmt: skip
