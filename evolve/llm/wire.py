"""What both vendors' clients share: sending through an SDK, and reading bodies to their last byte.

The SDKs build requests, sign them and know the transport; bodies are read here, since an answer
must be complete before it counts, must have an end, and may hold blocks that no SDK knows yet.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from typing import Any, Protocol

import httpx2
import msgspec

from evolve.errors import nearest
from evolve.llm.base import CallError, Completion, Fault, Finish, Options, Request, Usage
from evolve.llm.carrier import carried
from evolve.llm.errors import SHORTEST_KEY, from_status, from_transport, too_long, unreadable

_CONNECT_S = 10.0
_MOST_TOKENS = 1 << 40
"""More than any call can be; also what a database column holds."""
_IDLE_S = 120.0
"""A stream that sends nothing for so long is taken for dead; vendors send pings in between."""


_BODY_BYTES = 1 << 20
_BYTES_A_TOKEN = 1 << 10
"""The longest body is 1 MiB and 1 KiB for each token that was allowed; streams write 200 to 400
bytes about each, and some send the whole text twice."""
_ERROR_BYTES = 1 << 16
"""Read of the body of an error; of a compressed one, which may hold a thousand times as much, a
thirty-second, and of one compressed twice nothing."""
_TURNS = 2
"""Of the event loop before a call is sent, in which it sees what servers have closed meanwhile: who
sends into that is never told whether it was read."""
_LONGEST_NAME = 200
"""Kept of what a server says that the model and the call are called."""


class Raw(Protocol):
    """The response of either SDK, its body not yet read."""

    @property
    def http_response(self) -> httpx2.Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful response, whole; the key is no longer in it, should the server have sent it."""

    body: bytes
    request_id: str
    latency_s: float
    key: str = field(repr=False)

    def unreadable(self, what: str) -> CallError:
        """That it cannot be read: it may have been billed, and nobody can say how much."""
        return unreadable(what, request_id=self.request_id, read=self.body)


def timeouts(options: Options) -> httpx2.Timeout:
    """No limit for the pool: how many calls are made at once is decided elsewhere."""
    read = min(options.timeout_s, _IDLE_S) if options.stream else options.timeout_s
    return httpx2.Timeout(read, connect=min(_CONNECT_S, options.timeout_s), pool=None)


LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


def http_options(options: Options) -> dict[str, Any]:
    """Of the client that both SDKs send through; a key must not travel on to where a redirect
    points.

    Raises:
        OSError: the certificates that the environment names are not there.
    """
    return carried(
        {
            "limits": LIMITS,
            "follow_redirects": False,
            "timeout": timeouts(options),
            "cookies": _NoCookies(),
            "event_hooks": {"response": [_shorten_error]},
        }
    )


class _NoCookies(CookieJar):
    """Stays empty: no server needs one, and a letter that is not ASCII would end later calls."""

    def extract_cookies(self, response: object, request: object) -> None:
        return


async def _shorten_error(response: httpx2.Response) -> None:
    """SDKs read the body of an error to its end, and it might have none."""
    if response.status_code >= 300 and isinstance(response.stream, httpx2.AsyncByteStream):
        codings = response.headers.get_list("content-encoding", split_commas=True)
        most = {0: _ERROR_BYTES, 1: _ERROR_BYTES >> 5}
        response.stream = _Shortened(response.stream, most.get(len(codings), 0))


class _Shortened(httpx2.AsyncByteStream):
    """The first bytes of a body."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most
        async for part in self._stream:
            yield part[:left]
            left -= len(part)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def posting(client: Any, path: str, body: dict[str, Any]) -> AsyncIterator[httpx2.Response]:
    """Sends a body through an SDK's client as it stands, to be read by `fetch`.

    This is the SDKs' way for requests they have no method for. Their methods hold a body against
    every type that each of its fields can have, which took a tenth of a call's CPU.
    """
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    response = await client.post(path, cast_to=httpx2.Response, body=body, stream=True)
    try:
        yield response
    finally:
        await response.aclose()


@asynccontextmanager
async def _unread(sending: AbstractAsyncContextManager[Raw]) -> AsyncIterator[httpx2.Response]:
    async with sending as answering:
        yield answering.http_response


async def fetch(
    sending: AbstractAsyncContextManager[httpx2.Response],
    *,
    errors: tuple[type[Exception], type[Exception]],
    options: Options,
    id_header: str,
) -> Reply:
    """Sends a prepared SDK call and reads its answer to the end.

    Args:
        sending: What `posting` gives.
        errors: The SDK's `APIStatusError` and `APIError`.
        id_header: Where the vendor puts the request's id.

    Raises:
        CallError: there is no whole answer; holds what was read of it.
    """
    status_error, api_error = errors
    secret = options.key
    most = _BODY_BYTES + _BYTES_A_TOKEN * options.max_output_tokens
    body = bytearray()
    request_id = ""
    began = time.monotonic()

    def read_so_far() -> bytes:
        return _without_start(secret, _without_bytes(secret, body))

    def lost(error: BaseException) -> CallError:
        read = read_so_far()
        return from_transport(error, secret=secret, request_id=request_id, read=read)

    try:
        async with asyncio.timeout(options.timeout_s), sending as response:
            request_id = _without(secret, response.headers.get(id_header, ""))[:_LONGEST_NAME]
            async for part in response.aiter_bytes():
                body += part
                if len(body) > most:
                    raise too_long(most, request_id=request_id, read=read_so_far())
    except CallError:
        raise
    except status_error as error:
        answer: httpx2.Response = error.response  # type: ignore[attr-defined]
        raise from_status(
            answer.status_code,
            answer.headers,
            _json_or_text(answer, secret),
            request_id=_without(secret, answer.headers.get(id_header, ""))[:_LONGEST_NAME],
            secret=secret,
        ) from None
    except TimeoutError:
        raise lost(httpx2.ReadTimeout(f"{options.timeout_s:g} s")) from None
    except api_error as error:
        raise lost(error.__cause__ or error) from None
    except Exception as error:  # noqa: BLE001  whatever a server makes an SDK stumble over
        raise lost(error) from None
    return Reply(
        body=_without_bytes(secret, body),
        request_id=request_id,
        latency_s=time.monotonic() - began,
        key=secret,
    )


def json_object(reply: Reply) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        CallError: it is something else.
    """
    try:
        found = _decoded(reply.body)
    except (ValueError, RecursionError):
        start = reply.body[:40].decode("utf-8", "replace")
        raise reply.unreadable(f"the answer is no JSON: {start!r}") from None
    if not isinstance(found, dict):
        raise reply.unreadable("the answer is no JSON object")
    return found


def streamed(reply: Reply, *, asked: bool) -> bool:
    """Whether events came and not one object; some servers give the one they were not asked for."""
    start = reply.body[:4096].lstrip()
    return not start.startswith(b"{") if asked else start.startswith((b"data:", b"event:"))


def events(reply: Reply) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream of server-sent events; `[DONE]` comes as an empty one.

    Raises:
        CallError: an event is no JSON.

    Source: WHATWG HTML, section 9.2.6.
    """
    text = reply.body.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for chunk in text.split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in chunk.split("\n") if line[:5] == "data:"]
        if not lines:
            continue
        data = "\n".join(lines)
        if data.strip() == "[DONE]":
            yield {}
            continue
        try:
            found = _decoded(data.encode())
        except (ValueError, RecursionError):
            raise reply.unreadable(f"an event of the answer is no JSON: {data[:40]!r}") from None
        if isinstance(found, dict):
            yield found


def _decoded(data: bytes) -> object:
    """The JSON value; the paid answer is not lost by an invalid byte or half of a surrogate pair.

    Raises:
        ValueError, RecursionError: it is none.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data.decode(json.detect_encoding(data), "replace"))


def count(holder: object, *path: str) -> int:
    """A number of tokens deep in a JSON object; 0 where it is missing or no count."""
    for name in path:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder if _is_count(holder) else 0  # type: ignore[return-value]


def answered(usage: object, output: str, details: str, all_input: int) -> int:
    """Tokens of an answer, reasoning included; some servers count that in the total alone.

    Args:
        output, details: Where the usage has the answer, and its reasoning.
    """
    total = count(usage, "total_tokens")
    written, thought = count(usage, output), count(usage, details, "reasoning_tokens")
    return max(written, thought, total - all_input)


def says(usage: object, *names: str) -> bool:
    """Whether a usage holds all of these numbers of tokens, and each can be one.

    A call whose usage does not is booked at its reserve: nothing that a server leaves out or gets
    wrong makes a call cheaper.
    """
    return isinstance(usage, dict) and all(_is_count(usage.get(name)) for name in names)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST_TOKENS


def objects(holder: object) -> Iterator[dict[str, Any]]:
    """The JSON objects of a list, whatever else is in it."""
    if isinstance(holder, list):
        yield from (entry for entry in holder if isinstance(entry, dict))


def text(holder: object) -> str:
    """A JSON value that should be a string; lone surrogates replaced, as no file can hold them."""
    return holder.encode("utf-8", "replace").decode() if isinstance(holder, str) else ""


def completion(
    reply: Reply,
    *,
    answer: str,
    finish: Finish,
    model: object,
    usage: Usage | None,
    fallback_id: object,
) -> Completion:
    """A completion with what every vendor says in the same way.

    No call takes nothing: a usage of 0 tokens is one that the server did not count.
    """
    if usage is not None and (not usage.input or (answer and not usage.output)):
        usage = None
    return Completion(
        # what was escaped, or in several events, is whole only now
        text=_without(reply.key, answer),
        finish=finish,
        model=_without(reply.key, text(model))[:_LONGEST_NAME],
        usage=usage,
        request_id=(reply.request_id or _without(reply.key, text(fallback_id)))[:_LONGEST_NAME],
        latency_s=reply.latency_s,
    )


def _without(key: str, said: str) -> str:
    """What a server said, without the key, should it have sent it back."""
    return said.replace(key, "[key]") if len(key) >= SHORTEST_KEY else said


def _without_bytes(key: str, said: bytes | bytearray) -> bytes:
    return bytes(said.replace(key.encode(), b"[key]") if len(key) >= SHORTEST_KEY else said)


def _without_start(key: str, said: bytes) -> bytes:
    """What broke off, without the start of the key, should it have done so in the middle of it."""
    whole = key.encode()
    for length in range(len(whole) - 1, SHORTEST_KEY - 1, -1):
        if said.endswith(whole[:length]):
            return said[:-length] + b"[key]"
    return said


def opening(request: Request) -> list[dict[str, Any]]:
    """The turns of a request as both vendors write them."""
    return [{"role": message.role, "content": message.text} for message in request.messages]


async def check(
    retrieving: Any,
    list_models: Any,
    errors: tuple[type[Exception], type[Exception]],
    options: Options,
    base_url: str,
) -> None:
    """`Client.check` for both SDKs, whose lists of models have the same shape.

    Raises:
        CallError: key, address or model is wrong.
    """
    try:
        reply = await fetch(_unread(retrieving), errors=errors, options=options, id_header="")
        if isinstance(json_object(reply).get("id"), str):
            return
    except CallError as error:
        if error.status == 200:
            raise CallError(Fault.MODEL, _no_server(base_url)) from None
        if error.status not in (400, 404, 405):
            raise
    try:
        reply = await fetch(_unread(list_models()), errors=errors, options=options, id_header="")
        listed = json_object(reply).get("data")
    except CallError as error:
        if error.status == 200:
            raise CallError(Fault.MODEL, _no_server(base_url)) from None
        if error.status in (400, 404, 405):
            if "an HTML page" in str(error):
                raise CallError(Fault.MODEL, _no_server(base_url)) from None
            return  # no list of models here; the first call will tell
        raise
    names = [text(entry.get("id")) for entry in objects(listed)]
    if options.name not in names:
        raise CallError(
            Fault.MODEL,
            f"no model {options.name!r} at {base_url}; {nearest(options.name, names[:30])}",
            status=404,
        )


def _no_server(base_url: str) -> str:
    return f"{base_url} is no LLM server: it answers, but not with JSON"


def _json_or_text(response: httpx2.Response, secret: str) -> object:
    try:
        return _decoded(response.content)
    except (ValueError, RecursionError):
        is_page = response.headers.get("content-type", "").startswith("text/html")
        said = _without_start(secret, _without_bytes(secret, response.content))
        return "an HTML page" if is_page else said[:2000].decode("utf-8", "replace")
