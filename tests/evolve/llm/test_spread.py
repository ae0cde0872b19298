"""Calls at once go through several clients of the SDK, none of which has many connections."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from benchmarks.loopback import loopback
from benchmarks.vendor import KEYS
from evolve.llm import conformance
from evolve.llm.base import Options
from evolve.llm.openai import OpenAIClient
from evolve.llm.spread import Spread


class Counted:
    """A client that knows how many calls it had at once."""

    def __init__(self) -> None:
        self.most = self.now = 0
        self.closed = False

    async def close(self) -> None:
        self.closed = True


def on_a_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def spread() -> Spread[Counted]:
    return Spread({}, lambda http: Counted())


@on_a_loop
async def test_no_client_has_many_calls_and_the_first_are_filled_first() -> None:
    clients, used = spread(), set[Counted]()

    async def one(wait: asyncio.Event) -> None:
        with clients.one() as client:
            used.add(client)
            client.now += 1
            client.most = max(client.most, client.now)
            await wait.wait()
            client.now -= 1

    for count in (20, 3):
        go = asyncio.Event()
        used.clear()
        tasks = [asyncio.create_task(one(go)) for _ in range(count)]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*tasks)
        assert len(used) == (3 if count == 20 else 1)
        assert all(client.most <= 8 for client in used)
    await clients.close()
    assert all(client.closed for client in used)


@on_a_loop
async def test_a_call_that_is_cut_off_leaves_its_place() -> None:
    clients = spread()
    with pytest.raises(ValueError, match="cut"), clients.one() as first:
        raise ValueError("cut")
    taken = [clients.one() for _ in range(8)]
    assert {one.__enter__() for one in taken} == {first}


@on_a_loop
async def test_calls_through_several_real_clients_are_all_answered(tmp_path: Path) -> None:
    with loopback(tmp_path / "ledger", "--latency", "0.3") as vendor:
        client = OpenAIClient(
            Options(
                name="loopback", base_url=vendor.environment["OPENAI_BASE_URL"], api="chat",
                key=KEYS["openai"], timeout_s=20.0,
            )
        )  # fmt: skip
        try:
            calls = [client.complete(conformance.QUESTION) for _ in range(20)]
            answers = await asyncio.gather(*calls)
        finally:
            await client.close()
        assert len(answers) == 20
        assert all(answer.text for answer in answers)


def test_certificates_that_are_not_there_are_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/to/be/found.pem")
    with pytest.raises(OSError, match="No such file"):
        spread()
