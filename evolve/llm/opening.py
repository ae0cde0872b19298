"""Before a run spends anything: keys, addresses, models and prices are there, or one line tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec

from evolve.errors import MachineError, UsageError
from evolve.llm.base import CallError, Client, Fault
from evolve.llm.desk import Line
from evolve.llm.models import Asked, Model, client, connecting, environment, settled
from evolve.llm.prices import table
from islands_db import JSON

_TRIES = 4
_WAIT_S = 0.5
_CHECK_S = 30.0
_PATIENCE_S = 15.0
"""After which no further try begins: where a server hangs, each takes long."""


def prepared(
    models: Sequence[Model], environment: Mapping[str, str], *, capped: bool
) -> list[Line]:
    """The models with their clients; nothing is sent.

    Args:
        capped: The run has a limit in dollars, so every model needs a price.

    Raises:
        UsageError: a key, an address, a price or an SDK is missing.
    """
    asked = [settled(model, environment) for model in models]
    for one in asked:
        if capped and one.price is None:
            raise UsageError(
                f"{one.model.model} has no price in the table of {table().date}, so a limit in "
                f"dollars cannot be kept; give one: --price {one.model.model}=INPUT,OUTPUT (USD "
                "per million tokens; 0,0 for a server of your own), or price = {...} in the run "
                "file"
            )
    return [Line(asked=one, client=client(one, environment)) for one in asked]


async def check_all(lines: Sequence[Line]) -> None:
    """Asks every server whether it knows key and model, which costs nothing.

    Raises:
        UsageError: one of them does not.
        MachineError: one of them cannot be reached.
    """
    async with asyncio.TaskGroup() as group:
        for line in lines:
            group.create_task(check(line.asked, line.client))


async def check(asked: Asked, client: Client) -> None:
    """As `check_all`, for one model; what may pass is tried again."""
    where = f"{asked.model.arm} at {asked.base_url}"
    began = time.monotonic()
    for tried in range(_TRIES):
        if time.monotonic() - began > _PATIENCE_S:
            break
        try:
            async with asyncio.timeout(_CHECK_S):
                await client.check()
            return
        except (CallError, TimeoutError) as error:
            last = error
        refused = isinstance(last, CallError) and last.fault in (Fault.MODEL, Fault.REQUEST)
        if refused and tried >= 1:
            assert isinstance(last, CallError)
            raise UsageError(f"{where}: {last}{_what_to_do(asked, last)}")
        await asyncio.sleep(_WAIT_S * 2**tried if not refused else 0)
    if isinstance(last, CallError) and last.fault is Fault.RATE_LIMIT:
        return  # it is there, and knows the key
    said = str(last) or f"no answer in {_CHECK_S:g} s"
    names = ", ".join(connecting(environment(), asked.base_url))
    through = f", and what {names} says" if names else ""
    raise MachineError(f"{where}: {said}; is the server running, and the base URL right{through}?")


def _what_to_do(asked: Asked, error: CallError) -> str:
    if error.status in (401, 403):
        return f"; is {asked.model.key_env or asked.model.vendor.key_env} right?"
    return ""


def prices_used(lines: Sequence[Line]) -> dict[str, JSON]:
    """The prices of a run, to be stored with it."""
    found = {
        line.arm: None if line.asked.price is None else msgspec.to_builtins(line.asked.price)
        for line in lines
    }
    return {"table": table().date, "usd_per_million_tokens": found}
