"""Both vendors' clients against a server that speaks as they do and commits every fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.loopback import Loopback, loopback
from benchmarks.vendor import KEYS
from evolve.llm import conformance, wire
from evolve.llm.base import CallError, Client, Fault, Options
from evolve.llm.errors import clean, retry_after

WAYS = [
    ("openai", "responses", False), ("openai", "responses", True), ("openai", "chat", False),
    ("openai", "chat", True), ("anthropic", "", False), ("anthropic", "", True),
]  # fmt: skip


def client(vendor: Loopback, way: tuple[str, str, bool], **changes: object) -> Client:
    from evolve.llm.anthropic import AnthropicClient
    from evolve.llm.openai import OpenAIClient

    name, api, stream = way
    base = {"openai": vendor.environment["OPENAI_BASE_URL"],
            "anthropic": vendor.environment["ANTHROPIC_BASE_URL"]}[name]  # fmt: skip
    given: dict[str, object] = {
        "name": "loopback", "base_url": base, "api": api, "stream": stream, "key": KEYS[name],
        "timeout_s": 20.0, **changes,
    }  # fmt: skip
    kind = OpenAIClient if name == "openai" else AnthropicClient
    return kind(Options(**given))  # type: ignore[arg-type]


async def ask(one: Client) -> None:
    try:
        await one.complete(conformance.QUESTION)
    finally:
        await one.close()


async def look(one: Client) -> None:
    try:
        await one.check()
    finally:
        await one.close()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*conformance.FINISHES, *conformance.EXPECTED])
def test_every_client_tells_answers_from_faults(fault: str, tmp_path: Path) -> None:
    options = ("--faults", "1", "--kinds", fault) if fault else ()
    with loopback(tmp_path / "ledger", *options, "--stall-s", "0.2") as vendor:

        async def all_ways() -> dict[object, list[str]]:
            return {
                way: await conformance.check(
                    lambda way=way: client(vendor, way),  # type: ignore[misc]
                    fault,
                    key=KEYS[way[0]],
                )
                for way in WAYS
            }

        assert not {way: wrong for way, wrong in asyncio.run(all_ways()).items() if wrong}


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up_and_the_call_may_have_been_billed(tmp_path: Path) -> None:
    with loopback(tmp_path / "ledger", "--latency", "5") as vendor:
        for way in WAYS:
            with pytest.raises(CallError, match="no answer in time") as caught:
                asyncio.run(ask(client(vendor, way, timeout_s=0.3)))
            assert caught.value.maybe_billed


@pytest.mark.parametrize("way", WAYS[2:5:2])
def test_key_address_and_model_are_checked_for_nothing(
    way: tuple[str, str, bool], tmp_path: Path
) -> None:
    with loopback(tmp_path / "ledger") as vendor:
        asyncio.run(look(client(vendor, way)))
        for changes in ({"key": "sk-wrong-key-1234567"}, {"name": "lopback"}):
            with pytest.raises(CallError) as caught:
                asyncio.run(look(client(vendor, way, **changes)))
            assert caught.value.fault is Fault.MODEL
            assert "sk-wrong" not in str(caught.value)
        assert vendor.entries() == []


def test_an_address_for_messages_may_have_the_version_behind_it(tmp_path: Path) -> None:
    way = next(way for way in WAYS if way[0] == "anthropic")
    with loopback(tmp_path / "ledger") as vendor:
        address = vendor.environment["ANTHROPIC_BASE_URL"]
        for end in ("/v1", "/v1/", "/"):
            asyncio.run(look(client(vendor, way, base_url=address + end)))


def test_nothing_was_sent_where_there_was_no_connection() -> None:
    vendor = Loopback(port=9, ledger=Path("/dev/null"))
    for way in WAYS:
        with pytest.raises(CallError, match="no connection") as caught:
            asyncio.run(ask(client(vendor, way)))
        assert not caught.value.maybe_billed


def test_retry_after_is_read_as_seconds_milliseconds_or_a_date() -> None:
    assert retry_after({"retry-after": "3"}, 0.0) == 3.0
    assert retry_after({"retry-after-ms": "250"}, 0.0) == 0.25
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 50.0) == 10.0
    assert retry_after({"retry-after": "soon"}, 0.0) is None
    assert retry_after({"retry-after": "nan"}, 0.0) is None
    assert retry_after({"retry-after": "-5"}, 0.0) == 0.0


def test_a_vendors_message_loses_what_may_be_a_key() -> None:
    assert "abc" not in clean("Incorrect key: sk-proj-abcDEF123", "")
    assert "mysecret" not in clean("got mysecret\nand more", "mysecret")
    assert clean("expected text", "x") == "expected text", "what a server without keys is given"


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"input_tokens": 3},
        {"output_tokens": 3},
        {"input_tokens": 3, "output_tokens": None},
        {"input_tokens": 3, "output_tokens": -1},
        {"input_tokens": 3, "output_tokens": 2.0},
        {"input_tokens": 3, "output_tokens": True},
        {"input_tokens": 3, "output_tokens": "4"},
        {"input_tokens": 2**70, "output_tokens": 4},
    ],
)
def test_a_usage_that_cannot_be_is_no_usage(usage: object) -> None:
    assert not wire.says(usage, "input_tokens", "output_tokens")
    assert wire.count({"a": usage}, "a", "output_tokens") in (0, 3, 4)


def test_a_usage_that_can_be_is_believed() -> None:
    assert wire.says({"input_tokens": 0, "output_tokens": 2}, "input_tokens", "output_tokens")
    assert wire.count({"details": {"tokens": 5}}, "details", "tokens") == 5
    assert wire.count({"details": {"tokens": 2**70}}, "details", "tokens") == 0
