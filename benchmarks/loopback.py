"""Starts the loopback vendor, points a command at it, and compares its ledger with a run."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.vendor import KEYS, PRICES

EVOLVE = [sys.executable, "-P", "-m", "evolve"]
VENDORS = ("openai", "anthropic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """A running vendor."""

    port: int
    ledger: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to ask this vendor instead of the real ones."""
        return {
            **os.environ,
            "OPENAI_API_KEY": KEYS["openai"],
            "ANTHROPIC_API_KEY": KEYS["anthropic"],
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.port}/v1",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.port}",
        }

    def entries(self) -> list[dict[str, object]]:
        """The ledger's lines; one that is being written is left out."""
        text = self.ledger.read_text(encoding="utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@contextmanager
def loopback(ledger: Path, *options: str, port: int = 0) -> Iterator[Loopback]:
    """A vendor in a process of its own, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.vendor", "--ledger", str(ledger), "--port", str(port),
         *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Loopback(port=ready["port"], ledger=ledger)
    finally:
        process.kill()
        process.communicate()


def models(*names: str) -> list[str]:
    """Options that name models of the loopback vendor with their prices."""
    found = []
    for name in names:
        price = ",".join(f"{p:g}" for p in (PRICES[name.partition("/")[2]][i] for i in (0, 2, 1)))
        found += ["--llm", name, "--price", f"{name}={price}"]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A run beside the ledger of its vendor.

    Attributes:
        below: Dollars by which the ledger is below what the run calls settled; 0 is right.
        above: Dollars by which it is above settled and unsettled together; 0 is right.
        lost: Answers the vendor sent whole that the run neither has nor calls cut.
        strange: Answers the run has and the vendor did not send.
        again: Questions (attempt and turn) that were sent again after they had been answered.
        miscounted: Calls that are unsettled though nothing was cut, or cut and not unsettled.
    """

    settled_usd: float
    ledger_usd: float
    unsettled_usd: float
    calls: int
    cut: int
    lost: int
    strange: int
    again: int
    miscounted: int

    @property
    def outside_usd(self) -> float:
        """By how much the ledger is outside of what the run says."""
        below = self.settled_usd - self.ledger_usd
        above = self.ledger_usd - self.settled_usd - self.unsettled_usd
        return max(0.0, round(max(below, above), 9))


def compare(vendor: Loopback, database: Path) -> Compared:
    """Holds a run that has ended against the vendor's ledger."""
    ended = {str(e["id"]): e for e in vendor.entries() if e["state"] != "taken"}
    taken = {str(e["id"]) for e in vendor.entries() if e["state"] == "taken"}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        calls = connection.execute(
            "SELECT id, attempt, turn, state, request_id, cost_usd, reserve_usd FROM calls"
            " ORDER BY id"
        ).fetchall()
    answered = {request for _, _, _, state, request, _, _ in calls if state == "answered"}
    sent = {name for name, entry in ended.items() if entry["state"] == "sent"}
    whole = {name for name in sent if ended[name]["whole"]}
    cut = sum(state in ("cut", "open") for _, _, _, state, _, _, _ in calls)
    failed = sum(state == "failed" for _, _, _, state, _, _, _ in calls)
    refused = sum(entry["state"] == "refused" for entry in ended.values())
    done: set[tuple[int, int]] = set()
    again = 0
    for _, attempt, turn, state, _, _, _ in calls:
        again += (attempt, turn) in done
        if state == "answered":
            done.add((attempt, turn))
    unsettled = [
        reserve
        for _, _, _, state, _, cost, reserve in calls
        if state in ("cut", "open") or (state == "answered" and cost is None)
    ]
    # a call that the vendor took, and that was neither answered nor refused here, was cut
    cut_there = len(taken) - len(answered & taken) - min(failed, refused)
    return Compared(
        settled_usd=sum(cost or 0.0 for *_, cost, _ in calls),
        ledger_usd=sum(float(str(entry.get("usd", 0.0))) for entry in ended.values()),
        unsettled_usd=sum(unsettled),
        calls=len(calls),
        cut=cut,
        lost=max(0, len(whole - answered) - cut),
        strange=len(answered - sent),
        again=again,
        miscounted=abs(len(unsettled) - cut) + max(0, cut_there - cut),
    )
