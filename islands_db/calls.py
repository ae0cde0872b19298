"""Calls and their rows: written before a call leaves, ended once, added up per model."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from math import fsum

from islands_db import rows
from islands_db.records import Call, CallState, Spending

_COLUMNS = tuple(entry.name for entry in fields(Call))
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
        self._models: dict[str, Spending] = {}
        for row in calls:
            self._models[str(row["model"])] = _spending(row)

    def add(self, before: Call | None, after: Call) -> None:
        """Counts a call that was opened or ended."""
        spending = self._models.get(after.model, Spending())
        if before is not None:
            spending = _changed(spending, before, -1)
        self._models[after.model] = _changed(spending, after, 1)

    def models(self) -> Mapping[str, Spending]:
        return dict(self._models)

    def all(self) -> Spending:
        """The totals of all models together."""
        return together(self._models.values())


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


def _spending(row: Mapping[str, object]) -> Spending:
    number = {name: float(str(found)) for name, found in row.items() if name != "model"}
    return Spending(
        calls={state: int(number[state]) for state in CallState},
        settled_usd=number["settled_usd"],
        unsettled_usd=number["unsettled_usd"],
        unsettled=int(number["unsettled"]),
        tokens=int(number["tokens"]),
        input=int(number["input"]),
        cached=int(number["cached"]),
        output=int(number["output"]),
        reasoning=int(number["reasoning"]),
    )


def _changed(spending: Spending, call: Call, sign: int) -> Spending:
    counts = dict(spending.calls)
    counts[call.state] = counts.get(call.state, 0) + sign
    open_ended = call.unsettled
    left = spending.unsettled + sign * open_ended
    return replace(
        spending,
        calls=counts,
        settled_usd=spending.settled_usd + sign * (call.cost_usd or 0.0),
        # nothing unsettled is nothing, not what rounding left
        unsettled_usd=spending.unsettled_usd + sign * (call.reserve_usd if open_ended else 0.0)
        if left
        else 0.0,
        unsettled=left,
        tokens=spending.tokens
        + sign * (call.reserve_tokens if open_ended else call.input + call.output),
        input=spending.input + sign * call.input,
        cached=spending.cached + sign * call.cached,
        output=spending.output + sign * call.output,
        reasoning=spending.reasoning + sign * call.reasoning,
    )


def _values(call: Call) -> tuple[object, ...]:
    packed = None
    if call.answer is not None:
        packed = zlib.compress(rows.text(call.answer).encode(), 1)
    texts = {"reason": rows.text(call.reason), "state": call.state.value, "answer": packed}
    for name in ("finish", "answered_by", "request_id"):
        texts[name] = rows.text(getattr(call, name))
    return tuple(texts.get(name, getattr(call, name)) for name in _COLUMNS)
