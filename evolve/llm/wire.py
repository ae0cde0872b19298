"""What both vendors' clients share: sending through an SDK, and reading bodies to their last byte.

The SDKs build requests, sign them and know the transport; bodies are read here, since an answer
must be complete before it counts and its content may hold blocks that no SDK knows yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import msgspec

from evolve.errors import nearest
from evolve.llm.base import CallError, Completion, Fault, Finish, Options, Request, Usage
from evolve.llm.errors import from_status, from_transport, unreadable

_CONNECT_S = 10.0
_MOST_TOKENS = 1 << 40
"""More than any call can be; also what a database column holds."""
_IDLE_S = 120.0
"""A stream that sends nothing for so long is taken for dead; vendors send pings in between."""


class Raw(Protocol):
    """The raw response of either SDK."""

    @property
    def http_response(self) -> httpx2.Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful response, whole."""

    body: bytes
    headers: Mapping[str, str]
    latency_s: float


def timeouts(options: Options) -> httpx2.Timeout:
    """No limit for the pool: how many calls are made at once is decided elsewhere."""
    read = min(options.timeout_s, _IDLE_S) if options.stream else options.timeout_s
    return httpx2.Timeout(read, connect=min(_CONNECT_S, options.timeout_s), pool=None)


LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


async def fetch(
    sending: Awaitable[Raw],
    *,
    errors: tuple[type[Exception], type[Exception]],
    options: Options,
    id_header: str,
) -> Reply:
    """Sends a prepared SDK call and reads its answer to the end.

    Args:
        sending: A `with_raw_response` call.
        errors: The SDK's `APIStatusError` and `APIError`.
        id_header: Where the vendor puts the request's id.

    Raises:
        CallError: there is no whole answer.
    """
    status_error, api_error = errors
    secret = options.key
    began = time.monotonic()
    try:
        async with asyncio.timeout(options.timeout_s):
            response = (await sending).http_response
            body = await response.aread()
    except status_error as error:
        answer: httpx2.Response = error.response  # type: ignore[attr-defined]
        raise from_status(
            answer.status_code,
            answer.headers,
            _json_or_text(answer),
            request_id=answer.headers.get(id_header, ""),
            secret=secret,
        ) from None
    except TimeoutError:
        late = httpx2.ReadTimeout(f"{options.timeout_s:g} s")
        raise from_transport(late, secret=secret) from None
    except api_error as error:
        raise from_transport(error.__cause__ or error, secret=secret) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise from_transport(error, secret=secret) from None
    return Reply(body=body, headers=response.headers, latency_s=time.monotonic() - began)


def json_object(reply: Reply, *, id_header: str) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        CallError: it is something else.
    """
    request_id = reply.headers.get(id_header, "")
    try:
        found = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        start = reply.body[:40].decode("utf-8", "replace")
        raise unreadable(f"the answer is no JSON: {start!r}", request_id=request_id) from None
    if not isinstance(found, dict):
        raise unreadable("the answer is no JSON object", request_id=request_id)
    return found


def events(reply: Reply, *, id_header: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream of server-sent events; `[DONE]` comes as an empty one.

    Raises:
        CallError: an event is no JSON.

    Source: WHATWG HTML, section 9.2.6.
    """
    request_id = reply.headers.get(id_header, "")
    text = reply.body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for chunk in text.split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in chunk.split("\n") if line[:5] == "data:"]
        if not lines:
            continue
        data = "\n".join(lines)
        if data.strip() == "[DONE]":
            yield {}
            continue
        try:
            found = msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise unreadable(
                f"an event of the answer is no JSON: {data[:40]!r}", request_id=request_id
            ) from None
        if isinstance(found, dict):
            yield found


def count(holder: object, *path: str) -> int:
    """A number of tokens deep in a JSON object; 0 where it is missing or no count."""
    for name in path:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder if _is_count(holder) else 0  # type: ignore[return-value]


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
    id_header: str,
    fallback_id: object,
) -> Completion:
    """A completion with what every vendor says in the same way."""
    return Completion(
        text=answer,
        finish=finish,
        model=text(model),
        usage=usage,
        request_id=reply.headers.get(id_header, "") or text(fallback_id),
        latency_s=reply.latency_s,
    )


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
        reply = await fetch(retrieving, errors=errors, options=options, id_header="")
        if isinstance(json_object(reply, id_header="").get("id"), str):
            return
    except CallError as error:
        if error.status == 200:
            raise CallError(Fault.MODEL, _no_server(base_url)) from None
        if error.status not in (400, 404, 405):
            raise
    try:
        reply = await fetch(list_models(), errors=errors, options=options, id_header="")
        listed = json_object(reply, id_header="").get("data")
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


def _json_or_text(response: httpx2.Response) -> object:
    try:
        return msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        is_page = response.headers.get("content-type", "").startswith("text/html")
        return "an HTML page" if is_page else response.content[:2000].decode("utf-8", "replace")
