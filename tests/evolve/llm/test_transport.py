"""What carries the calls: many at once, connections that servers close, certificates."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.loopback import loopback
from benchmarks.vendor import KEYS
from evolve.llm import conformance
from evolve.llm.anthropic import AnthropicClient
from evolve.llm.base import CallError, Client, Completion, Options
from evolve.llm.openai import OpenAIClient

ANSWER = b'{"id": "c", "model": "m", "choices": [{"message": {"content": "yes"}}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def ask(client: Client, count: int, *, together: bool) -> list[Completion]:
    async def all_of_them() -> list[Completion]:
        try:
            calls = [client.complete(conformance.QUESTION) for _ in range(count)]
            if together:
                return await asyncio.gather(*calls)
            return [await call for call in calls]
        finally:
            await client.close()

    return asyncio.run(all_of_them())


def test_more_calls_than_a_hundred_are_under_way_at_once(tmp_path: Path) -> None:
    with loopback(tmp_path / "ledger", "--latency", "2") as vendor:
        client = OpenAIClient(
            Options(
                name="loopback", base_url=vendor.environment["OPENAI_BASE_URL"], api="chat",
                key=KEYS["openai"], timeout_s=30.0,
            )
        )  # fmt: skip
        answers = ask(client, 220, together=True)
        taken = [float(str(e["at"])) for e in vendor.entries() if e["state"] == "taken"]
        sent = [float(str(e["at"])) for e in vendor.entries() if e["state"] == "sent"]
    assert len(answers) == 220
    assert all(answer.text for answer in answers)
    assert max(taken) < min(sent)


def test_a_connection_that_the_server_closed_behind_an_answer_loses_no_call() -> None:
    """It says nothing of closing, as servers that are short of connections do."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as reading:
                length = 0
                while (line := reading.readline().lower()) not in (b"\r\n", b""):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                asked.append(reading.read(length))
                connection.sendall(HEAD % len(ANSWER) + ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        client = OpenAIClient(Options(name="m", base_url=address, api="chat", key="k" * 20))

        async def one_after_the_other() -> list[str]:
            try:
                found = []
                for _ in range(30):
                    found.append((await client.complete(conformance.QUESTION)).text)
                    # the answer is dealt with, and the loop sees nothing
                    time.sleep(0.01)  # noqa: ASYNC251
                return found
            finally:
                await client.close()

        assert asyncio.run(one_after_the_other()) == ["yes"] * 30
        assert len(asked) == 30
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_a_server_that_nobody_reaches_was_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    client = OpenAIClient(Options(name="m", base_url=f"http://127.0.0.1:{port}/v1", api="chat"))
    with pytest.raises(CallError, match="no connection") as caught:
        ask(client, 1, together=False)
    assert not caught.value.maybe_billed


def once(answer: bytes) -> Completion:
    """What a client makes of an answer, whole as it comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while not connection.recv(65536).endswith(b"}"):
                    time.sleep(0.001)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
            client = OpenAIClient(Options(name="m", base_url=address, api="chat"))
            return ask(client, 1, together=False)[0]
        finally:
            thread.join()


def test_a_server_that_takes_the_call_and_goes_may_have_billed_it() -> None:
    with pytest.raises(CallError, match="connection lost") as caught:
        once(b"")
    assert caught.value.maybe_billed


@pytest.mark.parametrize(
    "more",
    [
        b"content-security-policy: " + b"a" * 60_000 + b"\r\n",
        b"".join(b"x-%d: y\r\n" % number for number in range(5000)),
    ],
    ids=["long", "many"],
)
def test_an_answer_with_long_or_many_headers_is_read(more: bytes) -> None:
    head = HEAD % len(ANSWER)
    assert once(head.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n") + ANSWER).text == "yes"


def test_an_answer_is_read_whatever_its_reason_phrase() -> None:
    head = (HEAD % len(ANSWER)).replace(b"OK", b"Tr\xe8s bien")
    assert once(head + ANSWER).text == "yes"


def test_a_change_of_protocol_is_no_answer_but_may_have_been_billed() -> None:
    with pytest.raises(CallError, match="status 101") as caught:
        once(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    assert caught.value.maybe_billed


def test_an_answer_that_is_cut_off_says_so() -> None:
    with pytest.raises(CallError, match="connection lost: the answer was cut off") as caught:
        once(HEAD % (len(ANSWER) + 9) + ANSWER)
    assert caught.value.maybe_billed
    assert caught.value.read == ANSWER


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://llm..corp/v1", "the base URL cannot be used: .*label empty or too long"),
        ("http://127.0.0.1:99999/v1", "the base URL cannot be used: Port out of range"),
        ("http:///v1", "the base URL cannot be used: it names no host"),
    ],
)
def test_an_address_that_cannot_be_used_was_sent_nothing(address: str, said: str) -> None:
    client = OpenAIClient(Options(name="m", base_url=address, api="chat"))
    with pytest.raises(CallError, match=said) as caught:
        ask(client, 1, together=False)
    assert not caught.value.maybe_billed


@pytest.mark.parametrize("make", [OpenAIClient, AnthropicClient])
def test_a_proxy_of_the_environment_is_one_that_is_understood(
    make: type[OpenAIClient | AnthropicClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(ImportError, match="SOCKS proxy"):
        make(Options(name="m"))


@contextmanager
def proxy(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a proxy that answers once, and what it was sent."""
    sent: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                sent.append(connection.recv(65536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", sent
        thread.join()


def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(HEAD % len(ANSWER) + ANSWER) as (address, sent):
        monkeypatch.setenv("HTTP_PROXY", address)
        client = OpenAIClient(Options(name="m", base_url="http://llm.internal/v1", api="chat"))
        assert ask(client, 1, together=False)[0].text == "yes"
    assert sent[0].startswith(b"POST http://llm.internal/v1/chat/completions ")


def test_a_proxy_that_refuses_was_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n") as (address, sent):
        monkeypatch.setenv("HTTPS_PROXY", address)
        client = OpenAIClient(Options(name="m", base_url="https://llm.internal/v1", api="chat"))
        with pytest.raises(CallError, match="no connection: 407 Who are you") as caught:
            ask(client, 1, together=False)
    assert sent[0].startswith(b"CONNECT llm.internal:443 ")
    assert not caught.value.maybe_billed


@pytest.mark.parametrize("make", [OpenAIClient, AnthropicClient])
def test_certificates_that_are_not_there_are_an_error_at_once(
    make: type[OpenAIClient | AnthropicClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/to/be/found.pem")
    with pytest.raises(OSError, match="No such file"):
        make(Options(name="m"))
