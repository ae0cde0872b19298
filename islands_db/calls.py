"""Calls and their rows: written before a call leaves, ended once, added up per model."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from math import fsum

from msgspec import structs

from islands_db import rows
from islands_db.records import Call, CallState, Spending

_COLUMNS = Call.__struct_fields__
CALL = ", ".join(_COLUMNS)
_SENT = _COLUMNS.index("state")
"""Columns before this one say what was sent; the others how it ended."""
CUT_OFF = "the run was cut off before the answer had come"


def add(connection: sqlite3.Connection, call: Call) -> int:
    """Stores a call that is about to be sent; its number."""
    cursor = connection.execute(
        f"INSERT INTO calls ({CALL}, created) VALUES ({', '.join('?' * len(_COLUMNS))}, ?)",  # noqa: S608
        (*_values(call), time.time()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def end(connection: sqlite3.Connection, number: int, call: Call) -> None:
    """Stores how an open call ended."""
    changed = ", ".join(f"{name} = ?" for name in _COLUMNS[_SENT:])
    connection.execute(
        f"UPDATE calls SET {changed}, ended = ? WHERE id = ?",  # noqa: S608
        (*_values(call)[_SENT:], time.time(), number),
    )


def same_sent(one: Call, other: Call) -> bool:
    """Whether both are of the same attempt, turn, model, prompt and reserve."""
    return all(getattr(one, name) == getattr(other, name) for name in _COLUMNS[:_SENT])


def cut_open(connection: sqlite3.Connection) -> int:
    """Marks the calls that were open when the run was cut off; how many there were."""
    return connection.execute(
        "UPDATE calls SET state = 'cut', reason = ?, ended = ? WHERE state = 'open'",
        (CUT_OFF, time.time()),
    ).rowcount


def value(row: Mapping[str, object]) -> Call:
    """A call from its row."""
    found = {name: row[name] for name in _COLUMNS}
    body = found["answer"]
    if isinstance(body, bytes):
        found["answer"] = zlib.decompress(body).decode()
    found["state"] = CallState(str(found["state"]))
    return Call(**found)  # type: ignore[arg-type]


class Totals:
    """Running totals by model, so that nobody has to add up the calls."""

    def __init__(self, calls: Iterable[Mapping[str, object]]) -> None:
        self._models = {str(row["model"]): _Sum(row) for row in calls}

    def add(self, before: Call | None, after: Call) -> None:
        """Counts a call that was opened or ended."""
        total = self._models.get(after.model)
        if total is None:
            total = self._models[after.model] = _Sum({})
        if before is not None:
            total.count(before, -1)
        total.count(after, 1)

    def models(self) -> Mapping[str, Spending]:
        return {model: total.spending() for model, total in self._models.items()}

    def all(self) -> Spending:
        """The totals of all models together."""
        return together(self.models().values())


def together(parts: Iterable[Spending]) -> Spending:
    """Several models' totals as one."""
    found = list(parts)
    return Spending(
        calls={state: sum(part.calls.get(state, 0) for part in found) for state in CallState},
        settled_usd=fsum(part.settled_usd for part in found),
        unsettled_usd=fsum(part.unsettled_usd for part in found),
        unsettled=sum(part.unsettled for part in found),
        tokens=sum(part.tokens for part in found),
        input=sum(part.input for part in found),
        cached=sum(part.cached for part in found),
        output=sum(part.output for part in found),
        reasoning=sum(part.reasoning for part in found),
    )


_UNSETTLED = "(state IN ('open', 'cut') OR (state = 'answered' AND cost_usd IS NULL))"
BY_MODEL = (
    "SELECT model,"  # noqa: S608
    + ",".join(f" total(state = '{state}') AS {state}" for state in CallState)
    + " , total(cost_usd) AS settled_usd,"
    f" total(CASE WHEN {_UNSETTLED} THEN reserve_usd END) AS unsettled_usd,"
    f" total({_UNSETTLED}) AS unsettled,"
    f" total(CASE WHEN {_UNSETTLED} THEN reserve_tokens ELSE input + output END) AS tokens,"
    " total(input) AS input, total(cached) AS cached, total(output) AS output,"
    " total(reasoning) AS reasoning FROM calls GROUP BY model"
)


class _Sum:
    """What the calls of one model came to so far."""

    __slots__ = (
        "cached", "calls", "input", "output", "reasoning", "settled_usd", "tokens", "unsettled",
        "unsettled_usd",
    )  # fmt: skip

    def __init__(self, row: Mapping[str, object]) -> None:
        number = {name: float(str(found)) for name, found in row.items() if name != "model"}
        self.calls = {state: int(number[state]) for state in CallState if state in number}
        self.settled_usd = number.get("settled_usd", 0.0)
        self.unsettled_usd = number.get("unsettled_usd", 0.0)
        self.unsettled = int(number.get("unsettled", 0))
        self.tokens = int(number.get("tokens", 0))
        self.input = int(number.get("input", 0))
        self.cached = int(number.get("cached", 0))
        self.output = int(number.get("output", 0))
        self.reasoning = int(number.get("reasoning", 0))

    def count(self, call: Call, sign: int) -> None:
        """Adds a call, or takes it away where `sign` is -1."""
        self.calls[call.state] = self.calls.get(call.state, 0) + sign
        open_ended = call.unsettled
        self.unsettled += sign * open_ended
        self.settled_usd += sign * (call.cost_usd or 0.0)
        self.unsettled_usd += sign * (call.reserve_usd if open_ended else 0.0)
        if not self.unsettled:  # nothing is left, not what rounding left
            self.unsettled_usd = 0.0
        self.tokens += sign * (call.reserve_tokens if open_ended else call.input + call.output)
        self.input += sign * call.input
        self.cached += sign * call.cached
        self.output += sign * call.output
        self.reasoning += sign * call.reasoning

    def spending(self) -> Spending:
        return Spending(
            calls=dict(self.calls),
            settled_usd=self.settled_usd,
            unsettled_usd=self.unsettled_usd,
            unsettled=self.unsettled,
            tokens=self.tokens,
            input=self.input,
            cached=self.cached,
            output=self.output,
            reasoning=self.reasoning,
        )


def _values(call: Call) -> tuple[object, ...]:
    packed = None
    if call.answer is not None:
        packed = zlib.compress(rows.text(call.answer).encode(), 1)
    found = structs.asdict(call)
    found |= {"reason": rows.text(call.reason), "state": call.state.value, "answer": packed}
    for name in ("finish", "answered_by", "request_id"):
        found[name] = rows.text(found[name])
    return tuple(found.values())
