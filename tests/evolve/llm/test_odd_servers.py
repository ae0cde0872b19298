"""Clients against servers that answer in ways no vendor should.

The server runs in the test's own loop and sends the bytes it is given, whatever it was asked.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from evolve.llm import conformance
from evolve.llm.base import CallError, Client, Completion, Fault, Finish, Options

KEY = "sk-odd-server-0123456789abcdef"
SAID = "A plain answer."
Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(*scripts: bytes | Script, heads: list[bytes] | None = None) -> AsyncIterator[str]:
    """Answers requests with these bytes, each on a connection that is closed then.

    Args:
        heads: Gets the heads of the requests.
    """
    left = list(scripts)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            script = left.pop(0)
            if isinstance(script, bytes):
                writer.write(script)
                await writer.drain()
            else:
                await script(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def client(way: str, address: str, **changes: Any) -> Client:
    from evolve.llm.anthropic import AnthropicClient
    from evolve.llm.openai import OpenAIClient

    stream = way.endswith("+stream")
    api = way.removesuffix("+stream")
    given = {"name": "m", "base_url": address, "key": KEY, "stream": stream, "timeout_s": 10.0,
             "max_output_tokens": 100, **changes}  # fmt: skip
    if api == "messages":
        return AnthropicClient(Options(**given))
    return OpenAIClient(Options(api=api, **{**given, "base_url": f"{address}/v1"}))


def ask_all(way: str, *scripts: bytes | Script, **changes: Any) -> list[Completion | CallError]:
    """What a client makes of each; any other exception fails the test."""

    async def each() -> list[Completion | CallError]:
        found: list[Completion | CallError] = []
        async with server(*scripts) as address:
            one = client(way, address, **changes)
            for _ in scripts:
                try:
                    found.append(await one.complete(conformance.QUESTION))
                except CallError as error:
                    found.append(error)
            await one.close()
        return found

    return asyncio.run(each())


def ask(way: str, script: bytes | Script, **changes: Any) -> Completion | CallError:
    return ask_all(way, script, **changes)[0]


def http(body: bytes, *headers: str, status: int = 200, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}",
             "connection: close", *headers, "", ""]  # fmt: skip
    return "\r\n".join(lines).encode() + body


def chat(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": SAID}
    return {
        "id": "c", "model": "m", "usage": {"prompt_tokens": 7, "completion_tokens": 5},
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **changes,
    }  # fmt: skip


def responses(**changes: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": SAID, "annotations": []}
    return {
        "id": "r", "model": "m", "status": "completed", "error": None,
        "usage": {"input_tokens": 7, "output_tokens": 5},
        "output": [{"type": "message", "content": [part]}], **changes,
    }  # fmt: skip


def messages(**changes: Any) -> dict[str, Any]:
    return {
        "id": "a", "type": "message", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": SAID}],
        "usage": {"input_tokens": 7, "output_tokens": 5}, **changes,
    }  # fmt: skip


BODIES = {"chat": chat, "responses": responses, "messages": messages}
USAGES: list[Any] = [
    None, "missing", [], "7", {}, {"input_tokens": 7, "prompt_tokens": 7},
    *[
        {"input_tokens": bad, "output_tokens": 5, "prompt_tokens": bad, "completion_tokens": 5}
        for bad in (-7, "7", 7.5, True, None, 1e300, 2**80, [7], 0)
    ],
]  # fmt: skip


def plain(value: Any, *headers: str, **options: Any) -> bytes:
    return http(json.dumps(value).encode(), *headers, **options)


@pytest.mark.parametrize("way", BODIES)
def test_an_answer_with_a_usage_that_cannot_be_is_an_answer_of_unknown_cost(way: str) -> None:
    bodies = [BODIES[way](usage=usage) for usage in USAGES]
    del bodies[USAGES.index("missing")]["usage"]
    for usage, found in zip(USAGES, ask_all(way, *map(plain, bodies)), strict=True):
        assert isinstance(found, Completion), usage
        assert (found.text, found.usage) == (SAID, None), usage


MESSAGE: dict[str, Any] = {"role": "assistant"}
CHOICES = [
    ([], None), (None, None), ("x", None), ({}, None), ([None], None), ([{}], None),
    ([{"message": None}], None), ([{"message": "x"}], None),
    ([{"message": {**MESSAGE, "content": None}}], ""),
    ([{"message": {**MESSAGE, "content": 7}}], ""),
    ([{"message": {**MESSAGE, "content": ["x", {"type": "text"}, None]}}], ""),
    ([{"message": {**MESSAGE, "content": [{"type": "text", "text": "a"}, {"text": "b"}]}}], "a"),
    ([{"message": {**MESSAGE, "content": None, "tool_calls": [{"id": "t"}]},
       "finish_reason": "tool_calls"}], ""),
    ([{"message": {**MESSAGE, "content": "first"}}, {"message": {**MESSAGE, "content": "2"}}],
     "first"),
    ([{"message": {**MESSAGE, "content": "a\ud800b"}}], "a?b"),
]  # fmt: skip


def test_odd_choices_are_an_answer_or_a_fault_that_may_have_been_billed() -> None:
    bodies = [plain(chat(choices=choices)) for choices, _ in CHOICES]
    for (choices, text), found in zip(CHOICES, ask_all("chat", *bodies), strict=True):
        if text is None:
            assert isinstance(found, CallError), choices
            assert (found.fault, found.maybe_billed) == (Fault.TRANSIENT, True)
            assert b"choices" in found.read
        else:
            assert isinstance(found, Completion), choices
            assert found.text == text
            assert found.usage is not None


ERRORS: list[tuple[str, Any]] = [
    ("responses", responses(output=None)),
    ("responses", responses(output="x")),
    ("responses", responses(status="failed", error={"message": "no"})),
    ("responses", responses(error={"code": 7})),
    ("messages", messages(content=None)),
    ("messages", {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}),
    ("messages", {"type": "error", "error": "no"}),
    ("chat", {"error": {"message": "no", "code": 429}}),
    ("chat", {"error": "no"}),
    ("chat", []),
    ("chat", 7),
    ("chat", None),
]


@pytest.mark.parametrize("way", BODIES)
def test_an_error_that_comes_with_status_200_is_one(way: str) -> None:
    bodies = [body for its, body in ERRORS if its == way]
    for body, found in zip(bodies, ask_all(way, *map(plain, bodies)), strict=True):
        assert isinstance(found, CallError), body
        assert found.maybe_billed


@pytest.mark.parametrize(
    ("way", "body", "finish"),
    [
        ("responses", responses(output=[]), Finish.COMPLETE),
        ("responses", responses(output=[None, {"type": "message", "content": "x"}]),
         Finish.COMPLETE),
        ("responses", responses(status="incomplete", incomplete_details=None), Finish.OTHER),
        ("responses", responses(status=None), Finish.OTHER),
        ("messages", messages(content=[]), Finish.COMPLETE),
        ("messages", messages(stop_reason="tool_use"), Finish.OTHER),
        ("messages", messages(stop_reason=None), Finish.OTHER),
        ("messages", messages(content=[{"type": "text"}, 7, {"type": "text", "text": None}]),
         Finish.COMPLETE),
    ],
)  # fmt: skip
def test_odd_contents_are_answers(way: str, body: Any, finish: Finish) -> None:
    found = ask(way, plain(body))
    assert isinstance(found, Completion)
    assert found.finish is finish


@pytest.mark.parametrize("way", BODIES)
def test_an_answer_in_another_encoding_is_read(way: str) -> None:
    text = json.dumps(BODIES[way]()).replace(SAID, "Ça marche.")
    ways = [http(text.encode(name)) for name in ("utf-8-sig", "latin-1", "utf-16", "utf-32-le")]
    found = [each.text for each in ask_all(way, *ways) if isinstance(each, Completion)]
    assert found == ["Ça marche.", "\ufffda marche.", "Ça marche.", "Ça marche."]


SAID_BY_AN_ERROR = {
    b'{"error": {"message": "f\xe4ult"}}': "HTTP 400: f\ufffdult",
    b'{"detail": "no such field"}': "HTTP 400: no such field",
    b'{"detail": [{"msg": "bad"}]}': "HTTP 400: [{'msg': 'bad'}]",
    b'{"error": null}': "HTTP 400", b"[1]": "HTTP 400", b"": "HTTP 400",
}  # fmt: skip


@pytest.mark.parametrize("way", BODIES)
def test_an_error_is_told_in_one_line_whatever_its_body(way: str) -> None:
    found = ask_all(way, *[http(body, status=400) for body in SAID_BY_AN_ERROR])
    assert list(map(str, found)) == list(SAID_BY_AN_ERROR.values())
    assert all(isinstance(one, CallError) and one.fault is Fault.REQUEST for one in found)


# --- streams --------------------------------------------------------------------------------------


def sse(*events: Any, end: str = "data: [DONE]\n\n") -> bytes:
    return (
        "".join(f"data: {json.dumps(e, ensure_ascii=False)}\n\n" for e in events) + end
    ).encode()


def delta(text: str | None, reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


USED = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}


async def dribble(writer: asyncio.StreamWriter, body: bytes, size: int) -> None:
    writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n")
    writer.write(b"transfer-encoding: chunked\r\n\r\n")
    for start in range(0, len(body), size):
        part = body[start : start + size]
        writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    "body",
    [
        sse(delta("Ça "), delta("marche 😀"), delta(None, "stop"), USED),
        sse(delta("Ça "), delta("marche 😀"), delta(None, "stop"), USED, end=""),
        sse(USED, delta("Ça "), delta("marche 😀", "stop")),
        b": comment\n\n:\n\nevent: x\nid: 7\nretry: 10\n"
        + sse(delta("Ça marche 😀", "stop"), USED).replace(b"\n", b"\r\n"),
        sse(delta("Ça marche 😀", "stop"), USED).replace(b"\n", b"\r"),
        sse(delta("Ça marche 😀", "stop"), USED).replace(b"data: ", b"data:"),
        sse({"choices": None}, {"choices": [7]}, 7, None, delta("Ça marche 😀", "stop"), USED),
        sse({"model": "", "id": None}, delta("Ça marche 😀", "stop"), {"model": "m", **USED}),
    ],
    ids=["plain", "no-done", "usage-first", "comments-crlf", "cr", "no-blank", "odd-chunks",
         "model-last"],
)  # fmt: skip
def test_a_stream_is_read_however_it_is_cut(body: bytes) -> None:
    scripts = [partial(dribble, body=body, size=size) for size in (1, 3, 10_000)]
    for found in ask_all("chat+stream", *scripts):
        assert isinstance(found, Completion), found
        assert found.text == "Ça marche 😀"
        assert found.usage is not None
        assert (found.usage.input, found.usage.output) == (7, 5)
        assert found.model == ("m" if b'"model": "m"' in body else "")


def test_a_stream_in_any_order_costs_what_its_totals_say() -> None:
    events = [
        {"type": "message_start",
         "message": messages(usage={"input_tokens": 7, "output_tokens": 1})},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SAID}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
         "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]  # fmt: skip
    bodies = [http(sse(*order), kind="text/event-stream") for order in (events, events[::-1])]
    for found in ask_all("messages+stream", *bodies):
        assert isinstance(found, Completion)
        assert (found.text, found.finish) == (SAID, Finish.COMPLETE)
        assert found.usage is not None
        assert (found.usage.input, found.usage.output) == (7, 5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: [DONE]\n\n",
        sse(delta("half")),
        sse(delta("half"), USED),
        sse(delta("half"), end="data: {broken\n\n"),
        sse(delta("half"), {"error": {"message": "overloaded"}}),
        sse(USED),
    ],
)
def test_a_stream_without_the_end_of_its_answer_is_none_and_may_have_been_billed(
    body: bytes,
) -> None:
    found = ask("chat+stream", http(body, kind="text/event-stream"))
    assert isinstance(found, CallError)
    assert found.maybe_billed
    assert found.read == body


ONE = [delta("Ça marche 😀", "stop"), USED]


@pytest.mark.parametrize("more", [None, "abc", [1, None], {}])
def test_a_block_with_fields_that_nobody_knows_is_read(more: object) -> None:
    events = [
        {"type": "message_start", "message": messages(content=[])},
        {"type": "content_block_start", "index": 0,
         "content_block": {"type": "text", "text": "A ", "parts": more, "more": more}},
        {"type": "content_block_delta", "index": 0,
         "delta": {"type": "text_delta", "text": "plain answer.", "parts": more}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
         "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]  # fmt: skip
    found = ask("messages+stream", http(sse(*events), kind="text/event-stream"))
    assert isinstance(found, Completion), found
    assert (found.text, found.usage is not None) == (SAID, True)


def test_a_stream_may_begin_with_a_byte_order_mark_or_hold_a_second_answer() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "another"}}]}
    bodies = [http(b"\xef\xbb\xbf" + sse(*ONE)), http(sse(other, *ONE))]
    for found in ask_all("chat+stream", *bodies):
        assert isinstance(found, Completion)
        assert found.text == "Ça marche 😀"


@pytest.mark.parametrize("way", BODIES)
def test_a_server_that_streams_unasked_or_does_not_when_asked_is_read(way: str) -> None:
    whole = plain(BODIES[way]())
    found = [ask(f"{way}+stream", whole)]
    if way == "chat":
        found.append(ask("chat", http(sse(delta(SAID, "stop"), USED), kind="text/event-stream")))
    for answer in found:
        assert isinstance(answer, Completion)
        assert answer.text == SAID
        assert answer.usage is not None
        assert (answer.usage.input, answer.usage.output) == (7, 5)


def test_a_stream_that_does_not_count_the_answer_in_the_end_has_an_unknown_cost() -> None:
    events = [
        {"type": "message_start",
         "message": messages(usage={"input_tokens": 7, "output_tokens": 1})},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SAID}},
        {"type": "message_stop"},
    ]  # fmt: skip
    found = ask("messages+stream", http(sse(*events), kind="text/event-stream"))
    assert isinstance(found, Completion)
    assert (found.text, found.usage) == (SAID, None)


@pytest.mark.parametrize(
    "more",
    [
        {"total_tokens": 307},
        {"completion_tokens_details": {"reasoning_tokens": 300},
         "output_tokens_details": {"reasoning_tokens": 300}},
    ],
    ids=["in the total", "beside"],
)  # fmt: skip
@pytest.mark.parametrize("way", ["chat", "responses"])
def test_reasoning_that_is_not_counted_as_output_is_paid_all_the_same(
    way: str, more: dict[str, Any]
) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "input_tokens": 7, "output_tokens": 5}
    found = ask(way, plain(BODIES[way](usage={**usage, **more})))
    assert isinstance(found, Completion)
    assert found.usage is not None
    assert (found.usage.input, found.usage.output) == (7, 300)


def test_a_gateway_whose_model_failed_gives_no_answer() -> None:
    failed = {"message": {"content": ""}, "finish_reason": "error",
              "error": {"code": 502, "message": "upstream"}}  # fmt: skip
    for found in (
        ask("chat", plain(chat(choices=[failed]))),
        ask("chat+stream", http(sse({"choices": [failed]}))),
    ):
        assert isinstance(found, CallError)
        assert (found.fault, found.maybe_billed) == (Fault.TRANSIENT, True)
        assert "upstream" in str(found)


@pytest.mark.parametrize("way", BODIES)
def test_what_a_server_calls_model_and_call_is_kept_in_part(way: str) -> None:
    found = ask(way, plain(BODIES[way](model="m" * 300_000, id="i" * 300_000)))
    assert isinstance(found, Completion)
    assert (len(found.model), len(found.request_id)) == (200, 200)


def test_a_gateway_that_gave_up_waiting_may_have_been_billed() -> None:
    for status in (504, 524):
        found = ask("chat", plain({"error": "timeout"}, status=status))
        assert isinstance(found, CallError)
        assert (found.fault, found.maybe_billed) == (Fault.TRANSIENT, True)


# --- transport ------------------------------------------------------------------------------------


def test_a_compressed_answer_is_read() -> None:
    body = gzip.compress(json.dumps(chat()).encode())
    found = ask("chat", http(body, "content-encoding: gzip"))
    assert isinstance(found, Completion)
    assert found.text == SAID


@pytest.mark.parametrize("way", [*BODIES, "chat+stream"])
def test_an_answer_without_an_end_is_ended_and_what_was_read_is_kept(way: str) -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 X\r\ncontent-type: application/json\r\n\r\n{"id": "')
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    found = ask(way, flood)
    assert isinstance(found, CallError)
    assert (found.fault, found.maybe_billed) == (Fault.REQUEST, True)
    assert "1,124 KiB" in str(found)
    assert 1_124 * 1024 < len(found.read) < 1_400 * 1024


def test_a_bomb_is_not_unpacked_to_its_end() -> None:
    body = gzip.compress(b" " * (64 << 20))
    for status in (200, 500):
        found = ask("chat", http(body, "content-encoding: gzip", status=status))
        assert isinstance(found, CallError)
        assert len(found.read) < 4 << 20


def test_an_error_that_is_compressed_twice_is_not_unpacked() -> None:
    body = gzip.compress(gzip.compress(b" " * (64 << 20)))
    tracemalloc.start()
    found = ask("chat", http(body, "content-encoding: gzip, gzip", status=500))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, CallError)
    assert (found.fault, found.status) == (Fault.TRANSIENT, 500)
    assert most < 16 << 20


@pytest.mark.parametrize("way", BODIES)
def test_a_cookie_is_not_sent_back(way: str) -> None:
    cookies = [b"a=\xe9; Path=/", b"plain=1", b"=;;\xff=", b"a=b; Domain=127.0.0.1"]
    answers = [
        plain(BODIES[way](), "set-cookie: it").replace(b"cookie: it", b"cookie: " + cookie)
        for cookie in cookies
    ]
    heads: list[bytes] = []

    async def ask_each() -> list[Completion]:
        async with server(*answers, heads=heads) as address:
            one = client(way, address)
            found = [await one.complete(conformance.QUESTION) for _ in answers]
            await one.close()
        return found

    assert [one.text for one in asyncio.run(ask_each())] == [SAID] * len(cookies)
    assert not any(b"\ncookie:" in head.lower() for head in heads)


def test_the_body_of_an_error_without_an_end_is_cut() -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 X\r\ncontent-type: text/plain\r\n\r\n")
        while True:
            writer.write(b"sorry " * 10_000)
            await writer.drain()

    found = ask("chat", flood)
    assert isinstance(found, CallError)
    assert found.fault is Fault.TRANSIENT
    assert not found.maybe_billed
    assert len(str(found)) < 400


NO_ANSWERS = [
    b"",
    b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n",
    b'HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{"id": "half',
    b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
    b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc",
    b"SSH-2.0-OpenSSH_9\r\n",
    b"HTTP/1.1 two hundred\r\n\r\n",
    http(b"<html>Sign in</html>", kind="text/html"),
    http(b"\xff\xfe\x00", "content-encoding: gzip"),
    http(b'{"id": 1'),
    http(b"[" * 100_000),
]


def test_what_is_no_answer_may_have_been_billed() -> None:
    for raw, found in zip(NO_ANSWERS, ask_all("chat", *NO_ANSWERS), strict=True):
        assert isinstance(found, CallError), raw
        assert (found.fault, found.maybe_billed) == (Fault.TRANSIENT, True), raw
        assert "\n" not in str(found)


def test_a_server_that_says_ever_less_is_left_in_time() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    for way in ("chat", "chat+stream", "messages"):
        found = ask(way, drip, timeout_s=1.0)
        assert isinstance(found, CallError)
        assert "no answer in time" in str(found)
        assert found.read.strip() == b""
        assert found.read


def test_a_redirect_is_not_followed_and_takes_no_key_along() -> None:
    hits: list[bytes] = []

    async def both() -> None:
        async def note(writer: asyncio.StreamWriter) -> None:
            hits.append(b"")
            writer.write(plain(chat()))

        async with server(note) as other:
            for status in (301, 302, 307, 308):
                moved = http(b"", f"location: {other}/v1/chat/completions", status=status)
                async with server(moved) as address:
                    one = client("chat", address)
                    with pytest.raises(CallError) as caught:
                        await one.complete(conformance.QUESTION)
                    await one.close()
                    assert caught.value.fault is Fault.MODEL
                    assert f"redirect to {other}/v1" in str(caught.value)

    asyncio.run(both())
    assert not hits


WISHES = {
    "-5": 0.0, "1e9": 3600.0, "inf": 3600.0, "nan": None, "soon": None, "": None, "1.5": 1.5,
    "Thu, 01 Jan 1970 00:00:00 GMT": 0.0, "Fri, 01 Jan 9999 00:00:00 GMT": 3600.0,
}  # fmt: skip


def test_a_wish_to_wait_is_believed_within_reason() -> None:
    scripts = [plain({"error": "x"}, f"retry-after: {wish}", status=429) for wish in WISHES]
    for wish, found in zip(WISHES, ask_all("chat", *scripts), strict=True):
        assert isinstance(found, CallError)
        assert (found.fault, found.retry_after_s) == (Fault.RATE_LIMIT, WISHES[wish]), wish


def test_a_wish_to_wait_until_a_date_goes_by_the_servers_own_clock() -> None:
    date, later = ("Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:07 GMT")
    found = ask("chat", plain({}, f"date: {date}", f"retry-after: {later}", status=429))
    assert isinstance(found, CallError)
    assert found.retry_after_s == 7.0


@pytest.mark.parametrize("way", BODIES)
def test_an_error_that_repeats_the_key_is_told_without_it(way: str) -> None:
    said = {"error": {"message": f"bad key {KEY} (Bearer {KEY}), x-api-key: {KEY}"}}
    bodies = [json.dumps(said).encode(), KEY.encode(), f"<html>{KEY}</html>".encode()]
    scripts = [
        http(body, f"x-request-id: {KEY}", f"request-id: {KEY}", status=status)
        for status in (401, 403, 400, 429, 500, 529, 302)
        for body in bodies
    ]
    for found in ask_all(way, *scripts):
        assert isinstance(found, CallError)
        assert KEY not in str(found) + found.request_id + repr(found)
        assert KEY.encode() not in found.read


def test_a_key_is_not_shown_in_part_where_an_error_or_an_answer_breaks_off() -> None:
    for padding in range(1970, 2000):
        found = ask("chat", http(b" " * padding + KEY.encode(), status=400))
        assert isinstance(found, CallError)
        assert KEY[:8] not in str(found)
    for length in range(8, len(KEY)):
        part = f'{{"id": "{KEY[:length]}'.encode()
        lost = ask("chat", b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n" + part)
        assert isinstance(lost, CallError)
        assert lost.maybe_billed
        assert KEY[:8].encode() not in lost.read
        assert lost.read.startswith(b'{"id": ')


def test_an_answer_that_repeats_the_key_is_kept_without_it() -> None:
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    body = json.dumps(chat(model=KEY, id=KEY)).replace("A plain", f"{KEY} {escaped}").encode()
    found = ask("chat", http(body, f"x-request-id: {KEY}"))
    assert isinstance(found, Completion)
    assert KEY not in repr(found)
    assert found.text == "[key] [key] answer."
    halves = sse(delta(KEY[:9]), delta(KEY[9:], "stop"), USED)
    found = ask("chat+stream", http(halves, kind="text/event-stream"))
    assert isinstance(found, Completion)
    assert found.text == "[key]"
    for broken in (f"{{{KEY}".encode(), json.dumps(chat(choices=KEY)).encode()):
        lost = ask("chat", http(broken))
        assert isinstance(lost, CallError)
        assert KEY not in str(lost)
        assert KEY.encode() not in lost.read
        assert lost.read
