"""Calls to models: rate, CPU, faults, kills. The answers come from a loopback vendor, no model."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.answers import right_and_wrong
from benchmarks.beside import calls_beside, evaluations_beside
from benchmarks.loopback import EVOLVE, Compared, Loopback, compare, loopback, models
from benchmarks.prompting import attempt_ms
from benchmarks.rows import Measured, Plan, Row
from evolve.budget import Budget
from evolve.config import Budget as Limits
from evolve.llm.base import Message, Request
from evolve.llm.desk import LiveDesk
from evolve.llm.models import parse
from evolve.llm.opening import prepared
from islands_db import Call, Sample, Settings, Store

BOTH = ("openai/loopback", "anthropic/loopback-small")
_WHOLE_RUN_S = 540.0
_RAN = "SELECT count(*) FROM attempts WHERE fate IN ('seed', 'evaluated', 'twin')"
"""Programs that used up an evaluation."""
_ENDED = "SELECT count(*) FROM attempts WHERE fate IS NOT NULL"
"""Answers that were dealt with, duplicates and twins too."""


# --- how fast -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long calls took, as wall time and as CPU of this process, each for all of them."""

    calls: int
    wall_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.calls / self.wall_s


@lru_cache(maxsize=4)
def _paces(plan: Plan) -> tuple[Pace, Pace]:
    """256 calls in flight at 2 s latency: the bare SDK, and through the desk with its records."""
    calls = 256 * (12 if plan.full else 5)
    with tempfile.TemporaryDirectory(prefix="evolve-llm-") as name:
        ledger = Path(name, "ledger.jsonl")
        with loopback(ledger, "--latency", "2", "--answers", "literal") as vendor:
            bare = asyncio.run(_bare(vendor, calls, 256))
            desk = asyncio.run(_through_desk(vendor, Path(name), calls, 256))
    return bare, desk


async def _bare(vendor: Loopback, calls: int, at_once: int, *, aiohttp: bool = False) -> Pace:
    """What the SDK alone reaches, with connections for all and its own parsing.

    Args:
        aiohttp: Over that, as the engine's calls go, and not over what it comes with.
    """
    import openai

    carrier = openai.DefaultAioHttpClient if aiohttp else openai.DefaultAsyncHttpxClient
    environment = vendor.environment
    async with openai.AsyncOpenAI(
        api_key=environment["OPENAI_API_KEY"], base_url=environment["OPENAI_BASE_URL"],
        max_retries=0, http_client=carrier(limits=_limits(at_once)),
    ) as client:  # fmt: skip

        async def one(number: int) -> None:
            request = _request(number)
            await client.chat.completions.create(
                model="loopback",
                max_tokens=1000,
                messages=[
                    {"role": "system", "content": request.fixed},
                    {"role": "user", "content": request.messages[0].text},
                ],
            )

        return await _timed(one, calls, at_once)


async def _through_desk(vendor: Loopback, folder: Path, calls: int, at_once: int) -> Pace:
    model = parse("openai/loopback")
    import msgspec

    model = msgspec.structs.replace(model, concurrency=at_once, max_output_tokens=1000)
    lines = prepared([model], vendor.environment, capped=False)
    store = Store.create(folder / "run.db", settings=Settings(), meta={})

    async def go_on() -> None:
        return

    budget = Budget(Limits())
    may_write = asyncio.Event()
    may_write.set()
    desk = LiveDesk(
        store, budget, lines, may_go_on=go_on, may_write=may_write, tell=print, ordered=False,
        alone=True, rng=random.Random(0),
    )  # fmt: skip
    with store.atomic():
        for attempt in range(calls):
            store.begin(Sample(attempt=attempt, island=0, parent=None, proposer="seed"))

    async def one(number: int) -> None:
        blank = Call(attempt=number, turn=0, model=model.arm, prompt="x" * 64, template="y" * 64)
        await desk.ask(model.arm, _request(number), blank)

    try:
        return await _timed(one, calls, at_once)
    finally:
        await desk.close()
        store.close()


async def _timed(one, calls: int, at_once: int) -> Pace:  # type: ignore[no-untyped-def]
    numbers = iter(range(calls))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return Pace(calls=calls, wall_s=time.perf_counter() - began, cpu_s=time.process_time() - cpu)


def _limits(at_once: int):  # type: ignore[no-untyped-def]
    import httpx2

    return httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)


_PROGRAM = "# EVOLVE-BLOCK-START\ndef f(x):\n    return x + 17\n# EVOLVE-BLOCK-END\n"


def _request(number: int) -> Request:
    text = f"## The program to start from\n\n```python\n{_PROGRAM}```\n{number}\n" + "word " * 1500
    return Request(
        fixed="fixed " * 500, messages=(Message(role="user", text=text + "<<<<<<< SEARCH"),)
    )


def against_sdk(plan: Plan) -> Measured:
    bare, desk = _paces(plan)
    detail = (
        f"{desk.rate:.0f} calls/s through the desk, {bare.rate:.0f} with the bare SDK, 128 ideal"
    )
    return Measured(value=desk.rate / bare.rate, detail=detail)


@lru_cache(maxsize=4)
def _bare_ms(plan: Plan, *, aiohttp: bool = False) -> float:
    """CPU of a call through the bare SDK, with as many in flight as the whole run has."""
    calls = 64 * (40 if plan.full else 10)
    with tempfile.TemporaryDirectory(prefix="evolve-llm-") as name:
        ledger = Path(name, "ledger.jsonl")
        with loopback(ledger, "--latency", "1", "--answers", "literal") as vendor:
            bare = asyncio.run(_bare(vendor, calls, 64, aiohttp=aiohttp))
    return 1000 * bare.cpu_s / bare.calls


def sdk_cpu(plan: Plan) -> Measured:
    return Measured(value=_bare_ms(plan), detail="bare SDK, a chat call of 10 kB, 64 in flight")


def sdk_cpu_over_aiohttp(plan: Plan) -> Measured:
    detail = "the same over aiohttp, as the engine's calls go"
    return Measured(value=_bare_ms(plan, aiohttp=True), detail=detail)


def desk_cpu(plan: Plan) -> Measured:
    bare, desk = _paces(plan)
    detail = "desk with its records less bare SDK, 256 in flight; the SDK parses more"
    return Measured(value=1000 * (desk.cpu_s - bare.cpu_s) / desk.calls, detail=detail)


# --- whole runs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A run with models: from its ledger and from /proc."""

    programs: int
    calls: int
    wall_s: float
    efficiency: float
    cpu_first_ms: float
    cpu_last_ms: float
    """Engine CPU a program in the first and in the last third."""


@lru_cache(maxsize=4)
def _search(plan: Plan) -> Search:
    """64 calls in flight at 2 s, everything a run does included."""
    evals = 6400 if plan.full else 1280
    with tempfile.TemporaryDirectory(prefix="evolve-llm-") as name:
        scratch = Path(name)
        file = scratch / "run.toml"
        file.write_text(
            '[[llm]]\nmodel = "openai/loopback"\nconcurrency = 64\n'
            "price = { input = 2.0, cached = 0.2, output = 10.0 }\n"
        )
        with loopback(scratch / "ledger.jsonl", "--latency", "2", "--answers", "literal") as vendor:
            command = [*EVOLVE, "run", "bin_packing:or1", "--config", str(file), "--evals",
                       str(evals), "--seed", str(plan.seed), "--json", "--name", "a", "--runs",
                       name]  # fmt: skip
            process = subprocess.Popen(
                command, env=vendor.environment, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            points = _watched(process, scratch / "a" / "run.db")
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command)
            entries = vendor.entries()
    taken = [float(str(e["at"])) for e in entries if e["state"] == "taken"]
    ended = sorted(float(str(e["at"])) for e in entries if e["state"] == "sent")
    calls = len(ended)
    # the last round of 64 is not full, as no call is made that could not be evaluated
    full = calls // 64 * 64 - 64
    wall = ended[full - 1] - min(taken)
    third = [p for p in points if p[0] > 0]
    low, high = third[len(third) // 3], third[2 * len(third) // 3]
    return Search(
        programs=points[-1][0],
        calls=calls,
        wall_s=wall,
        efficiency=full / 64 * 2 / wall,
        cpu_first_ms=1000 * (low[1] - third[0][1]) / max(1, low[0] - third[0][0]),
        cpu_last_ms=1000 * (third[-1][1] - high[1]) / max(1, third[-1][0] - high[0]),
    )


def _watched(process: subprocess.Popen[bytes], database: Path) -> list[tuple[int, float]]:
    """(programs, CPU seconds of the engine alone) several times a second, until it ends."""
    points: list[tuple[int, float]] = []
    ticks = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        time.sleep(0.3)
        try:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
                count = connection.execute(_ENDED).fetchone()[0]
        except (OSError, sqlite3.Error):
            continue
        if not points or count > points[-1][0]:
            points.append((count, (int(fields[11]) + int(fields[12])) / ticks))
    return points


def ideal_rate(plan: Plan) -> Measured:
    found = _search(plan)
    return Measured(
        value=found.efficiency,
        detail=f"{found.calls} calls of a whole run in {found.wall_s:.1f} s, evaluations beside",
    )


def engine_cpu(plan: Plan) -> Measured:
    found = _search(plan)
    sdk = _bare_ms(plan) * found.calls / found.programs
    mean = (found.cpu_first_ms + found.cpu_last_ms) / 2
    other = _bare_ms(plan, aiohttp=True) * found.calls / found.programs
    detail = (
        f"{mean:.2f} ms of the engine process, less {sdk:.2f} ms of the SDK as it comes; "
        f"{mean - other:.2f} ms beside the SDK over aiohttp"
    )
    return Measured(value=mean - sdk, detail=detail)


def engine_growth(plan: Plan) -> Measured:
    found = _search(plan)
    return Measured(
        value=found.cpu_last_ms / found.cpu_first_ms,
        detail=f"last third beside first third of {found.programs} programs",
    )


def engine_growth_with_size(plan: Plan) -> Measured:
    sizes = (100, 100_000) if plan.full else (100, 5_000)
    attempts = 2000 if plan.full else 600
    small, large = attempt_ms(sizes, attempts=attempts, seed=plan.seed)
    detail = f"{small:.2f} ms at {sizes[0]:,} programs, {large:.2f} ms at {sizes[1]:,}"
    return Measured(value=large / small, detail=detail)


# --- faults and kills -----------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _faulty(plan: Plan) -> tuple[int, int, Compared]:
    """A run in which 30 % of the calls fail in every way there is."""
    evals = 2000 if plan.full else 200
    with tempfile.TemporaryDirectory(prefix="evolve-llm-") as name:
        scratch = Path(name)
        options = ("--latency", "lognormal:0.3:0.7", "--faults", "0.3", "--stall-s", "2",
                   "--seed", str(plan.seed))  # fmt: skip
        with loopback(scratch / "ledger.jsonl", *options) as vendor:
            subprocess.run(
                [*EVOLVE, "run", "bin_packing:or1", *models(*BOTH), "--evals", str(evals),
                 "--seed", str(plan.seed), "--json", "--name", "a", "--runs", name],
                env=vendor.environment, check=True, capture_output=True, timeout=_WHOLE_RUN_S,
            )  # fmt: skip
            found = compare(vendor, scratch / "a" / "run.db")
        with closing(sqlite3.connect(scratch / "a" / "run.db")) as connection:
            programs = connection.execute(_RAN).fetchone()[0]
    return evals, programs, found


def programs_missing(plan: Plan) -> Measured:
    asked, got, _ = _faulty(plan)
    return Measured(value=abs(asked - got), detail=f"{got} programs of {asked} asked for")


def outside_ledger(plan: Plan) -> Measured:
    _, _, found = _faulty(plan)
    detail = (
        f"settled ${found.settled_usd:.4f} <= ledger ${found.ledger_usd:.4f} <= "
        f"${found.settled_usd + found.unsettled_usd:.4f} with the unsettled; {found.calls} calls"
    )
    return Measured(value=found.outside_usd, detail=detail)


def miscounted(plan: Plan) -> Measured:
    _, _, found = _faulty(plan)
    return Measured(value=found.miscounted, detail=f"{found.cut} calls were cut")


@lru_cache(maxsize=4)
def _killed(plan: Plan) -> tuple[int, list[Compared]]:
    """Runs killed at random moments of their calls, resumed, and held against the ledger."""
    wanted, per_run = (200, 20) if plan.full else (10, 10)
    rng = random.Random(plan.seed)
    done, found = 0, []
    while done < wanted:
        kills, compared = _killed_run(rng, per_run, plan.seed + done)
        done += kills
        found.append(compared)
    return done, found


def _killed_run(rng: random.Random, kills: int, seed: int) -> tuple[int, Compared]:
    with tempfile.TemporaryDirectory(prefix="evolve-llm-") as name:
        scratch = Path(name)
        options = ("--latency", "lognormal:0.3:0.7", "--faults", "0.1", "--stall-s", "1",
                   "--seed", str(seed))  # fmt: skip
        with loopback(scratch / "ledger.jsonl", *options) as vendor:
            new = [*EVOLVE, "run", "bin_packing:or1", *models(*BOTH), "--evals", "100000",
                   "--name", "a", "--json", "--runs", name]  # fmt: skip
            done = 0
            for index in range(kills):
                before = len(vendor.entries())
                command = new if index == 0 else [*EVOLVE, "resume", "a", "--json", "--runs", name]
                process = subprocess.Popen(
                    command, env=vendor.environment, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )  # fmt: skip
                enough = before + rng.randrange(2, 300)
                limit = time.monotonic() + 60
                while len(vendor.entries()) < enough and time.monotonic() < limit:
                    time.sleep(0.02 * rng.random())
                process.kill()
                process.wait()
                done += 1
            with closing(sqlite3.connect(scratch / "a" / "run.db")) as connection:
                evals = connection.execute(_RAN).fetchone()[0] + 20
            subprocess.run(
                [*EVOLVE, "resume", "a", "--evals", str(evals), "--json", "--runs", name],
                env=vendor.environment, check=True, capture_output=True, timeout=_WHOLE_RUN_S,
            )  # fmt: skip
            return done, compare(vendor, scratch / "a" / "run.db")


def kill_losses(plan: Plan) -> Measured:
    done, found = _killed(plan)
    value = sum(one.lost + one.strange + one.again for one in found)
    cut, calls = sum(one.cut for one in found), sum(one.calls for one in found)
    return Measured(value=value, detail=f"{done} kills, {calls} calls, of which {cut} were cut")


def kill_money(plan: Plan) -> Measured:
    _, found = _killed(plan)
    return Measured(value=sum(one.outside_usd for one in found))


def answers(plan: Plan) -> Measured:
    count, wrong = right_and_wrong()
    detail = f"{count} texts written for this purpose"
    if wrong:
        detail += f"; wrong: {', '.join(wrong[:5])}"
    return Measured(value=1 - len(wrong) / count, detail=detail)


ROWS = [
    Row(name="64 calls in flight at 2 s: share of the ideal rate", unit="share",
        measure=ideal_rate, at_least=0.95),
    Row(name="256 in flight: share of the bare SDK's rate", unit="share", measure=against_sdk,
        at_least=0.95),
    Row(name="CPU of the bare SDK", unit="ms/call", measure=sdk_cpu),
    Row(name="CPU of the bare SDK over aiohttp", unit="ms/call", measure=sdk_cpu_over_aiohttp),
    Row(name="CPU of the desk beside it", unit="ms/call", measure=desk_cpu),
    Row(name="CPU of the engine beside SDK and sandbox", unit="ms/prog", measure=engine_cpu,
        at_most=3.0),
    Row(name="its growth over a run", unit="ratio", measure=engine_growth, at_most=1.2),
    Row(name="prompt, call's rows and answer: growth to 100,000 programs", unit="ratio",
        measure=engine_growth_with_size, at_most=1.2),
    Row(name="slow model beside tree mutation: calls in flight", unit="share",
        measure=calls_beside, at_least=0.9),
    Row(name="slow model beside tree mutation: evaluations", unit="ratio",
        measure=evaluations_beside, at_least=0.8),
    Row(name="30 % faulty: programs missing or too many", unit="programs",
        measure=programs_missing, at_most=0),
    Row(name="30 % faulty: ledger outside of what the run says", unit="USD",
        measure=outside_ledger, at_most=0),
    Row(name="30 % faulty: unsettled, but not the calls cut", unit="calls", measure=miscounted,
        at_most=0),
    Row(name="kill -9: answers lost, invented or asked again", unit="answers",
        measure=kill_losses, at_most=0),
    Row(name="kill -9: ledger outside of what the run says", unit="USD", measure=kill_money,
        at_most=0),
    Row(name="answer texts applied or refused rightly", unit="share", measure=answers,
        at_least=1.0),
]  # fmt: skip
